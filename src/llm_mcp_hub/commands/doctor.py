"""`llm-mcp-hub doctor`: what is missing or broken, and what to do about it.

Guarantees: it starts each provider's tool once and spends nothing; every problem comes with a
remedy; the exit code is 0 only if nothing of the hub itself is broken and some provider works.
"""

import asyncio

import click
from msgspec import Struct
from rich.text import Text

from llm_mcp_hub import __version__
from llm_mcp_hub.commands import checks
from llm_mcp_hub.commands.embedded import open_hub, settle
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import console, on_terminal, progress, write_json
from llm_mcp_hub.commands.provider_checks import check_provider, setups_of
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.providers.setup import Finding

PROVIDER = "provider "
"""Beginning of `Entry.about` for what concerns one provider."""


class Entry(Struct, frozen=True):
    """A finding and what it is about, such as `python`, `state` or `provider claude`."""

    about: str
    finding: Finding


class Diagnosis(Struct, frozen=True):
    """All that was found, and which providers work."""

    entries: tuple[Entry, ...]
    usable: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the hub can serve as configured, with one provider at least."""
        broken = any(
            not entry.finding.ok and not entry.about.startswith(PROVIDER) for entry in self.entries
        )
        return bool(self.usable) and not broken


@click.command("doctor")
@click.option("--demo", is_flag=True, help="Turn the echo provider on.")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@hub_options
@click.pass_context
def command(context: click.Context, place: Place, demo: bool, as_json: bool) -> None:
    """Find out what is missing or broken, and what to do."""
    with progress("Looking…"):
        diagnosis = asyncio.run(diagnose(place, demo=demo))
    if as_json:
        write_json(_document(diagnosis))
    else:
        _write(diagnosis)
    context.exit(0 if diagnosis.ok else 1)


async def diagnose(place: Place, *, demo: bool) -> Diagnosis:
    """Look at everything. What can't be looked at after a problem is left out."""
    entries = [Entry("python", checks.check_python()), Entry("hub", checks.check_hub())]
    try:
        config = place.read({"demo": demo or None})
        more, usable = await _look(config)
    except ConfigError as error:
        entries.append(Entry("config", checks.check_config(place, error)))
        infos = load_plugins().infos
        entries += [Entry("plugin", found) for found in checks.check_plugins(infos)]
        return Diagnosis(tuple(entries), ())
    entries.append(Entry("config", checks.check_config(place, None)))
    return Diagnosis((*entries, *more), usable)


async def _look(config: HubConfig) -> tuple[list[Entry], tuple[str, ...]]:
    data_directory = Entry("data_dir", checks.check_data_directory(config))
    if not data_directory.finding.ok:
        return [data_directory], ()
    async with open_hub(config) as hub:
        await settle(hub)
        health = await hub.status.health()
        reports = await hub.status.providers()
        setups = setups_of(hub)
        found = [Entry("plugin", one) for one in checks.check_plugins(hub.plugins.infos)]
        found += [data_directory, Entry("state", checks.check_state(config, health))]
        needed = 0
        for report in reports:
            setup = setups.get(report.name)
            needed += report.pool.max_workers * (setup.worker_megabytes if setup else 0)
            about = f"{PROVIDER}{report.name}"
            found += [Entry(about, one) for one in check_provider(report, setup)]
        found.append(Entry("memory", checks.check_memory(needed)))
        found.append(Entry("port", checks.check_port(config.server)))
    usable = tuple(one.name for one in reports if one.state is ProviderState.AVAILABLE)
    return found, usable


def _document(diagnosis: Diagnosis) -> dict[str, object]:
    return {
        "ok": diagnosis.ok,
        "version": __version__,
        "usable": diagnosis.usable,
        "findings": [
            {
                "about": entry.about,
                "ok": entry.finding.ok,
                "title": entry.finding.title,
                "detail": entry.finding.detail,
                "remedy": entry.finding.remedy,
            }
            for entry in diagnosis.entries
        ],
    }


def _write(diagnosis: Diagnosis) -> None:
    problems = sum(not entry.finding.ok for entry in diagnosis.entries)
    for entry in diagnosis.entries:
        _line(entry)
    click.echo()
    counted = "no problem" if not problems else "1 problem" if problems == 1 else None
    usable = ", ".join(diagnosis.usable) or "none"
    click.echo(f"Found {counted or f'{problems} problems'}. Providers that work: {usable}.")


def _line(entry: Entry) -> None:
    finding = entry.finding
    detail = f" ({finding.detail})" if finding.detail else ""
    body = f"{entry.about}: {finding.title}{detail}"
    if not on_terminal():
        click.echo(f"{'ok     ' if finding.ok else 'PROBLEM'} {body}")
        if finding.remedy:
            click.echo(f"        what to do: {finding.remedy}")
        return
    mark = Text("✓ ", style="green") if finding.ok else Text("✗ ", style="bold red")
    out = console()
    out.print(mark.append(body, style="default not bold"))
    if finding.remedy:
        out.print(Text(f"  → {finding.remedy}", style="yellow"))
