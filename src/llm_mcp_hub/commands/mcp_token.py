"""The access token of an MCP client: the one it has already, one in a file, or a new one.

Guarantee: a token goes into the client's configuration or a private file and nowhere else; one
that was made for a configuration that then could not be written is revoked again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from llm_mcp_hub.commands.embedded import open_store
from llm_mcp_hub.commands.kept_file import read
from llm_mcp_hub.commands.options import Place
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.errors import InvalidRequest, NameTaken, NotAuthenticated
from llm_mcp_hub.services.access import AccessService


def read_token(file: Path) -> str:
    """The access token in a file.

    Raises:
        InvalidRequest: There is none.
    """
    text = (read(file) or "").strip()
    if not text or any(character.isspace() for character in text):
        raise InvalidRequest(
            f"{file} holds no access token. Make one: `llm-mcp-hub tokens create NAME > {file}`."
        )
    return text


@asynccontextmanager
async def token_for(
    place: Place, name: str, scopes: tuple[Scope, ...], present: str | None
) -> AsyncIterator[str]:
    """A token, for the time of putting it where it belongs.

    Args:
        place: Whose state it is made in.
        name: Its name, if it must be made.
        scopes: What it must allow.
        present: One that the client has already; it is kept if it works.

    Raises:
        NameTaken: There is another token of that name.
        StateUnavailable: The state store can't be reached.
    """
    async with open_store(place) as store:
        access = AccessService(store, enabled=True)
        if present is not None and await _allows(access, present, scopes):
            yield present
            return
        try:
            _, text = await access.create(name, scopes)
        except NameTaken:
            raise NameTaken(
                f"There is an access token {name!r} already, and its text is not in this "
                f"configuration. Revoke it (`{place.command(f'tokens revoke {name}')}`), choose "
                "another with --token-name, or give its text with --token-file."
            ) from None
        try:
            yield text
        except BaseException:
            await asyncio.shield(access.revoke(name))
            raise


async def _allows(access: AccessService, token: str, scopes: tuple[Scope, ...]) -> bool:
    try:
        principal = await access.authenticate(token)
    except NotAuthenticated:
        return False
    return all(map(principal.may, scopes))
