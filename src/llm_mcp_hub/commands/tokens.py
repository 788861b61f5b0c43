"""`llm-mcp-hub tokens`: the hub's own access tokens.

Guarantee: `tokens create` writes the token alone to standard output, so that a script can take
it; it is never shown again.
"""

import asyncio
import time

import click

from llm_mcp_hub.commands.embedded import open_store
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import note, write_json, write_table
from llm_mcp_hub.commands.times import DAY_SECONDS, written
from llm_mcp_hub.domain.access import AccessToken, Scope
from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.services.access import AccessService


def read_scopes(_context: click.Context, _option: click.Parameter, text: str) -> tuple[Scope, ...]:
    """Scopes separated by commas."""
    known = [scope.value for scope in Scope]
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is not a scope; there are {', '.join(known)}")
    return tuple(Scope(name) for name in names)


@click.group("tokens")
def command() -> None:
    """Make, list and revoke access tokens."""


@command.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    callback=read_scopes,
    default="chat,sessions",
    show_default=True,
    metavar="SCOPE,…",
    help="What it allows: chat, sessions, admin.",
)
@click.option("--expires-days", type=click.IntRange(min=1), help="Default: it does not expire.")
@click.option(
    "--priority",
    type=click.Choice([one.value for one in Priority]),
    default=Priority.INTERACTIVE.value,
    show_default=True,
    help="With `batch`, requests of others go first.",
)
@hub_options
def create(
    place: Place, name: str, scopes: tuple[Scope, ...], expires_days: int | None, priority: str
) -> None:
    """Make an access token for the caller NAME and write it to standard output, this once."""
    expires_at = None if expires_days is None else time.time() + expires_days * DAY_SECONDS
    token, text = asyncio.run(_create(place, name, scopes, expires_at, Priority(priority)))
    click.echo(text)
    note(
        f"Made {token.name!r} with the scope {_scopes(token)}, "
        f"{'for good' if expires_at is None else f'until {written(expires_at)}'}. "
        "It is not shown again: keep it in a safe place."
    )


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@hub_options
def list_(place: Place, as_json: bool) -> None:
    """List the access tokens, without their secrets."""
    tokens = asyncio.run(_list(place))
    if as_json:
        write_json([_shown(token) for token in tokens])
        return
    now = time.time()
    write_table(
        ("NAME", "SCOPES", "PRIORITY", "CREATED", "EXPIRES", "STATE"),
        [
            (
                token.name,
                _scopes(token),
                token.priority.value,
                written(token.created_at),
                written(token.expires_at, "never"),
                "expired" if _expired(token, now) else "valid",
            )
            for token in tokens
        ],
    )


@command.command("revoke")
@click.argument("name")
@hub_options
def revoke(place: Place, name: str) -> None:
    """Make the access token NAME worthless, within seconds also for hubs that are running."""
    asyncio.run(_revoke(place, name))
    note(f"Revoked {name!r}.")


async def _create(
    place: Place,
    name: str,
    scopes: tuple[Scope, ...],
    expires_at: float | None,
    priority: Priority,
) -> tuple[AccessToken, str]:
    async with open_store(place) as store:
        return await AccessService(store, enabled=True).create(name, scopes, expires_at, priority)


async def _list(place: Place) -> tuple[AccessToken, ...]:
    async with open_store(place) as store:
        return await AccessService(store, enabled=True).list()


async def _revoke(place: Place, name: str) -> None:
    async with open_store(place) as store:
        await AccessService(store, enabled=True).revoke(name)


def _shown(token: AccessToken) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "priority": token.priority.value,
    }


def _scopes(token: AccessToken) -> str:
    return ",".join(scope.value for scope in Scope if scope in token.scopes)


def _expired(token: AccessToken, now: float) -> bool:
    return token.expires_at is not None and token.expires_at <= now
