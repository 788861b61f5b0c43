"""What has been used: the hours that the hubs have counted, folded into what somebody asks for.

Guarantee: callers see their own usage, and those with the scope `admin` everybody's; the parts of a
report add up to its total.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, tzinfo
from enum import StrEnum

from msgspec import Struct

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.calendar import Buckets, BucketSize, buckets
from llm_mcp_hub.domain.usage import (
    HOUR,
    MINUTE,
    Counts,
    UsageFigures,
    UsageRow,
    UsageSlot,
    add,
    figures,
)
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.state.base_usage import UsageStore

MAX_BUCKETS = 1000
SLICE_HOURS = 7 * 24
"""So many are read and folded at once, so that a year holds up nobody."""
MAX_TIME = 2**33
"""Beyond the year 2200."""
DEFAULT_SPAN = {
    BucketSize.HOUR: 24 * HOUR,
    BucketSize.DAY: 30 * 86_400,
    BucketSize.WEEK: 12 * 7 * 86_400,
    BucketSize.MONTH: 365 * 86_400,
}


class Dimension(StrEnum):
    """What usage can be told apart by. The name of an access token is that of its principal."""

    PROVIDER = "provider"
    MODEL = "model"
    ACCESS_TOKEN = "access_token"  # noqa: S105  # a name, not a secret


class UsageQuery(Struct, frozen=True):
    """What is asked for.

    Attributes:
        since: Unix seconds; None for as long ago as suits the buckets.
        until: Unix seconds; None for now.
        zone: Where days begin.
    """

    since: float | None = None
    until: float | None = None
    bucket: BucketSize = BucketSize.DAY
    group_by: tuple[Dimension, ...] = ()
    zone: tzinfo = UTC


class UsageGroup(Struct, frozen=True):
    """The usage of one provider, model and access token, as far as they are told apart."""

    figures: UsageFigures
    provider: str | None = None
    model: str | None = None
    access_token: str | None = None


class UsageBucket(Struct, frozen=True):
    """A span of time, Unix seconds; `groups` has those that there is something of, by name."""

    start: int
    end: int
    figures: UsageFigures
    groups: list[UsageGroup]


class UsageReport(Struct, frozen=True):
    """Every bucket of a span of time, also the empty ones, and all of them together."""

    start: int
    end: int
    bucket: BucketSize
    group_by: tuple[Dimension, ...]
    data: list[UsageBucket]
    total: UsageFigures
    groups: list[UsageGroup]


class UsageSummary(Struct, frozen=True):
    """The last sixty minutes, to the minute, and each provider's part in them."""

    start: int
    end: int
    figures: UsageFigures
    groups: list[UsageGroup]


_Name = tuple[str | None, str | None, str | None]
_Groups = dict[_Name, Counts]


class UsageService:
    """Reads usage.

    Args:
        store: Where it is counted.
        retention_seconds: How far back there is any.
    """

    def __init__(self, store: UsageStore, retention_seconds: float) -> None:
        self._store = store
        self._retention = retention_seconds

    async def report(self, caller: Principal, query: UsageQuery) -> UsageReport:
        """The usage of a span of time.

        Raises:
            InvalidRequest: The span is none, or has too many buckets.
        """
        now = time.time()
        spans = _buckets(query, now)
        found: list[_Groups] = [{} for _ in range(len(spans))]
        start = max(spans.edges[0], int((now - self._retention) // HOUR) * HOUR)
        end = min(spans.edges[-1], int(now) + HOUR)
        for since in range(start, end, SLICE_HOURS * HOUR):
            until = min(since + SLICE_HOURS * HOUR, end)
            rows = await self._store.read_usage(HOUR, since, until, _whose(caller))
            await asyncio.to_thread(_fold, rows, spans, query.group_by, found)
        return UsageReport(
            start=spans.edges[0],
            end=spans.edges[-1],
            bucket=query.bucket,
            group_by=query.group_by,
            data=[
                UsageBucket(
                    spans.edges[index],
                    spans.edges[index + 1],
                    figures(_sum(groups)),
                    _named(groups, query.group_by),
                )
                for index, groups in enumerate(found)
            ],
            total=figures(_sum(_merged(found))),
            groups=_named(_merged(found), query.group_by),
        )

    async def summary(self, caller: Principal) -> UsageSummary:
        """The last hour."""
        end = int(time.time()) // MINUTE * MINUTE + MINUTE
        start = end - HOUR
        rows = await self._store.read_usage(MINUTE, start, end, _whose(caller))
        found: list[_Groups] = [{}]
        _fold(rows, Buckets((start, end)), (Dimension.PROVIDER,), found)
        groups = _named(found[0], (Dimension.PROVIDER,))
        return UsageSummary(start, end, figures(_sum(found[0])), groups)


def _buckets(query: UsageQuery, now: float) -> Buckets:
    until = now if query.until is None else query.until
    since = until - DEFAULT_SPAN[query.bucket] if query.since is None else query.since
    if not 0 <= since <= until <= MAX_TIME:
        raise InvalidRequest("`from` must be a time before `to`.", param="from")
    try:
        return buckets(query.bucket, since, until, query.zone, MAX_BUCKETS)
    except ValueError:
        raise InvalidRequest(
            f"That would be more than {MAX_BUCKETS} buckets: choose larger ones, or less time.",
            param="bucket",
        ) from None


def _whose(caller: Principal) -> str | None:
    return None if caller.may(Scope.ADMIN) else caller.name


def _fold(
    rows: Sequence[UsageRow],
    spans: Buckets,
    group_by: tuple[Dimension, ...],
    found: list[_Groups],
) -> None:
    for row in rows:
        groups = found[spans.index(row.slot.start)]
        add(groups.setdefault(_name(row.slot, group_by), {}), row.counts)


def _name(slot: UsageSlot, group_by: tuple[Dimension, ...]) -> _Name:
    return (
        slot.provider if Dimension.PROVIDER in group_by else None,
        slot.model if Dimension.MODEL in group_by else None,
        slot.principal if Dimension.ACCESS_TOKEN in group_by else None,
    )


def _merged(found: list[_Groups]) -> _Groups:
    merged: _Groups = {}
    for groups in found:
        for name, counts in groups.items():
            add(merged.setdefault(name, {}), counts)
    return merged


def _sum(groups: _Groups) -> Counts:
    total: Counts = {}
    for counts in groups.values():
        add(total, counts)
    return total


def _named(groups: _Groups, group_by: tuple[Dimension, ...]) -> list[UsageGroup]:
    if not group_by:
        return []
    names = sorted(groups, key=lambda name: tuple(part or "" for part in name))
    return [UsageGroup(figures(groups[name]), *name) for name in names]
