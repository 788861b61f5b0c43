"""How much an access token may be used for: the rules, as pure functions.

The minute is the one before any moment, so no more than the limit fits into any sixty seconds. A
day is a day of UTC.
"""

import math
from collections.abc import Sequence

from msgspec import Struct

MINUTE_SECONDS = 60.0
DAY_SECONDS = 86_400


class TokenLimits(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one access token may take; None is no limit.

    Attributes:
        requests_per_minute: Requests let in within any minute.
        requests_per_day: Requests let in within a day.
        tokens_per_day: Input and output tokens of the turns that end within a day. The turn that
            reaches it is finished.
        concurrent_turns: Turns that run at once.
    """

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    concurrent_turns: int | None = None


UNLIMITED = TokenLimits()
LIMIT_NAMES = TokenLimits.__struct_fields__


class LimitedTurn(Struct, frozen=True):
    """A turn that counts against its principal's limits.

    Attributes:
        entered_at: Unix seconds.
    """

    principal: str
    turn_id: str
    entered_at: float


class LimitUse(Struct, frozen=True):
    """How much a principal has used, the turn that asked included if it was let in.

    Attributes:
        exceeded: Name of the limit because of which the turn was not let in; None if it was.
        retry_after: Seconds until that limit lets one more in; None if nobody can know.
        minute_reset: Seconds until the oldest request of the minute no longer counts.
    """

    exceeded: str | None
    retry_after: float | None
    requests_in_minute: int
    minute_reset: float
    requests_today: int
    tokens_today: int
    running: int


def day_of(now: float) -> int:
    """The number of the day."""
    return math.floor(now / DAY_SECONDS)


def day_left(now: float) -> float:
    """Seconds until the next day begins."""
    return (day_of(now) + 1) * DAY_SECONDS - now


def judge(
    limits: TokenLimits,
    minute: Sequence[float],
    requests_today: int,
    tokens_today: int,
    running: int,
    now: float,
) -> LimitUse:
    """Whether one more turn is let in, and how much is used then.

    Of several limits that are reached, the one that lasts longest is told.

    Args:
        limits: The limits.
        minute: When the requests of the last minute came, in order.
        requests_today: Without this one.
        tokens_today: So far.
        running: Without this one.
        now: Unix seconds.
    """
    exceeded, retry_after = None, None
    per_minute = limits.requests_per_minute
    if _reached(tokens_today, limits.tokens_per_day):
        exceeded, retry_after = "tokens_per_day", day_left(now)
    elif _reached(requests_today, limits.requests_per_day):
        exceeded, retry_after = "requests_per_day", day_left(now)
    elif per_minute is not None and len(minute) >= per_minute:
        exceeded = "requests_per_minute"
        if per_minute > 0:
            retry_after = minute[len(minute) - per_minute] + MINUTE_SECONDS - now
    elif _reached(running, limits.concurrent_turns):
        exceeded = "concurrent_turns"
    one = 0 if exceeded else 1
    return LimitUse(
        exceeded=exceeded,
        retry_after=retry_after,
        requests_in_minute=len(minute) + one,
        minute_reset=(minute[0] if minute else now) + MINUTE_SECONDS - now,
        requests_today=requests_today + one,
        tokens_today=tokens_today,
        running=running + one,
    )


def _reached(used: int, limit: int | None) -> bool:
    return limit is not None and used >= limit
