"""`llm-mcp-hub tokens`: the hub's own access tokens.

Guarantee: `tokens create` writes the token alone to standard output, so that a script can take
it; it is never shown again.
"""

import asyncio
import time
from collections.abc import Sequence

import click
import msgspec

from llm_mcp_hub.commands.embedded import open_store
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import note, write_json, write_table
from llm_mcp_hub.commands.times import DAY_SECONDS, written
from llm_mcp_hub.domain.access import AccessToken, Scope
from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.domain.limits import LIMIT_NAMES, UNLIMITED, TokenLimits
from llm_mcp_hub.services.access import AccessService


def read_scopes(_context: click.Context, _option: click.Parameter, text: str) -> tuple[Scope, ...]:
    """Scopes separated by commas."""
    known = [scope.value for scope in Scope]
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is not a scope; there are {', '.join(known)}")
    return tuple(Scope(name) for name in names)


def read_limits(
    _context: click.Context, _option: click.Parameter, texts: Sequence[str]
) -> TokenLimits:
    """`NAME=NUMBER`, with hyphens or underscores in the name."""
    limits: dict[str, int] = {}
    for text in texts:
        name, _, number = text.partition("=")
        name = name.strip().replace("-", "_")
        if name not in LIMIT_NAMES:
            known = ", ".join(LIMIT_NAMES).replace("_", "-")
            raise click.BadParameter(f"{name!r} is not a limit; there are {known}")
        try:
            limits[name] = int(number)
        except ValueError:
            raise click.BadParameter(f"{text!r}: write NAME=NUMBER") from None
    return TokenLimits(**limits)


limit_option = click.option(
    "--limit",
    "limits",
    multiple=True,
    callback=read_limits,
    metavar="NAME=NUMBER",
    help="requests-per-minute, requests-per-day, tokens-per-day or concurrent-turns; repeatable.",
)


@click.group("tokens")
def command() -> None:
    """Make, list, limit and revoke access tokens."""


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
@limit_option
@hub_options
def create(
    place: Place,
    name: str,
    scopes: tuple[Scope, ...],
    expires_days: int | None,
    priority: str,
    limits: TokenLimits,
) -> None:
    """Make an access token for the caller NAME and write it to standard output, this once."""
    expires_at = None if expires_days is None else time.time() + expires_days * DAY_SECONDS
    token, text = asyncio.run(_create(place, name, scopes, expires_at, Priority(priority), limits))
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
    tokens, uses = asyncio.run(_list(place))
    if as_json:
        write_json([_shown(token, uses.get(token.id)) for token in tokens])
        return
    now = time.time()
    write_table(
        ("NAME", "SCOPES", "PRIORITY", "LIMITS", "CREATED", "USED", "EXPIRES", "STATE"),
        [
            (
                token.name,
                _scopes(token),
                token.priority.value,
                _limits(token.limits),
                written(token.created_at),
                written(uses.get(token.id), "never"),
                written(token.expires_at, "never"),
                "expired" if _expired(token, now) else "valid",
            )
            for token in tokens
        ],
    )


@command.command("limit")
@click.argument("name")
@limit_option
@hub_options
def limit(place: Place, name: str, limits: TokenLimits) -> None:
    """Set what the access token NAME may be used for, in place of what it was.

    Without --limit it has no limits any more. Running hubs notice within seconds.
    """
    token = asyncio.run(_limit(place, name, limits))
    note(f"Limits of {name!r}: {_limits(token.limits)}.")


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
    limits: TokenLimits,
) -> tuple[AccessToken, str]:
    async with open_store(place) as store:
        access = AccessService(store, enabled=True)
        return await access.create(name, scopes, expires_at, priority, limits)


async def _list(place: Place) -> tuple[tuple[AccessToken, ...], dict[str, float]]:
    async with open_store(place) as store:
        access = AccessService(store, enabled=True)
        return await access.list(), await access.uses()


async def _limit(place: Place, name: str, limits: TokenLimits) -> AccessToken:
    async with open_store(place) as store:
        access = AccessService(store, enabled=True)
        changed = msgspec.structs.replace(await access.named(name), limits=limits)
        await access.update(changed)
        return changed


async def _revoke(place: Place, name: str) -> None:
    async with open_store(place) as store:
        await AccessService(store, enabled=True).revoke(name)


def _shown(token: AccessToken, used_at: float | None) -> dict[str, object]:
    return {
        "id": token.id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": used_at,
        "priority": token.priority.value,
        "limits": msgspec.structs.asdict(token.limits),
    }


def _scopes(token: AccessToken) -> str:
    return ",".join(scope.value for scope in Scope if scope in token.scopes)


def _limits(limits: TokenLimits) -> str:
    if limits == UNLIMITED:
        return "none"
    numbers = [(name, getattr(limits, name)) for name in LIMIT_NAMES]
    return ",".join(f"{name.replace('_', '-')}={n}" for name, n in numbers if n is not None)


def _expired(token: AccessToken, now: float) -> bool:
    return token.expires_at is not None and token.expires_at <= now
