"""A pool hands every member to one conversation, in order, and keeps to its sizes."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

import msgspec
import pytest

from llm_mcp_hub.errors import (
    Draining,
    HubError,
    InternalError,
    LoginRequired,
    QueueFull,
    QueueTimeout,
    WorkerStartFailed,
)
from llm_mcp_hub.workers import lifecycle
from llm_mcp_hub.workers.pool import Lease, Pool, PoolLimits

pytestmark = pytest.mark.anyio


class Member:
    """Ends when it is told to, or at once."""

    pid = None
    rss_bytes: int | None = None
    cpu_seconds = None

    def __init__(self, *, slow_end: bool = False) -> None:
        self.alive = True
        self.closed = 0
        self.may_end = asyncio.Event()
        self.callbacks: list[Callable[[], None]] = []
        if not slow_end:
            self.may_end.set()

    def when_ended(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    def die(self) -> None:
        self.alive = False
        for callback in self.callbacks:
            callback()

    async def aclose(self) -> None:
        self.closed += 1
        self.alive = False
        await self.may_end.wait()


class Starter:
    """Starts members when the test says so; `automatic` at once."""

    def __init__(self, *, automatic: bool = True, slow_end: bool = False) -> None:
        self.automatic = automatic
        self.slow_end = slow_end
        self.members: list[Member] = []
        self.pending: list[asyncio.Future[None]] = []
        self.failures: list[HubError] = []

    async def __call__(self) -> Member:
        if not self.automatic:
            gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.pending.append(gate)
            await gate
        self.members.append(Member(slow_end=self.slow_end))
        return self.members[-1]

    def succeed(self) -> None:
        self.pending.pop(0).set_result(None)

    def fail(self, error: Exception) -> None:
        self.pending.pop(0).set_exception(error)

    @property
    def open(self) -> int:
        return sum(1 for member in self.members if not member.closed)


def make(starter: Starter, **limits: Any) -> Pool[Member]:
    values: dict[str, Any] = {"min_spare": 0, "max_workers": 2, **limits}
    return Pool(starter, PoolLimits(**values), starter.failures.append)


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def claim(
    pool: Pool[Member], state: Hashable | None = None, principal: str = "alice"
) -> Lease[Member]:
    async with asyncio.timeout(5):
        return await pool.claim(principal, state)


def claiming(
    pool: Pool[Member], principal: str = "alice", *, batch: bool = False
) -> "asyncio.Task[Lease[Member]]":
    return asyncio.get_running_loop().create_task(pool.claim(principal, batch=batch))


async def test_a_fresh_member_is_started_for_a_claim() -> None:
    starter = Starter()
    pool = make(starter)
    lease = await claim(pool)
    assert not lease.continued
    assert pool.figures.claimed == pool.figures.served == 1
    await pool.aclose()


async def test_spare_members_wait_unclaimed_and_are_replaced() -> None:
    starter = Starter()
    pool = make(starter, min_spare=2, max_workers=5)
    pool.warm()
    await settle()
    assert pool.figures.blank == 2
    lease = await claim(pool)
    assert lease.member is starter.members[0]
    await settle()
    assert pool.figures.blank == 2
    await pool.aclose()


async def test_spare_members_never_exceed_the_whole() -> None:
    starter = Starter()
    pool = make(starter, min_spare=9, max_workers=2)
    pool.warm()
    await settle()
    assert pool.figures.blank == len(starter.members) == 2
    await pool.aclose()


async def test_a_parked_member_comes_back_under_its_key_alone() -> None:
    pool = make(Starter(), max_workers=3)
    lease = await claim(pool, "a")
    lease.park("a")
    other = await claim(pool, "b")
    keyless = await claim(pool)
    assert len({lease.member, other.member, keyless.member}) == 3
    again = await claim(pool, "a")
    assert again.member is lease.member
    assert again.continued
    assert pool.figures.parked == 0
    await pool.aclose()


async def test_conversations_that_say_the_same_each_keep_a_member() -> None:
    pool = make(Starter(), max_workers=3)
    one, other = await claim(pool), await claim(pool)
    one.park("a")
    other.park("a")
    await settle()
    assert pool.figures.parked == 2
    taken = {(await claim(pool, "a")).member for _ in range(2)}
    assert taken == {one.member, other.member}
    assert not (await claim(pool, "a")).continued
    await pool.aclose()


async def test_a_full_pool_gives_up_the_oldest_parked_member_to_have_a_spare_ready() -> None:
    pool = make(Starter(), min_spare=1, max_workers=2)
    for key in ("old", "new"):
        lease = await claim(pool)
        lease.park(key)
        await settle()
    assert (pool.figures.parked, pool.figures.blank) == (1, 1)
    assert (await claim(pool, "new")).continued
    await pool.aclose()


async def test_ending_a_lease_again_does_nothing() -> None:
    pool = make(Starter())
    lease = await claim(pool)
    lease.park("a")
    lease.discard()
    lease.park("b")
    await settle()
    assert pool.figures.parked == 1
    assert lease.member.closed == 0
    assert pool.figures.claimed == 0
    await pool.aclose()


async def test_a_parked_member_is_ended_when_its_time_is_up() -> None:
    pool = make(Starter(), park_seconds=0.01)
    lease = await claim(pool)
    lease.park("a")
    async with asyncio.timeout(5):
        while pool.figures.parked:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await settle()
    assert lease.member.closed == 1
    await pool.aclose()


async def test_the_longest_parked_member_makes_room_for_one_who_waits() -> None:
    starter = Starter()
    pool = make(starter, max_workers=2)
    one, other = await claim(pool), await claim(pool)
    one.park("a")
    other.park("b")
    fresh = await claim(pool)
    assert one.member.closed == 1
    assert other.member.closed == 0
    assert fresh.member not in (one.member, other.member)
    await pool.aclose()


async def test_the_longest_parked_member_makes_room_for_a_spare() -> None:
    pool = make(Starter(), min_spare=1, max_workers=4)
    parked = [await claim(pool) for _ in range(3)]
    for number, lease in enumerate(parked):
        lease.park(number)
    await settle()
    assert (pool.figures.parked, pool.figures.blank) == (3, 1)
    await claim(pool)
    await settle()
    assert (pool.figures.parked, pool.figures.blank) == (2, 1)
    assert [lease.member.closed for lease in parked] == [1, 0, 0]
    await pool.aclose()


async def test_spares_never_push_out_more_than_half_of_the_members() -> None:
    pool = make(Starter(), min_spare=9, max_workers=4)
    leases = [await claim(pool) for _ in range(4)]
    for number, lease in enumerate(leases):
        lease.park(number)
    pool.warm()
    await settle()
    pool.warm()
    await settle()
    assert (pool.figures.parked, pool.figures.blank) == (2, 2)
    await pool.aclose()


async def test_a_member_parked_while_others_wait_makes_room_for_them() -> None:
    starter = Starter()
    pool = make(starter, max_workers=1)
    lease = await claim(pool)
    waiting = claiming(pool)
    await settle()
    lease.park("a")
    await settle()
    assert (await waiting).member is not lease.member
    await pool.aclose()


async def test_an_ending_member_still_counts_until_it_has_ended() -> None:
    starter = Starter(slow_end=True)
    pool = make(starter, max_workers=1)
    lease = await claim(pool)
    lease.discard()
    waiting = claiming(pool)
    await settle()
    assert not waiting.done()
    assert len(starter.members) == 1
    lease.member.may_end.set()
    await settle()
    assert (await waiting).member is starter.members[1]
    for member in starter.members:
        member.may_end.set()
    await pool.aclose()


async def test_those_who_wait_are_served_in_order() -> None:
    starter = Starter(automatic=False)
    pool = make(starter, max_workers=3)
    order: list[int] = []
    waiting = [claiming(pool) for _ in range(3)]
    for index, task in enumerate(waiting):
        task.add_done_callback(lambda _, index=index: order.append(index))
    await settle()
    for _ in waiting:
        starter.succeed()
        await settle()
    assert order == [0, 1, 2]
    await pool.aclose()


async def test_one_more_than_may_wait_is_refused_at_once() -> None:
    starter = Starter(automatic=False)
    pool = make(starter, max_workers=1, max_queue=2)
    waiting = [claiming(pool) for _ in range(2)]
    await settle()
    with pytest.raises(QueueFull) as refusal:
        await claim(pool)
    assert refusal.value.retry_after
    assert pool.figures.refused == 1
    assert pool.figures.queued == 2
    await pool.aclose()
    await asyncio.wait(waiting)
    assert all(isinstance(task.exception(), Draining) for task in waiting)


async def test_nobody_waits_longer_than_allowed() -> None:
    starter = Starter(automatic=False)
    pool = make(starter, queue_seconds=0.01)
    with pytest.raises(QueueTimeout) as refusal:
        await claim(pool)
    assert refusal.value.retry_after
    assert pool.figures.queued == 0
    assert pool.figures.refused == 1
    starter.succeed()
    await settle()
    assert pool.figures.blank == 1
    await pool.aclose()


async def test_a_failed_start_fails_one_waiter() -> None:
    starter = Starter(automatic=False)
    pool = make(starter)
    one, other = claiming(pool), claiming(pool)
    await settle()
    starter.fail(LoginRequired("Log in."))
    await settle()
    assert isinstance(one.exception(), LoginRequired)
    assert not other.done()
    starter.succeed()
    await settle()
    assert other.done()
    assert [error.code for error in starter.failures] == ["login_required"]
    assert (await claim_started(pool, starter)).member
    await pool.aclose()


async def claim_started(pool: Pool[Member], starter: Starter) -> Lease[Member]:
    task = claiming(pool)
    await settle()
    starter.succeed()
    return await task


async def test_a_start_that_is_left_over_serves_the_waiter_whose_own_failed() -> None:
    starter = Starter(automatic=False)
    pool = make(starter)
    leaving, waiting = claiming(pool), claiming(pool)
    await settle()
    leaving.cancel()
    await settle()
    assert len(starter.pending) == 2
    starter.fail(WorkerStartFailed("no"))
    await settle()
    assert not waiting.done()
    starter.succeed()
    await settle()
    assert (await waiting).member
    await pool.aclose()


async def test_spares_are_started_one_at_a_time_and_those_waited_for_at_once() -> None:
    starter = Starter(automatic=False)
    pool = make(starter, min_spare=3, max_workers=9)
    pool.warm()
    await settle()
    assert len(starter.pending) == 1
    waiting = [claiming(pool) for _ in range(3)]
    await settle()
    assert len(starter.pending) == 3
    for _ in range(3):
        starter.succeed()
    await settle()
    assert all(task.done() for task in waiting)
    for spare in range(3):
        assert (len(starter.pending), pool.figures.blank) == (1, spare)
        starter.succeed()
        await settle()
    assert (len(starter.pending), pool.figures.blank) == (0, 3)
    await pool.aclose()


async def test_a_start_that_crashes_fails_its_waiter_and_not_the_pool() -> None:
    starter = Starter(automatic=False)
    pool = make(starter)
    waiting = claiming(pool)
    await settle()
    starter.fail(KeyError("a defect"))
    await settle()
    error = waiting.exception()
    assert isinstance(error, InternalError)
    assert isinstance(error.__cause__, KeyError)
    assert pool.figures.starting == 0
    assert len(starter.failures) == 1
    await pool.aclose()


async def test_no_more_have_a_turn_at_once_than_may_though_there_are_members() -> None:
    starter = Starter()
    pool = make(starter, min_spare=1, max_spare=1, max_workers=6, max_turns=2)
    first, second = await pool.claim("p"), await pool.claim("p")
    await pool.settled()
    third = claiming(pool, "q")
    await asyncio.sleep(0)
    assert pool.figures.queued == 1
    assert pool.figures.blank == 1
    first.park("s")
    lease = await third
    assert pool.figures.parked == 1
    again = asyncio.ensure_future(pool.claim("p", "s"))
    await asyncio.sleep(0)
    assert pool.figures.queued == 1
    second.discard()
    continued = await again
    assert continued.continued
    assert continued.member is first.member
    lease.discard()
    continued.discard()
    await pool.aclose()


async def test_a_cancelled_waiter_gives_its_member_to_the_next() -> None:
    starter = Starter(automatic=False)
    pool = make(starter, max_workers=1)
    one, other = claiming(pool), claiming(pool)
    await settle()
    starter.succeed()
    while pool.figures.claimed == 0:  # noqa: ASYNC110  # one turn of the loop after another
        await asyncio.sleep(0)
    assert not one.done()
    one.cancel()
    await settle()
    assert one.cancelled()
    assert (await other).member is starter.members[0]
    assert pool.figures.claimed == pool.figures.served == 1
    await pool.aclose()


async def test_a_member_that_comes_for_a_cancelled_waiter_is_kept() -> None:
    starter = Starter(automatic=False)
    pool = make(starter)
    waiting = claiming(pool)
    await settle()
    starter.succeed()
    waiting.cancel()
    await settle()
    assert waiting.cancelled()
    assert pool.figures.blank == starter.open == 1
    await pool.aclose()


@pytest.mark.parametrize("cause", ["death", "renewal"])
async def test_a_cancelled_waiter_does_not_give_back_a_member_of_no_use(cause: str) -> None:
    starter = Starter(automatic=False)
    pool = make(starter, max_workers=1)
    waiting = claiming(pool)
    await settle()
    starter.succeed()
    while pool.figures.claimed == 0:  # noqa: ASYNC110
        await asyncio.sleep(0)
    starter.members[0].die() if cause == "death" else pool.renew()
    waiting.cancel()
    await settle()
    assert starter.open == 0
    assert pool.figures.blank == pool.figures.claimed == 0
    await pool.aclose()


@pytest.mark.parametrize("state", ["blank", "parked"])
async def test_a_member_that_dies_unclaimed_is_cleaned_up_and_not_handed_out(state: str) -> None:
    starter = Starter()
    pool = make(starter, min_spare=1, max_workers=1)
    pool.warm()
    await settle()
    if state == "parked":
        (await claim(pool)).park("a")
    await settle()
    starter.members[0].die()
    await settle()
    assert starter.members[0].closed == 1
    assert pool.figures.parked == 0
    assert pool.figures.died == 1
    # A program that ends by itself is not started over and over.
    assert len(starter.members) == (1 if state == "blank" else 2)
    assert (await claim(pool, "a")).member is starter.members[1]
    await pool.aclose()


async def test_a_dead_member_that_told_nobody_is_not_handed_out() -> None:
    starter = Starter()
    pool = make(starter, max_workers=3, min_spare=1)
    parked = await claim(pool)
    parked.park("a")
    await settle()
    for member in starter.members:
        member.alive = False
    fresh = await claim(pool, "a")
    assert fresh.member.alive
    assert not fresh.continued
    await pool.aclose()


async def test_a_dead_member_is_not_parked() -> None:
    pool = make(Starter())
    lease = await claim(pool)
    lease.member.alive = False
    lease.park("a")
    await settle()
    assert lease.member.closed == 1
    assert pool.figures.parked == 0
    await pool.aclose()


async def test_nothing_started_before_a_renewal_is_used_again() -> None:
    starter = Starter()
    pool = make(starter, min_spare=1, max_workers=5)
    pool.warm()
    parked, claimed = await claim(pool), await claim(pool)
    parked.park("a")
    await settle()
    old = set(starter.members)
    starter.automatic = False
    waiting = claiming(pool)
    await settle()
    pool.renew()
    claimed.park("b")
    while starter.pending:
        starter.succeed()
    await settle()
    starter.automatic = True
    fresh = [await claim(pool, key) for key in ("a", "b")]
    assert not {lease.member for lease in fresh} & old
    (await waiting).park("c")
    await settle()
    assert all(member.closed for member in old)
    await pool.aclose()


async def test_closing_ends_every_member_and_refuses_from_then_on() -> None:
    starter = Starter()
    pool = make(starter, min_spare=1, max_workers=4)
    pool.warm()
    parked, claimed = await claim(pool), await claim(pool)
    parked.park("a")
    await settle()
    await pool.aclose()
    assert starter.open == 0
    assert all(member.closed == 1 for member in starter.members)
    figures = pool.figures
    assert (figures.blank, figures.starting, figures.claimed, figures.parked) == (0, 0, 0, 0)
    claimed.park("b")
    claimed.discard()
    pool.warm()
    await settle()
    assert all(member.closed == 1 for member in starter.members)
    for key in ("a", None):
        with pytest.raises(Draining):
            await claim(pool, key)
    await pool.aclose()


@pytest.mark.parametrize("steps", [0, 5])
async def test_closing_ends_a_start_that_is_under_way(steps: int) -> None:
    starter = Starter(automatic=False)
    pool = make(starter)
    pool.warm()
    waiting = claiming(pool)
    for _ in range(steps):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await pool.aclose()
        await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), Draining)
    assert pool.figures.starting == 0
    assert not pool._lifecycle.tasks


async def test_closing_ends_a_member_whose_start_is_past_cancelling() -> None:
    member = Member(slow_end=True)
    gate = asyncio.Event()

    async def start() -> Member:
        try:
            await gate.wait()
        except asyncio.CancelledError:
            return member
        raise AssertionError

    pool = Pool(start, PoolLimits(min_spare=1))
    pool.warm()
    await settle()
    closing = asyncio.create_task(pool.aclose())
    await settle()
    assert not closing.done()
    member.may_end.set()
    await asyncio.wait_for(closing, 5)
    assert member.closed == 1
    assert pool.figures.starting == 0


async def test_a_claim_that_is_served_while_the_pool_closes_is_refused() -> None:
    starter = Starter(automatic=False)
    pool = make(starter)
    waiting = claiming(pool)
    await settle()
    starter.succeed()
    while pool.figures.claimed == 0:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await pool.aclose()
    with pytest.raises(Draining):
        await waiting
    assert starter.open == 0


async def test_closing_is_bounded_even_if_a_member_never_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "CLOSE_SECONDS", 0.01)
    starter = Starter(slow_end=True)
    pool = make(starter)
    lease = await claim(pool)
    async with asyncio.timeout(5):
        await pool.aclose()
    lease.member.may_end.set()
    await settle()


@pytest.mark.parametrize(
    "wrong",
    [{"max_workers": 0}, {"min_spare": -1}, {"max_queue": -1}, {"queue_seconds": -1}, {"x": 1}],
)
async def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, PoolLimits)
