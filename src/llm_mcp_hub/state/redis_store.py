"""State in Redis, shared by every hub that names the same one: any of them can serve any session.

Each call is one round trip, `list_sessions` for everybody aside, and one atomic script: a turn
costs two, to begin and to append. Keys are laid out for Redis Cluster (see `redis_keys`).
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_mcp_hub.domain.access import AccessToken
from llm_mcp_hub.domain.session import (
    Session,
    SessionAppend,
    SessionSummary,
    StoredMessage,
    title_of,
)
from llm_mcp_hub.domain.transcript import EMPTY
from llm_mcp_hub.errors import NameTaken
from llm_mcp_hub.state import redis_scripts as lua
from llm_mcp_hub.state.base import Lease, SessionKey
from llm_mcp_hub.state.change import busy, moved_on
from llm_mcp_hub.state.redis_client import (
    OPERATION_SECONDS,
    RedisClient,
    Script,
    ScriptCall,
    Value,
)
from llm_mcp_hub.state.redis_journals import RedisJournals
from llm_mcp_hub.state.redis_keys import (
    PrincipalKeys,
    principal_keys,
    principals_key,
    token_keys,
)
from llm_mcp_hub.state.redis_listing import RedisListings, summary_of
from llm_mcp_hub.state.redis_records import RedisRecords
from llm_mcp_hub.state.redis_url import RedisAddress

SLACK_SECONDS = 3600.0
"""Keys outlive what they hold by so much. Their expiry only collects garbage, by the clock of
the server, which may differ from the hub's."""
PRINCIPAL_SLACK_SECONDS = 7 * 86400.0
"""How much longer somebody stays on the list of principals than their last stored turn: a
running turn may prolong a session, but never by so much."""

_encode = msgspec.json.Encoder().encode
_decode_messages = msgspec.json.Decoder(tuple[StoredMessage, ...]).decode
_decode_token = msgspec.json.Decoder(AccessToken).decode

_BEGIN = Script(lua.BEGIN)
_BEGIN_BY_DIGEST = Script(lua.BEGIN_BY_DIGEST)
_APPEND = Script(lua.APPEND)
_RENEW = Script(lua.RENEW)
_RELEASE = Script(lua.RELEASE)
_GET = Script(lua.GET)
_DELETE = Script(lua.DELETE)
_HOLDERS = Script(lua.HOLDERS)
_ADD_TOKEN = Script(lua.ADD_TOKEN)
_DELETE_TOKEN = Script(lua.DELETE_TOKEN)


class RedisStore(RedisListings, RedisJournals, RedisRecords):
    """Sessions, access tokens, journals and records in Redis 6.2 or later."""

    name = "redis"

    def __init__(self, address: RedisAddress, *, deadline: float = OPERATION_SECONDS) -> None:
        super().__init__(RedisClient(address, deadline=deadline), address.prefix)

    async def open(self) -> None:
        """Connect."""
        await self.ping()

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        await self._client.pipeline(("PING",))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def begin(
        self, principal: str, session_id: str, lease: Lease, now: float
    ) -> Session | None:
        """Take the lease on a session and read it."""
        keys = self._keys(principal)
        reply = await self._client.call(
            _BEGIN,
            _of_session(keys, session_id),
            *(keys.base, session_id, now, *_of_lease(lease, now)),
        )
        if reply == b"busy":
            raise busy(session_id)
        return _session(principal, reply)

    async def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        """Find the session with the transcript, and lease it."""
        keys = self._keys(principal)
        reply = await self._client.call(
            _BEGIN_BY_DIGEST,
            (keys.digest(digest), *keys.indexes),
            *(keys.base, digest, now, *_of_lease(lease, now)),
        )
        return _session(principal, reply)

    async def append(
        self,
        principal: str,
        session_id: str,
        lease_id: str,
        change: SessionAppend,
        ttl: float,
        now: float,
    ) -> SessionSummary:
        """Store a turn and give the lease back."""
        keys = self._keys(principal)
        expected = change.expected_created_at
        script = ScriptCall(
            _APPEND,
            _of_session(keys, session_id),
            (
                *(keys.base, session_id, now, lease_id, now + ttl, _milliseconds(ttl)),
                *(change.expected_revision, "" if expected is None else expected, change.keep),
                change.messages[-1].digest if change.messages else EMPTY,
                *(change.model, change.system, title_of(change.messages)),
                *msgspec.structs.astuple(change.usage),
                *map(_encode, change.messages),
            ),
        )
        # First, and in its own slot: whoever is listed without a session does no harm, a
        # session whose principal is not listed would be missing in everybody's listing.
        listed = ("ZADD", principals_key(self._prefix), "GT", now + ttl + PRINCIPAL_SLACK_SECONDS)
        _, reply = await self._client.pipeline((*listed, principal), script)
        if reply is None:
            raise moved_on(session_id)
        return summary_of(principal, session_id, reply)

    async def renew(
        self, leases: Sequence[SessionKey], lease: Lease, now: float
    ) -> tuple[SessionKey, ...]:
        """Prolong leases that are held."""
        calls = []
        for principal, session_id in leases:
            keys = self._keys(principal)
            args = (keys.base, session_id, now, *_of_lease(lease, now))
            calls.append(ScriptCall(_RENEW, _of_session(keys, session_id), args))
        replies = await self._client.pipeline(*calls) if calls else ()
        return tuple([key for key, held in zip(leases, replies, strict=True) if held])

    async def holders(self, keys: Sequence[SessionKey], now: float) -> tuple[str | None, ...]:
        """Which lease is held on each."""
        calls = [
            ScriptCall(_HOLDERS, (self._keys(principal).lease(session_id),), (now,))
            for principal, session_id in keys
        ]
        replies = await self._client.pipeline(*calls) if calls else ()
        return tuple([name.decode() if name is not None else None for name in replies])

    async def release(self, principal: str, session_id: str, lease_id: str) -> None:
        """Give a lease back."""
        keys = self._keys(principal)
        await self._client.call(_RELEASE, (keys.lease(session_id),), lease_id)

    async def get(self, principal: str, session_id: str, now: float) -> Session | None:
        """A session with its messages."""
        keys = self._keys(principal)
        reply = await self._client.call(
            _GET, (keys.session(session_id), keys.messages(session_id)), session_id, now
        )
        return _session(principal, reply)

    async def delete(self, principal: str, session_id: str, now: float) -> bool:
        """Forget a session and its lease."""
        keys = self._keys(principal)
        existed = await self._client.call(
            _DELETE, _of_session(keys, session_id), keys.base, session_id, now
        )
        return bool(existed)

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

    async def delete_token(self, name: str) -> bool:
        """Forget an access token."""
        return bool(await self._client.call(_DELETE_TOKEN, token_keys(self._prefix), name))

    def _keys(self, principal: str) -> PrincipalKeys:
        return principal_keys(self._prefix, principal)


def _of_session(keys: PrincipalKeys, session_id: str) -> tuple[str, ...]:
    named = (keys.session(session_id), keys.messages(session_id), keys.lease(session_id))
    return (*named, *keys.indexes)


def _of_lease(lease: Lease, now: float) -> tuple[Value, ...]:
    return (lease.id, now + lease.seconds, _milliseconds(lease.seconds))


def _milliseconds(seconds: float) -> int:
    return int((max(seconds, 0.0) + SLACK_SECONDS) * 1000)


def _session(principal: str, reply: Any) -> Session | None:
    if reply is None:
        return None
    session_id, fields, messages = reply
    return Session(
        summary_of(principal, session_id.decode(), fields),
        _decode_messages(b"[" + b",".join(messages) + b"]"),
    )
