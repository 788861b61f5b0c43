"""Hours, days, weeks and months in somebody's time zone, made of whole hours of UTC.

Guarantee: the buckets follow each other without a gap, and every hour of UTC is in one of them.
Where local time is no whole number of hours from UTC, the hour that midnight falls into belongs to
the day before, and the bucket says when it really begins.
"""

from bisect import bisect_right
from datetime import datetime, tzinfo
from enum import StrEnum

from msgspec import Struct

HOUR_SECONDS = 3600


class BucketSize(StrEnum):
    """How long a bucket is. A week begins on Monday."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Buckets(Struct, frozen=True):
    """Consecutive spans of time.

    Attributes:
        edges: Unix seconds, one more than there are buckets: each ends where the next begins.
    """

    edges: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.edges) - 1

    def index(self, at: int) -> int:
        """Which bucket a time is in."""
        return bisect_right(self.edges, at) - 1


def buckets(size: BucketSize, since: float, until: float, zone: tzinfo, limit: int) -> Buckets:
    """The buckets that cover a span of time, its first and last moment included.

    Raises:
        ValueError: There would be more than `limit` of them.
    """
    edges = [_begin(size, since, zone)]
    while edges[-1] < until or len(edges) == 1:
        if len(edges) > limit:
            raise ValueError("too many buckets")
        edges.append(_next(size, edges[-1], zone))
    return Buckets(tuple(edges))


def _begin(size: BucketSize, at: float, zone: tzinfo) -> int:
    if size is BucketSize.HOUR:
        return int(at // HOUR_SECONDS) * HOUR_SECONDS
    edge = _whole_hour(_midnight(size, datetime.fromtimestamp(at, zone)))
    # The hour before a bucket's first whole hour belongs to the bucket before.
    return edge if edge <= at else _begin(size, edge - 2 * HOUR_SECONDS, zone)


def _next(size: BucketSize, edge: int, zone: tzinfo) -> int:
    if size is BucketSize.HOUR:
        return edge + HOUR_SECONDS
    day = _midnight(size, datetime.fromtimestamp(edge, zone))
    if size is BucketSize.MONTH:
        month = day.month % 12 + 1
        following = day.replace(year=day.year + (month == 1), month=month)
    else:
        ordinal = day.toordinal() + (7 if size is BucketSize.WEEK else 1)
        date = datetime.fromordinal(ordinal)
        following = day.replace(year=date.year, month=date.month, day=date.day)
    return _whole_hour(following)


def _midnight(size: BucketSize, local: datetime) -> datetime:
    day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if size is BucketSize.MONTH:
        return day.replace(day=1)
    if size is BucketSize.WEEK:
        monday = datetime.fromordinal(day.toordinal() - day.weekday())
        return day.replace(year=monday.year, month=monday.month, day=monday.day)
    return day


def _whole_hour(local: datetime) -> int:
    return -int(-local.timestamp() // HOUR_SECONDS) * HOUR_SECONDS
