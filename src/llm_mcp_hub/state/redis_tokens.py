"""The access tokens of `RedisStore`: two hashes, and when each was used last, in one slot."""

from collections.abc import Mapping

import msgspec

from llm_mcp_hub.domain.access import AccessToken
from llm_mcp_hub.errors import NameTaken
from llm_mcp_hub.state import redis_scripts as lua
from llm_mcp_hub.state.redis_client import RedisClient, Script, pairs_of
from llm_mcp_hub.state.redis_keys import token_keys, token_uses_key

_ADD_TOKEN = Script(lua.ADD_TOKEN)
_UPDATE_TOKEN = Script(lua.UPDATE_TOKEN)
_DELETE_TOKEN = Script(lua.DELETE_TOKEN)
_NOTE_USES = Script(lua.NOTE_USES)

_encode = msgspec.json.Encoder().encode
_decode_token = msgspec.json.Decoder(AccessToken).decode


class RedisTokens:
    """The hub's access tokens in Redis."""

    _client: RedisClient
    _prefix: str

    async def add_token(self, token: AccessToken) -> None:
        """Store a new access token."""
        keys = token_keys(self._prefix)
        if not await self._client.call(_ADD_TOKEN, keys, token.id, token.name, _encode(token)):
            raise NameTaken(
                f"An access token named {token.name!r} exists; choose another name, "
                "or delete that one first",
                param="name",
            )

    async def get_token(self, token_id: str) -> AccessToken | None:
        """The access token of that id."""
        by_id, _ = token_keys(self._prefix)
        (body,) = await self._client.pipeline(("HGET", by_id, token_id))
        return _decode_token(body) if body is not None else None

    async def list_tokens(self) -> tuple[AccessToken, ...]:
        """All access tokens, by name."""
        by_id, _ = token_keys(self._prefix)
        (bodies,) = await self._client.pipeline(("HVALS", by_id))
        return tuple(sorted(map(_decode_token, bodies), key=lambda token: token.name))

    async def update_token(self, token: AccessToken) -> bool:
        """Replace an access token."""
        args = (token.id, token.name, _encode(token))
        return bool(await self._client.call(_UPDATE_TOKEN, token_keys(self._prefix), *args))

    async def delete_token(self, name: str) -> bool:
        """Forget an access token."""
        keys = (*token_keys(self._prefix), token_uses_key(self._prefix))
        return bool(await self._client.call(_DELETE_TOKEN, keys, name))

    async def note_token_uses(self, uses: Mapping[str, float]) -> None:
        """Record when access tokens were used."""
        keys = (token_keys(self._prefix)[0], token_uses_key(self._prefix))
        pairs = [one for token_id, at in uses.items() for one in (token_id, repr(at))]
        await self._client.call(_NOTE_USES, keys, *pairs)

    async def token_uses(self) -> dict[str, float]:
        """When access tokens were used last."""
        key = token_uses_key(self._prefix)
        (found,) = await self._client.pipeline(("ZRANGE", key, 0, -1, "WITHSCORES"))
        return {token_id.decode(): float(at) for token_id, at in pairs_of(found)}
