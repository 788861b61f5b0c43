"""`llm-mcp-hub providers --watch`: the workers of a hub that is running, as they come and go.

Guarantee: it only looks. The access token it makes to be let in is worth nothing afterwards.
"""

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from llm_mcp_hub.commands.embedded import open_store
from llm_mcp_hub.commands.options import Place
from llm_mcp_hub.commands.output import console, on_terminal, write_table
from llm_mcp_hub.commands.welcome import base_url
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.errors import InvalidRequest, Unavailable
from llm_mcp_hub.services.access import AccessService

LOOK_SECONDS = 1.0
ANSWER_SECONDS = 5.0
TOKEN_SECONDS = 12 * 3600.0
"""A forgotten window does not keep a token alive for ever."""
COLUMNS = ("PROVIDER", "PID", "STATE", "FOR", "AGE", "TURNS", "MEMORY", "CPU", "WHOSE")
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


async def watch(place: Place, url: str | None, token_file: Path | None, *, as_json: bool) -> None:
    """Show the workers until interrupted.

    Raises:
        Unavailable: No hub answers there.
        HubError: What the hub says.
    """
    config = place.read()
    address = (url or base_url(config, config.server.port)).rstrip("/")
    async with _token(place, token_file, enabled=config.access.enabled) as token:
        with _shown(as_json=as_json) as show:
            while True:
                show(await asyncio.to_thread(_look, address, token))
                await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def _token(place: Place, file: Path | None, *, enabled: bool) -> AsyncIterator[str | None]:
    """The token in the file, or one of the command's own for as long as it runs."""
    if file is not None:
        yield _read(file)
        return
    if not enabled:
        yield None
        return
    name = f"watch-{os.getpid()}-{int(time.time())}"
    async with open_store(place) as store:
        access = AccessService(store, enabled=True)
        _, text = await access.create(name, [Scope.ADMIN], time.time() + TOKEN_SECONDS)
        try:
            yield text
        finally:
            await asyncio.shield(access.revoke(name))


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError as error:
        raise InvalidRequest(f"{file} can't be read: {error.strerror}.") from None


def _look(address: str, token: str | None) -> list[dict[str, Any]]:
    providers = _get(f"{address}/v1/providers", token)["data"]
    return [
        one | _get(f"{address}/v1/providers/{quote(one['name'])}/pool", token) for one in providers
    ]


def _get(url: str, token: str | None) -> Any:
    request = urllib.request.Request(url)  # noqa: S310  # what the person asked for
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with _DIRECT.open(request, timeout=ANSWER_SECONDS) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            raise Unavailable(_message(error.read()) or f"{url} answered {error.code}.") from None
    except (OSError, ValueError) as error:
        raise Unavailable(
            f"No hub answers at {url}: {getattr(error, 'reason', error)}. Start one with "
            "`llm-mcp-hub serve`, or name it with --url."
        ) from None


def _message(body: bytes) -> str:
    try:
        message: str = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return message


@contextmanager
def _shown(*, as_json: bool) -> Iterator[Any]:
    """A function that shows one look."""
    if as_json:
        yield lambda look: click.echo(json.dumps(look, sort_keys=True))
    elif not on_terminal():
        yield lambda look: write_table(COLUMNS, rows(look))
    else:
        with Live(console=console(), screen=False, auto_refresh=False) as live:
            yield lambda look: live.update(_table(look), refresh=True)


def _table(look: list[dict[str, Any]]) -> Table:
    table = Table(*COLUMNS, header_style="bold", caption=escape("\n".join(map(_caption, look))))
    for row in rows(look):
        table.add_row(*map(escape, row))
    return table


def _caption(one: dict[str, Any]) -> str:
    pool = one["pool"]
    return (
        f"{one['name']}: {one['state']}, {pool['claimed']} busy, {pool['queued']} waiting, "
        f"{pool['served']} served, {pool['refused']} refused, {pool['died']} died. "
        f"{one['reason'] or one['warning']}"
    )


def rows(look: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """One row for each worker, the busy ones first."""
    order = ("claimed", "parked", "blank", "ending")
    return [
        (
            one["name"],
            str(worker["pid"] or "-"),
            worker["state"],
            duration(worker["state_seconds"]),
            duration(worker["age_seconds"]),
            str(worker["turns"]),
            "-" if worker["rss_bytes"] is None else f"{worker['rss_bytes'] / 2**20:.0f} MiB",
            "-" if worker["cpu_seconds"] is None else f"{worker['cpu_seconds']:.1f} s",
            worker["principal"] or "-",
        )
        for one in look
        for worker in sorted(one["workers"], key=lambda worker: order.index(worker["state"]))
    ]


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
