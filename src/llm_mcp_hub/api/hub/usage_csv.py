"""A report of usage as CSV: one row for each bucket, or for each group in it; pure.

A name that a spreadsheet would take for a formula is written with an apostrophe before it.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime, tzinfo

from llm_mcp_hub.domain.usage import UsageFigures
from llm_mcp_hub.services.usage import UsageBucket, UsageGroup, UsageReport

FIGURES = tuple(name for name in UsageFigures.__struct_fields__ if name != "errors")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def usage_csv(report: UsageReport, zone: tzinfo) -> str:
    """The whole report, with times in the zone."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns(report))
    writer.writerows(rows(report, zone))
    return text.getvalue()


def columns(report: UsageReport) -> list[str]:
    """The names of the columns."""
    return ["start", "end", *map(str, report.group_by), *FIGURES, "errors"]


def rows(report: UsageReport, zone: tzinfo) -> Iterator[list[str]]:
    """The rows, in order of time."""
    for bucket in report.data:
        times = [_time(bucket.start, zone), _time(bucket.end, zone)]
        for group in _groups(report, bucket):
            names = [_name(getattr(group, dimension)) for dimension in report.group_by]
            yield [*times, *names, *cells(group.figures)]


def cells(figures: UsageFigures) -> list[str]:
    """The figures; a time that there is none of is empty."""
    numbers = [getattr(figures, name) for name in FIGURES]
    errors = " ".join(f"{code}={number}" for code, number in figures.errors.items())
    return [*("" if number is None else str(number) for number in numbers), errors]


def _groups(report: UsageReport, bucket: UsageBucket) -> list[UsageGroup]:
    return bucket.groups if report.group_by else [UsageGroup(bucket.figures)]


def _time(seconds: int, zone: tzinfo) -> str:
    return datetime.fromtimestamp(seconds, zone).isoformat()


def _name(name: str) -> str:
    return f"'{name}" if name.startswith(_FORMULA) else name
