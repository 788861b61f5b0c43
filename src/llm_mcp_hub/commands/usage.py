"""`llm-mcp-hub usage`: what all hubs on the state store have counted.

The command line is the principal `local`, who sees everybody's.
"""

import asyncio
from collections.abc import Sequence

import click

from llm_mcp_hub.api.hub.usage import NO_GROUPS, read_group_by, read_time, read_zone
from llm_mcp_hub.api.hub.usage_csv import usage_csv
from llm_mcp_hub.commands.embedded import open_store
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import write_json, write_table
from llm_mcp_hub.commands.times import DAY_SECONDS, local_time
from llm_mcp_hub.domain.calendar import BucketSize
from llm_mcp_hub.domain.usage import UsageFigures
from llm_mcp_hub.services.access import LOCAL
from llm_mcp_hub.services.usage import UsageGroup, UsageQuery, UsageReport, UsageService

_COUNTS = ("REQUESTS", "FAILED", "CANCELLED", "INPUT", "OUTPUT")
_TIMES = ("MEAN", "P95", "FIRST", "P95 FIRST")


@click.command("usage")
@click.option("--from", "since", metavar="TIME", help="Unix seconds, or such as 2026-11-26T09:00.")
@click.option("--to", "until", metavar="TIME", help="The same. Default: now.")
@click.option(
    "--bucket",
    type=click.Choice([one.value for one in BucketSize]),
    default=BucketSize.DAY.value,
    show_default=True,
    help="One row for each.",
)
@click.option(
    "--group-by",
    default=NO_GROUPS,
    show_default=True,
    metavar="NAME,…",
    help="Tell apart: provider, model, access_token.",
)
@click.option("--tz", default="UTC", show_default=True, help="+09:00 or Asia/Seoul.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Write CSV.")
@hub_options
def command(
    place: Place,
    since: str | None,
    until: str | None,
    bucket: str,
    group_by: str,
    tz: str,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Show what has been used: requests, failures, tokens and times."""
    zone = read_zone(tz)
    query = UsageQuery(
        since=read_time(since, zone, "from"),
        until=read_time(until, zone, "to"),
        bucket=BucketSize(bucket),
        group_by=read_group_by(group_by),
        zone=zone,
    )
    report = asyncio.run(_report(place, query))
    if as_json:
        write_json(report)
    elif as_csv:
        click.echo(usage_csv(report, zone), nl=False)
    else:
        names = [one.value.replace("_", " ").upper() for one in query.group_by]
        write_table(("FROM", *names, *_COUNTS, *_TIMES), list(_rows(report, query)))


async def _report(place: Place, query: UsageQuery) -> UsageReport:
    retention = place.read().usage.retention_days * DAY_SECONDS
    async with open_store(place) as store:
        return await UsageService(store, retention).report(LOCAL, query)


def _rows(report: UsageReport, query: UsageQuery) -> list[Sequence[str]]:
    """Buckets that have something, and the whole."""
    rows: list[Sequence[str]] = []
    buckets = [(local_time(one.start, query.zone), one) for one in report.data]
    for start, figures, groups in [
        *((start, one.figures, one.groups) for start, one in buckets),
        ("all", report.total, report.groups),
    ]:
        if figures.requests or start == "all":
            parts = groups if report.group_by else [UsageGroup(figures)]
            for part in parts:
                names = [getattr(part, name) for name in report.group_by]
                rows.append((start, *names, *_cells(part.figures)))
    return rows


def _cells(figures: UsageFigures) -> list[str]:
    times = (
        figures.mean_seconds,
        figures.p95_seconds,
        figures.mean_first_chunk_seconds,
        figures.p95_first_chunk_seconds,
    )
    return [
        str(figures.requests),
        str(figures.failed),
        str(figures.cancelled),
        str(figures.input_tokens),
        str(figures.output_tokens),
        *("-" if seconds is None else f"{seconds:.2f} s" for seconds in times),
    ]
