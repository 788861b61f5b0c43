"""What a pool does as time passes: retries, memory, recycling, pauses, and what it tells of it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from llm_mcp_hub.domain.status import PoolFigures, WorkerFigures, WorkerState
from llm_mcp_hub.errors import (
    HubError,
    MemoryShort,
    ProviderUnavailable,
    QueueFull,
    QueueTimeout,
    WorkerStartFailed,
)
from llm_mcp_hub.workers.pool import LOOK_AGAIN_SECONDS, Lease, Pool, PoolEvent, PoolLimits
from llm_mcp_hub.workers.spares import TEND_SECONDS

MB = 1024 * 1024


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still until it is moved."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    def settle(self) -> None:
        """All that is ready, all that it makes ready, and the timers that are due."""
        while True:
            self.call_soon(self.stop)
            self.run_forever()
            if not self._ready:  # type: ignore[attr-defined]  # the library's own
                return


class Member:
    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.alive = True
        self.rss_bytes = 100 * MB
        self.cpu_seconds = 0.5
        self.ended: Callable[[], None]

    def when_ended(self, callback: Callable[[], None]) -> None:
        self.ended = callback

    def die(self) -> None:
        self.alive = False
        self.ended()

    async def aclose(self) -> None:
        self.alive = False


class World:
    """A pool, its members, and a clock that the test moves. Starts take a second."""

    def __init__(self, loop: Loop, **limits: Any) -> None:
        self.loop = loop
        self.broken: HubError | None = None
        self.room: Callable[[int], int] = lambda _: 99
        self.started: list[Member] = []
        self.starts = 0
        self.events: list[PoolEvent] = []
        values = {"min_spare": 0, "max_workers": 4, "recycle_seconds": 0.0, **limits}
        self.pool: Pool[Member] = Pool(
            self.start,
            PoolLimits(**values),
            on_event=self.events.append,
            room_for=self.room_for,
            clock=loop.time,
            random=lambda: 0.5,
        )

    def room_for(self, size: int) -> int:
        return self.room(size)

    async def start(self) -> Member:
        self.starts += 1
        await asyncio.sleep(1.0)
        if self.broken is not None:
            raise self.broken.again()
        self.started.append(Member(100 + len(self.started)))
        return self.started[-1]

    def wait(self, seconds: float) -> None:
        self.loop.settle()
        until = self.loop.now + seconds
        while self.loop.now < until:
            self.loop.now = min(until, self.loop.now + 0.25)
            self.loop.settle()

    def claiming(
        self, principal: str = "alice", state: str | None = None, *, batch: bool = False
    ) -> "asyncio.Task[Lease[Member]]":
        task = self.loop.create_task(self.pool.claim(principal, state, batch=batch))
        self.loop.settle()
        return task

    def claim(self, principal: str = "alice", state: str | None = None) -> Lease[Member]:
        task = self.claiming(principal, state)
        self.wait(2.0)
        return task.result()

    def do(self, action: Callable[..., object], *arguments: object) -> None:
        self.loop.call_soon(action, *arguments)
        self.loop.settle()

    @property
    def figures(self) -> PoolFigures:
        return self.pool.figures

    def told(self, name: str) -> list[tuple[int | None, str]]:
        return [(event.pid, event.reason) for event in self.events if event.name == name]


@pytest.fixture
def world() -> Iterator[Callable[..., World]]:
    loop = Loop()
    worlds: list[World] = []

    def make(**limits: Any) -> World:
        worlds.append(World(loop, **limits))
        return worlds[-1]

    yield make
    for made in worlds:
        closing = loop.create_task(made.pool.aclose())
        made.wait(2.0)
        closing.result()
        assert not any(member.alive for member in made.started)
    assert not asyncio.all_tasks(loop)
    loop.close()


# Spares that can't be started


def test_a_spare_that_cannot_be_started_is_tried_later_and_later(
    world: Callable[..., World],
) -> None:
    here = world(min_spare=1)
    here.broken = WorkerStartFailed("no")
    here.do(here.pool.warm)
    here.wait(30.0)
    # Starts of a second each, and between them 0.75, 1.5, 3, 6 and 12 seconds.
    assert here.starts == 6
    assert here.figures.failed_starts == 6
    here.broken = None
    here.wait(30.0)
    assert here.figures.blank == 1
    assert here.starts == 7


def test_a_spare_that_dies_is_replaced_later_and_later_until_a_turn_was_served(
    world: Callable[..., World],
) -> None:
    here = world(min_spare=1)
    here.do(here.pool.warm)
    here.wait(1.5)
    gaps = []
    for _ in range(3):
        here.do(here.started[-1].die)
        before, starts = here.loop.now, here.starts
        while here.starts == starts:
            here.wait(0.25)
        gaps.append(here.loop.now - before)
        here.wait(1.5)
    assert gaps == [0.75, 1.5, 3.0]
    assert here.figures.died == 3
    here.do(here.claim().park, "s")
    here.wait(2.0)
    here.do(here.started[-1].die)
    here.wait(1.0)
    assert here.figures.starting == 1


def test_a_claim_does_not_wait_for_the_next_try_of_a_spare(world: Callable[..., World]) -> None:
    here = world(min_spare=1)
    here.broken = WorkerStartFailed("no")
    here.do(here.pool.warm)
    here.wait(10.0)
    here.broken = None
    assert here.claim().member.alive


def test_whoever_meets_a_failed_start_is_told_when_to_come_again(
    world: Callable[..., World],
) -> None:
    here = world()
    here.broken = WorkerStartFailed("no")
    for wait in (1.0, 1.5, 3.0):
        failed = here.claiming()
        here.wait(1.0)
        error = failed.exception()
        assert isinstance(error, WorkerStartFailed)
        assert error.retry_after == wait


# Memory


def test_a_spare_is_not_started_while_memory_is_short(world: Callable[..., World]) -> None:
    here = world(min_spare=1)
    here.room = lambda _: 0
    here.do(here.pool.warm)
    here.wait(5.0)
    assert here.starts == 0
    here.room = lambda _: 1
    here.wait(LOOK_AGAIN_SECONDS + 1.5)
    assert here.figures.blank == 1


def test_room_is_asked_for_members_as_large_as_the_largest_so_far(
    world: Callable[..., World],
) -> None:
    here = world()
    sizes: list[int] = []

    def room(size: int) -> int:
        sizes.append(size)
        return 9

    here.room = room
    here.claim()
    here.started[0].rss_bytes = 300 * MB
    here.claim()
    assert (sizes[0], sizes[-1]) == (0, 300 * MB)


def test_parked_members_make_room_in_memory_for_whoever_waits(
    world: Callable[..., World],
) -> None:
    here = world()
    parked = here.claim()
    here.do(parked.park, "s")
    here.room = lambda _: 1 - sum(member.alive for member in here.started)
    assert here.claim().member is here.started[1]
    assert here.told("worker.evicted") == [(100, "memory")]


def test_whoever_waits_is_refused_only_when_nobody_could_give_memory_back(
    world: Callable[..., World],
) -> None:
    here = world()
    held = here.claim()
    here.room = lambda _: 0
    waiting = here.claiming()
    here.wait(5.0)
    assert not waiting.done()
    here.do(held.discard)
    assert isinstance(waiting.exception(), MemoryShort)
    assert here.figures.refused == here.figures.refused_memory == 1


# Recycling


def test_a_member_that_has_had_its_turns_is_not_parked_again(
    world: Callable[..., World],
) -> None:
    here = world(recycle_turns=2)
    lease = here.claim()
    here.do(lease.park, "s")
    again = here.claim(state="s")
    assert again.continued
    here.do(again.park, "s")
    assert here.figures.parked == 0
    assert here.figures.recycled_turns == 1
    assert here.told("worker.recycled") == [(100, "turns")]


def test_a_member_is_not_recycled_during_its_turn(world: Callable[..., World]) -> None:
    here = world(recycle_seconds=10.0, recycle_rss_mb=50)
    lease = here.claim()
    here.wait(100.0)
    assert lease.member.alive
    here.do(lease.park, "s")
    assert here.told("worker.recycled") == [(100, "age")]


def test_a_spare_that_is_too_old_is_replaced(world: Callable[..., World]) -> None:
    here = world(min_spare=1, recycle_seconds=10.0)
    here.do(here.pool.warm)
    here.wait(1.5)
    here.wait(10.0)
    assert here.told("worker.recycled") == [(100, "age")]
    here.wait(1.0)
    assert here.figures.blank == 1
    assert here.figures.recycled_age == 1


def test_a_spare_that_is_too_large_is_replaced(world: Callable[..., World]) -> None:
    here = world(min_spare=1, recycle_rss_mb=200)
    here.do(here.pool.warm)
    here.wait(1.5)
    here.started[0].rss_bytes = 300 * MB
    here.wait(TEND_SECONDS + 1.5)
    assert here.told("worker.recycled") == [(100, "memory")]
    assert here.figures.blank == here.figures.recycled_memory == 1


def test_spares_above_the_most_are_ended(world: Callable[..., World]) -> None:
    here = world(min_spare=0, max_spare=1)
    leaving = [here.claiming() for _ in range(3)]
    for task in leaving:
        task.cancel()
    here.wait(2.0)
    assert here.figures.blank == 1
    assert [reason for _, reason in here.told("worker.evicted")] == ["surplus", "surplus"]


# Pauses


def test_a_paused_pool_serves_with_what_it_has_and_starts_nothing(
    world: Callable[..., World],
) -> None:
    here = world(min_spare=1)
    parked = here.claim()
    here.do(parked.park, "s")
    here.wait(2.0)
    here.do(here.pool.pause, ProviderUnavailable("Broken."))
    assert here.figures.paused == "Broken."
    assert here.claim(state="s").continued
    assert here.claim().member is here.started[1]
    starts = here.starts
    refused = here.claiming()
    with pytest.raises(ProviderUnavailable, match="Broken"):
        refused.result()
    here.wait(60.0)
    assert here.starts == starts
    assert here.figures.refused_paused == 1
    here.do(here.pool.resume)
    here.wait(1.5)
    assert here.figures.blank == 1
    assert here.figures.paused == ""


def test_a_pause_fails_those_who_wait_for_a_start_that_will_not_be(
    world: Callable[..., World],
) -> None:
    here = world(max_workers=1)
    here.claim()
    waiting = here.claiming()
    here.do(here.pool.pause, ProviderUnavailable("Broken."))
    assert isinstance(waiting.exception(), ProviderUnavailable)


def test_a_start_that_is_under_way_when_the_pool_is_paused_still_serves(
    world: Callable[..., World],
) -> None:
    here = world()
    waiting = here.claiming()
    here.do(here.pool.pause, ProviderUnavailable("Broken."))
    here.wait(2.0)
    assert waiting.result().member.alive


# Those who wait


def test_batch_claims_are_served_after_all_others(world: Callable[..., World]) -> None:
    here = world(max_workers=1)
    held = here.claim()
    batch = here.claiming("bob", batch=True)
    interactive = here.claiming("alice")
    assert (here.figures.queued, here.figures.queued_batch) == (2, 1)
    here.do(held.discard)
    here.wait(2.0)
    assert interactive.done()
    assert not batch.done()
    here.do(interactive.result().discard)
    here.wait(2.0)
    assert batch.result().principal == "bob"


def test_a_caller_who_holds_members_goes_after_one_who_holds_none(
    world: Callable[..., World],
) -> None:
    here = world(max_workers=2)
    held = [here.claim("greedy"), here.claim("greedy")]
    greedy = here.claiming("greedy")
    modest = here.claiming("modest")
    here.do(held[0].discard)
    here.wait(2.0)
    assert modest.done()
    assert not greedy.done()
    here.do(held[1].discard)
    here.wait(2.0)
    assert greedy.done()


def test_a_member_that_is_on_its_way_to_a_caller_counts_as_held(
    world: Callable[..., World],
) -> None:
    here = world(max_workers=3)
    here.claim("bob")
    alice = [here.claiming("alice"), here.claiming("alice")]
    bob = here.claiming("bob")
    here.wait(1.0)  # two starts end in the same moment
    assert [task.done() for task in (*alice, bob)] == [True, False, True]


def test_whoever_hogs_a_full_queue_makes_room(world: Callable[..., World]) -> None:
    here = world(max_workers=1, max_queue=3)
    here.claim("greedy")
    greedy = [here.claiming("greedy") for _ in range(3)]
    modest = here.claiming("modest")
    assert isinstance(greedy[2].exception(), QueueFull)
    assert not modest.done()
    assert isinstance(here.claiming("greedy").exception(), QueueFull)
    assert here.figures.refused_full == 2


def test_of_a_flood_the_surplus_is_refused_at_once_and_the_rest_is_shared_fairly(
    world: Callable[..., World],
) -> None:
    here = world(max_workers=4, max_queue=16)
    floods = [("greedy", 150), ("modest", 50)]
    claims = [(name, here.claiming(name)) for name, count in floods for _ in range(count)]
    refused = [task.exception() for _, task in claims if task.done()]
    assert len(refused) == 200 - 16
    assert all(isinstance(error, QueueFull) and error.retry_after for error in refused)
    waiting = [(name, task) for name, task in claims if not task.done()]
    assert [name for name, _ in waiting].count("modest") == 8
    served: list[str] = []
    while waiting:
        here.wait(1.0)
        for name, task in [pair for pair in waiting if pair[1].done()]:
            served.append(name)
            waiting.remove((name, task))
            here.do(task.result().discard)
    assert len(served) == 16
    assert all(abs(served[:n].count("greedy") - n / 2) <= 2 for n in range(1, 17))


def test_a_refusal_says_how_long_the_queue_will_take(world: Callable[..., World]) -> None:
    here = world(max_workers=1, max_queue=1)
    lease = here.claim()
    here.wait(18.0)
    here.do(lease.discard)
    here.claim()
    here.claiming()
    refusal = here.claiming().exception()
    assert isinstance(refusal, QueueFull)
    # Two would have to be served by one worker, which takes 19 s for each and 1 s to start.
    assert refusal.retry_after == pytest.approx(40.0, abs=2.0)


def test_who_has_waited_too_long_is_told_when_to_come_again(
    world: Callable[..., World],
) -> None:
    here = world(max_workers=1, queue_seconds=30.0)
    here.claim()
    late = here.claiming()
    here.wait(31.0)
    error = late.exception()
    assert isinstance(error, QueueTimeout)
    assert error.retry_after is not None
    assert error.retry_after >= 30.0
    assert here.figures.refused_late == here.figures.refused == 1


# What is told


def test_the_life_of_a_member_is_told_in_events(world: Callable[..., World]) -> None:
    here = world(park_seconds=5.0)
    lease = here.claim()
    here.wait(3.0)
    here.do(lease.park, "s")
    again = here.claim(state="s")
    here.do(again.park, "s")
    here.wait(6.0)
    fresh = here.claim()
    here.do(fresh.member.die)
    here.do(fresh.discard)
    names = [(e.name.removeprefix("worker."), e.pid, e.reason) for e in here.events]
    assert names == [
        ("started", 100, ""),
        ("claimed", 100, "blank"),
        ("parked", 100, ""),
        ("claimed", 100, "parked"),
        ("parked", 100, ""),
        ("evicted", 100, "expired"),
        ("started", 101, ""),
        ("claimed", 101, "blank"),
        ("died", 101, "claimed"),
    ]
    assert [event.seconds for event in here.events[:3]] == [1.0, 1.0, 4.0]


def test_every_worker_is_shown_with_what_it_does(world: Callable[..., World]) -> None:
    here = world(min_spare=1)
    parked = here.claim("alice")
    here.claim("bob")
    here.do(parked.park, "s")
    here.wait(4.0)
    shown = {worker.pid: worker for worker in here.pool.members()}
    state = WorkerState
    assert [(pid, w.state, w.principal, w.turns) for pid, w in sorted(shown.items())] == [
        (100, state.PARKED, "alice", 1),
        (101, state.CLAIMED, "bob", 1),
        (102, state.BLANK, None, 0),
    ]
    assert shown[100] == WorkerFigures(
        pid=100,
        state=state.PARKED,
        age_seconds=7.0,
        state_seconds=4.0,
        turns=1,
        rss_bytes=100 * MB,
        cpu_seconds=0.5,
        principal="alice",
    )
    assert {member.pid for member in here.pool.idle()} == {100, 102}


def test_figures_tell_how_long_things_have_taken_lately(world: Callable[..., World]) -> None:
    here = world()
    lease = here.claim()
    here.wait(9.0)
    here.do(lease.park, "s")
    here.claim(state="s")
    figures = here.figures
    assert (figures.starts, figures.start_seconds, figures.hold_seconds) == (1, 1.0, 10.0)
    assert (figures.wait_p50, figures.wait_p95) == (0.0, 1.0)
