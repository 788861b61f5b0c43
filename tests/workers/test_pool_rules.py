"""The pool's rules, each by itself: when to wait, to recycle, to start, and to come back."""

import asyncio
from collections.abc import Callable
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.workers.alarm import Alarm
from llm_mcp_hub.workers.backoff import FORGET_WAITS, Backoff
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.recycling import JITTER, Lifespan, lifespan
from llm_mcp_hub.workers.refill import Counts, Step, next_step
from llm_mcp_hub.workers.tally import RETRY_LEAST, RETRY_MOST, Tally

CHANCES = st.floats(0, 1, exclude_max=True)


def always(value: float) -> Callable[[], float]:
    return lambda: value


# Looking again


def test_an_alarm_rings_at_the_earliest_time_it_was_set_to_and_once() -> None:
    class Loop(asyncio.SelectorEventLoop):
        now = 0.0

        def time(self) -> float:
            return self.now

    loop, rung = Loop(), []

    async def scenario() -> None:
        alarm = Alarm(lambda: rung.append(loop.now))
        for seconds in (inf, 5.0, 3.0, 4.0):
            alarm.ring_in(seconds)
        for _ in range(6):
            loop.now += 1.0
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        alarm.ring_in(1.0)
        alarm.stop()
        loop.now += 2.0
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    loop.run_until_complete(scenario())
    loop.close()
    assert rung == [3.0]


# Backoff


def test_each_failure_in_a_row_doubles_the_wait_up_to_the_most() -> None:
    backoff = Backoff(1.0, 5.0, always(1.0))
    waits = []
    for _ in range(5):
        backoff.failed(100.0)
        waits.append(backoff.wait(100.0))
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert backoff.wait(103.0) == 2.0
    assert backoff.wait(200.0) == 0.0


def test_a_success_ends_the_row() -> None:
    backoff = Backoff(1.0, 60.0, always(1.0))
    backoff.failed(0.0)
    backoff.failed(0.0)
    backoff.succeeded()
    assert backoff.wait(0.0) == 0.0
    backoff.failed(0.0)
    assert backoff.wait(0.0) == 1.0


def test_a_failure_of_long_ago_is_not_held_against_it() -> None:
    backoff = Backoff(1.0, 10.0, always(1.0))
    for _ in range(5):
        backoff.failed(0.0)
    backoff.failed(FORGET_WAITS * 10.0 + 1)
    assert backoff.failures == 1


@given(chance=CHANCES, failures=st.integers(1, 3000))
def test_chance_takes_at_most_half_of_the_wait(chance: float, failures: int) -> None:
    backoff = Backoff(1.0, 60.0, always(chance))
    for _ in range(failures):
        backoff.failed(0.0)
    whole = min(60.0, 2.0 ** min(failures - 1, 10))
    assert whole / 2 <= backoff.wait(0.0) <= whole


# Recycling


@pytest.mark.parametrize(
    ("turns", "seconds", "rss_bytes", "reason"),
    [
        (0, 0.0, None, None),
        (9, 99.0, 999, None),
        (10, 0.0, None, "turns"),
        (0, 100.0, None, "age"),
        (0, 0.0, 1000, "memory"),
        (10, 100.0, 1000, "turns"),
    ],
)
def test_a_member_is_due_when_it_reaches_one_of_its_limits(
    turns: int, seconds: float, rss_bytes: int | None, reason: str | None
) -> None:
    assert Lifespan(10, 100.0, 1000).over(turns, seconds, rss_bytes) == reason


@given(chance=CHANCES)
def test_chance_moves_the_limits_of_a_member_a_little(chance: float) -> None:
    limits = PoolLimits(recycle_turns=100, recycle_seconds=1000.0, recycle_rss_mb=10)
    made = lifespan(limits, always(chance))
    for limit, wanted in zip(made, (100, 1000, 10 * 1024 * 1024), strict=True):
        assert wanted * (1 - JITTER) <= limit <= wanted * (1 + JITTER)


def test_a_limit_of_zero_is_none() -> None:
    off = PoolLimits(recycle_turns=0, recycle_seconds=0.0, recycle_rss_mb=0)
    assert lifespan(off, always(0.5)) == (inf, inf, inf)


# Refilling

SMALL = st.integers(0, 4)
COUNTS = st.builds(Counts, SMALL, SMALL, SMALL, SMALL, SMALL, SMALL)


@given(
    counts=COUNTS,
    min_spare=SMALL,
    max_workers=st.integers(1, 8),
    spares=st.booleans(),
    room=st.integers(0, 4),
)
def test_a_step_is_never_too_much(
    counts: Counts, min_spare: int, max_workers: int, spares: bool, room: int
) -> None:
    limits = PoolLimits(min_spare=min_spare, max_workers=max_workers)
    step = next_step(counts, limits, spares=spares, room=lambda: room)
    for_waiter = counts.waiting > counts.starting + counts.blank
    if step is Step.START:
        assert counts.members < max_workers
        assert counts.starting < room
        assert for_waiter or (spares and counts.starting == 0 and counts.blank < min_spare)
    elif step in (Step.EVICT_FOR_ROOM, Step.EVICT_FOR_MEMORY):
        assert counts.parked
        assert for_waiter or counts.blank + counts.ending < max_workers // 2
    elif step is Step.REFUSE:
        assert for_waiter
        assert counts.members == counts.blank
    elif for_waiter:
        # Somebody waits and nothing is done: then there is something to wait for.
        assert counts.members >= max_workers or counts.ending or step is Step.LOOK_AGAIN


@pytest.mark.parametrize(
    ("counts", "step"),
    [
        (Counts(0, 0, 0, 0, 0, 0), Step.LOOK_AGAIN),
        (Counts(1, 0, 0, 0, 0, 0), Step.REFUSE),
        (Counts(1, 0, 0, 1, 0, 1), Step.NOTHING),
        (Counts(1, 0, 0, 0, 1, 1), Step.EVICT_FOR_MEMORY),
        (Counts(1, 0, 0, 0, 1, 0), Step.LOOK_AGAIN),
    ],
)
def test_without_memory_whatever_can_be_freed_is_freed_first(counts: Counts, step: Step) -> None:
    assert next_step(counts, PoolLimits(), spares=True, room=lambda: 0) is step


# Coming back


@pytest.mark.parametrize(
    ("hold", "start", "waiting", "workers", "held", "seconds"),
    [
        (10.0, 0.0, 15, 4, [], 40.0),
        (10.0, 2.0, 15, 4, [], 48.0),
        (10.0, 0.0, 15, 4, [20.0, 40.0], 120.0),
        (10.0, 0.0, 15, 4, [1.0], 40.0),
        (0.001, 0.0, 0, 4, [], RETRY_LEAST),
        (1e6, 0.0, 9, 1, [], RETRY_MOST),
    ],
)
def test_those_who_are_refused_are_told_when_the_others_will_have_been_served(
    hold: float, start: float, waiting: int, workers: int, held: list[float], seconds: float
) -> None:
    tally = Tally()
    tally.hold.add(hold)
    tally.started(start)
    assert tally.retry_after(waiting, workers, held) == seconds


def test_an_average_follows_what_happens_lately() -> None:
    tally = Tally()
    tally.hold.add(10.0)
    assert tally.hold.mean == 10.0
    tally.hold.add(0.0)
    assert tally.hold.mean == 8.0


def test_waits_are_told_by_how_many_had_to_wait_no_longer() -> None:
    tally = Tally()
    assert tally.waits(0.5, 0.95) == [0.0, 0.0]
    for wait in range(1, 101):
        tally.claimed(float(wait))
    assert tally.waits(0.5, 0.95) == [50.0, 95.0]
