"""`llm-mcp-hub providers --watch`: the workers of a hub that is running, as they come and go.

Guarantee: it only looks.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from llm_mcp_hub.commands.options import Place
from llm_mcp_hub.commands.output import console, on_terminal, write_table
from llm_mcp_hub.commands.remote import Remote, reach

LOOK_SECONDS = 1.0
COLUMNS = ("PROVIDER", "PID", "STATE", "FOR", "AGE", "TURNS", "MEMORY", "CPU", "WHOSE")


async def watch(place: Place, url: str | None, token_file: Path | None, *, as_json: bool) -> None:
    """Show the workers until interrupted.

    Raises:
        Unavailable: No hub answers there.
        HubError: What the hub says.
    """
    async with reach(place, url, token_file) as hub:
        with _shown(as_json=as_json) as show:
            while True:
                show(await asyncio.to_thread(_look, hub))
                await asyncio.sleep(LOOK_SECONDS)


def _look(hub: Remote) -> list[dict[str, Any]]:
    providers = hub.call("GET", "/v1/providers")["data"]
    return [one | hub.call("GET", f"/v1/providers/{quote(one['name'])}/pool") for one in providers]


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
