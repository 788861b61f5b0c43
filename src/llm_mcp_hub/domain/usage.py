"""What is counted of turns: whole numbers that add up, and the figures that follow from them.

Guarantee: the counts of some turns and of others, added, are the counts of all of them, in whatever
order and at however many hubs they were added; every figure, means and percentiles included, is
made of counts alone, so it is the same for a whole and for the sum of its parts.
"""

from bisect import bisect_left
from collections.abc import Mapping

from msgspec import Struct

from llm_mcp_hub.domain.turn import Outcome, TurnRecord

Counts = dict[str, int]
"""Numbers by name. What is not there is 0."""

MINUTE = 60
HOUR = 3600
BOUNDARIES = tuple(round(0.001 * 2 ** (step / 4), 6) for step in range(89))
"""Upper ends, in seconds, of the classes that times are counted in: each is a fifth above the one
before, from a millisecond to more than an hour. One more class takes what is above."""
P95 = 0.95

ANSWERED = "answered"
CANCELLED = "cancelled"
ERROR = "error:"
INPUT, CACHED, OUTPUT, REASONING = "input", "cached", "output", "reasoning"
_TIME, _FIRST = "time", "first"
_MICROSECONDS = 1_000_000
_NAMES = {
    kind: tuple(f"{kind}:{number}" for number in range(len(BOUNDARIES) + 1))
    for kind in (_TIME, _FIRST)
}
_SUMS = {_TIME: "time:sum", _FIRST: "first:sum"}


class UsageSlot(Struct, frozen=True, order=True):
    """What a row of counts is about: the turns of a principal on a model that ended in a span.

    Attributes:
        span: Seconds, `MINUTE` or `HOUR`.
        start: Unix seconds, a multiple of `span`.
        model: The provider's own name for it.
    """

    span: int
    start: int
    provider: str
    model: str
    principal: str


class UsageRow(Struct, frozen=True):
    """The counts of one slot, or what is to be added to them.

    Attributes:
        counts: At least one.
        expires_at: Unix seconds from which on nobody needs the row.
    """

    slot: UsageSlot
    counts: Counts
    expires_at: float


class UsageBatch(Struct, frozen=True):
    """What one hub adds at once.

    Attributes:
        writer: Names the hub for as long as it runs.
        number: Counts the writer's batches from 1 on, so that none is added twice.
    """

    writer: str
    number: int
    rows: tuple[UsageRow, ...]


class UsageFigures(Struct, frozen=True, kw_only=True):
    """Requests, how they ended, and what they took. Times are of answered requests, in seconds.

    Attributes:
        requests: All of them: `answered`, `failed` and `cancelled`.
        errors: The failed ones by `error.code`.
        p95_seconds: 95 % took no longer; to a tenth or so, as times are counted in classes.
    """

    requests: int
    answered: int
    failed: int
    cancelled: int
    errors: dict[str, int]
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    reasoning_tokens: int
    mean_seconds: float | None
    p95_seconds: float | None
    mean_first_chunk_seconds: float | None
    p95_first_chunk_seconds: float | None


def count_turn(counts: Counts, turn: TurnRecord) -> None:
    """Add a finished turn; its tokens whatever became of it, its times if it was answered."""
    usage = turn.usage
    _increase(counts, INPUT, usage.input_tokens)
    _increase(counts, CACHED, usage.cached_tokens)
    _increase(counts, OUTPUT, usage.output_tokens)
    _increase(counts, REASONING, usage.reasoning_tokens)
    if turn.outcome is Outcome.DONE:
        _increase(counts, ANSWERED, 1)
        _time(counts, _TIME, turn.seconds)
        if turn.first_chunk_seconds is not None:
            _time(counts, _FIRST, turn.first_chunk_seconds)
    elif turn.outcome is Outcome.CANCELLED:
        _increase(counts, CANCELLED, 1)
    else:
        _increase(counts, f"{ERROR}{turn.error_code}", 1)


def add(counts: Counts, more: Mapping[str, int]) -> None:
    """Add counts to others."""
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number


def outcomes(counts: Mapping[str, int]) -> dict[Outcome, int]:
    """How many requests ended how."""
    found = figures(counts)
    return {
        Outcome.DONE: found.answered,
        Outcome.FAILED: found.failed,
        Outcome.CANCELLED: found.cancelled,
    }


def time_classes(counts: Mapping[str, int], *, first: bool) -> tuple[list[int], float]:
    """How many answered requests took how long, by class, and all their seconds together.

    Args:
        counts: The counts.
        first: Until the first chunk instead of until the end.
    """
    kind = _FIRST if first else _TIME
    numbers = [counts.get(name, 0) for name in _NAMES[kind]]
    return numbers, counts.get(_SUMS[kind], 0) / _MICROSECONDS


def figures(counts: Mapping[str, int]) -> UsageFigures:
    """What the counts say."""
    errors = {
        name.removeprefix(ERROR): number
        for name, number in sorted(counts.items())
        if name.startswith(ERROR)
    }
    answered, cancelled = counts.get(ANSWERED, 0), counts.get(CANCELLED, 0)
    failed = sum(errors.values())
    return UsageFigures(
        requests=answered + failed + cancelled,
        answered=answered,
        failed=failed,
        cancelled=cancelled,
        errors=errors,
        input_tokens=counts.get(INPUT, 0),
        cached_tokens=counts.get(CACHED, 0),
        output_tokens=counts.get(OUTPUT, 0),
        reasoning_tokens=counts.get(REASONING, 0),
        mean_seconds=_mean(counts, _TIME),
        p95_seconds=_percentile(counts, _TIME, P95),
        mean_first_chunk_seconds=_mean(counts, _FIRST),
        p95_first_chunk_seconds=_percentile(counts, _FIRST, P95),
    )


def _increase(counts: Counts, name: str, number: int) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number


def _time(counts: Counts, kind: str, seconds: float) -> None:
    _increase(counts, _NAMES[kind][bisect_left(BOUNDARIES, seconds)], 1)
    _increase(counts, _SUMS[kind], round(seconds * _MICROSECONDS))


def _mean(counts: Mapping[str, int], kind: str) -> float | None:
    number = sum(counts.get(name, 0) for name in _NAMES[kind])
    return round(counts.get(_SUMS[kind], 0) / number / _MICROSECONDS, 6) if number else None


def _percentile(counts: Mapping[str, int], kind: str, part: float) -> float | None:
    """The time that this part of the requests did not exceed, taken as even within its class."""
    numbers = [counts.get(name, 0) for name in _NAMES[kind]]
    wanted = sum(numbers) * part
    below = 0
    for index, number in enumerate(numbers):
        if number and below + number >= wanted:
            lower = BOUNDARIES[index - 1] if index else 0.0
            upper = BOUNDARIES[index] if index < len(BOUNDARIES) else lower
            return round(lower + (upper - lower) * (wanted - below) / number, 6)
        below += number
    return None
