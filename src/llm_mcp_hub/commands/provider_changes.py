"""`llm-mcp-hub providers add | remove | drain | resume | restart`.

They ask the hub that runs; without one, they change its state, as the next one to start finds it,
and as hubs on the same state that serve elsewhere find it within seconds.
"""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from llm_mcp_hub.commands.embedded import SETTLE_SECONDS, open_store
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import note, progress
from llm_mcp_hub.commands.provider_setup import open_records
from llm_mcp_hub.commands.remote import Remote, address_of, reach, read_url
from llm_mcp_hub.errors import NotAuthenticated, NotFound
from llm_mcp_hub.services.access import LOCAL
from llm_mcp_hub.services.provider_records import ProviderRecords

LOOK_SECONDS = 0.2
REMOVAL_SECONDS = 60.0
"""How long a removal is waited for, beyond the time that running turns have."""
STORED = (
    "No hub answers here, so the state was changed: a hub that starts heeds it, and one that runs "
    "elsewhere on this state does within seconds."
)


def change_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the name, and the options to reach a hub by; then those of every command."""

    @click.argument("name")
    @click.option(
        "--url",
        metavar="URL",
        callback=read_url,
        help="Where the hub is. Default: here.",
    )
    @click.option(
        "--token-file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Holds an admin access token. Default: one made for this.",
    )
    @functools.wraps(function)
    def wrapper(*args: Any, **options: Any) -> Any:
        return function(*args, **options)

    return hub_options(wrapper)


def read_settings(
    _context: click.Context, _option: click.Parameter, texts: tuple[str, ...]
) -> dict[str, Any]:
    """`key=value` as nested settings: dots go down, lists and tables are JSON."""
    settings: dict[str, Any] = {}
    for text in texts:
        path, separator, value = text.partition("=")
        if not (path and separator):
            raise click.BadParameter(f"{text!r}: write key=value")
        level = settings
        *parents, last = path.split(".")
        for part in parents:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise click.BadParameter(f"{text!r}: {part} has a value already")
        try:
            level[last] = msgspec.json.decode(value) if value.startswith(("[", "{")) else value
        except msgspec.DecodeError as error:
            raise click.BadParameter(f"{text!r}: is not valid JSON: {error}") from None
    return settings


@click.command("add")
@click.option("--kind", required=True, help="What its plugin calls its sort, such as claude.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    callback=read_settings,
    metavar="KEY=VALUE",
    help="A setting, such as pool.max_workers=3. Can be repeated.",
)
@change_options
def add(
    place: Place,
    name: str,
    url: str | None,
    token_file: Path | None,
    kind: str,
    settings: dict[str, Any],
) -> None:
    """Add the provider NAME, of a kind that an installed plugin makes."""

    def ask(hub: Remote) -> Any:
        body = {"name": name, "kind": kind, "settings": settings}
        hub.call("POST", "/v1/providers", body)
        return _until(hub, name, lambda one: one["state"] != "starting", SETTLE_SECONDS)

    async def store(records: ProviderRecords) -> None:
        await records.add(name, kind, settings, LOCAL.name)

    with progress(f"Adding {name}…"):
        shown = _change(place, url, token_file, ask, store)
    note(f"Added {name!r}. {_state(shown)}")


@click.command("remove")
@change_options
def remove(place: Place, name: str, url: str | None, token_file: Path | None) -> None:
    """Remove the provider NAME, which was added, once its running turns have ended."""

    def ask(hub: Remote) -> Any:
        hub.call("DELETE", f"/v1/providers/{quote(name)}")
        seconds = place.read().server.drain_seconds + REMOVAL_SECONDS
        return _until(hub, name, lambda _: False, seconds)

    with progress(f"Removing {name}…"):
        left = _change(place, url, token_file, ask, lambda records: records.remove(name))
    if left is STORED_ONLY:
        note(f"Removed {name!r}. {STORED}")
    else:
        note(f"Removed {name!r}." if left is None else f"{name!r} is still being removed.")


@click.command("drain")
@change_options
def drain(place: Place, name: str, url: str | None, token_file: Path | None) -> None:
    """Have the provider NAME take no new turns; those that run go on."""
    _act(place, name, url, token_file, "drain", "Drained")


@click.command("resume")
@change_options
def resume(place: Place, name: str, url: str | None, token_file: Path | None) -> None:
    """Have the provider NAME take turns again."""
    _act(place, name, url, token_file, "resume", "Resumed")


@click.command("restart")
@change_options
def restart(place: Place, name: str, url: str | None, token_file: Path | None) -> None:
    """Have all workers of the provider NAME replaced; running turns go on."""
    _act(place, name, url, token_file, "restart", "Restarted")


def _act(
    place: Place, name: str, url: str | None, token_file: Path | None, verb: str, done: str
) -> None:
    async def store(records: ProviderRecords) -> None:
        if verb == "restart":
            await records.restart(name)
        else:
            await records.drain(name, draining=verb == "drain")

    path = f"/v1/providers/{quote(name)}/{verb}"
    shown = _change(place, url, token_file, lambda hub: hub.call("POST", path), store)
    note(f"{done} {name!r}. {_state(shown)}")


STORED_ONLY = {"state": "stored"}
"""What `_change` gives if there was no hub to ask."""


def _change(
    place: Place,
    url: str | None,
    token_file: Path | None,
    ask: Callable[[Remote], Any],
    store: Callable[[ProviderRecords], Awaitable[None]],
) -> Any:
    """What the hub answers, or `STORED_ONLY`."""

    async def change() -> Any:
        named = url is not None or token_file is not None
        if named or await asyncio.to_thread(Remote(address_of(place, url)).answers):
            async with reach(place, url, token_file) as hub:
                try:
                    return await asyncio.to_thread(ask, hub)
                except NotAuthenticated:
                    if named:
                        raise
                    # It is another hub, with another state.
        async with open_store(place) as opened:
            await store(open_records(place.read(), opened))
        return STORED_ONLY

    return asyncio.run(change())


def _until(hub: Remote, name: str, settled: Callable[[Any], bool], seconds: float) -> Any:
    """The provider once it has settled or the time is up; None once it is gone."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            shown = hub.call("GET", f"/v1/providers/{quote(name)}")
        except NotFound:
            return None
        if settled(shown) or time.monotonic() > deadline:
            return shown
        time.sleep(LOOK_SECONDS)


def _state(shown: Any) -> str:
    if shown is STORED_ONLY:
        return STORED
    if shown is None:
        return "It is gone again."
    return f"It is {shown['state']}. {shown['reason']}".strip()
