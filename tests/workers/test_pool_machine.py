"""Whatever happens to a pool, in whatever order, its promises hold."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from llm_mcp_hub.errors import Draining, QueueFull, QueueTimeout, WorkerStartFailed
from llm_mcp_hub.workers.pool import Lease, Pool, PoolLimits

QUEUE_SECONDS = 10.0
PARK_SECONDS = 25.0
KEYS = st.sampled_from("ab")
STEPS = st.sampled_from([0, 1, 2, 3, 100, 100, 100])


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still until it is moved."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def step(self) -> None:
        """One turn: all that is ready, and the timers that are due."""
        self.call_soon(self.stop)
        self.run_forever()

    @property
    def idle(self) -> bool:
        return not self._ready  # type: ignore[attr-defined]

    def settle(self) -> None:
        self.step()
        while not self.idle:
            self.step()


class Member:
    def __init__(self, machine: "PoolMachine") -> None:
        self.alive = True
        self.closing = False
        self.ended = False
        self.told = True
        self.epoch = 0
        self.used = False
        self.parked_under: str | None = None
        self.may_end = machine.loop.create_future()
        self.callbacks: list[Callable[[], None]] = []

    def when_ended(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    async def aclose(self) -> None:
        assert not self.closing, "ended twice"
        self.closing = True
        self.alive = False
        await self.may_end
        self.ended = True


class Claim:
    def __init__(self, key: str | None, due: float) -> None:
        self.key = key
        self.due = due
        self.cancelled = False
        self.task: asyncio.Task[None]


class PoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = Loop()
        self.problems: list[str] = []
        self.loop.set_exception_handler(lambda _, context: self.problems.append(str(context)))
        self.members: list[Member] = []
        self.starts: list[asyncio.Future[None]] = []
        self.claims: list[Claim] = []
        self.leases: list[Lease[Member]] = []
        self.failed_starts = 0
        self.failed_claims = 0
        self.refused = 0
        self.served = 0
        self.stubborn = False
        self.epoch = 0

    @initialize(
        min_spare=st.integers(0, 2), max_workers=st.integers(1, 3), max_queue=st.integers(0, 3)
    )
    def make(self, min_spare: int, max_workers: int, max_queue: int) -> None:
        self.limits = PoolLimits(min_spare, max_workers, max_queue, QUEUE_SECONDS, PARK_SECONDS)
        self.pool: Pool[Member] = Pool(self.start, self.limits)

    async def start(self) -> Member:
        gate = self.loop.create_future()
        self.starts.append(gate)
        epoch = self.epoch
        try:
            await gate
        except asyncio.CancelledError:
            if not self.stubborn:
                raise
        finally:
            self.starts.remove(gate)
        self.members.append(Member(self))
        self.members[-1].epoch = epoch
        return self.members[-1]

    # What may happen

    @rule(key=st.one_of(st.none(), KEYS), steps=STEPS)
    def claim(self, key: str | None, steps: int) -> None:
        claim = Claim(key, self.loop.now + QUEUE_SECONDS)

        async def run() -> None:
            try:
                lease = await self.pool.claim(key)
            except QueueFull:
                assert self.pool.figures.queued >= self.limits.max_queue
                self.refused += 1
            except QueueTimeout:
                assert self.loop.now >= claim.due
                self.refused += 1
            except WorkerStartFailed:
                self.failed_claims += 1
            else:
                self.take(claim, lease)

        self.claims.append(claim)
        claim.task = self.loop.create_task(run())
        claim.task.add_done_callback(lambda _: self.claims.remove(claim))
        self.run(steps)

    def take(self, claim: Claim, lease: Lease[Member]) -> None:
        member = lease.member
        assert all(lease.member is not other.member for other in self.leases)
        assert member.epoch == self.epoch
        if lease.continued:
            assert claim.key is not None
            assert member.parked_under == claim.key
        else:
            assert not member.used
            before = self.claims[: self.claims.index(claim)]
            assert all(c.cancelled or c.due <= self.loop.now or c.task.done() for c in before)
        member.used = True
        member.parked_under = None
        self.served += 1
        self.leases.append(lease)

    @precondition(lambda self: self.starts)
    @rule(data=st.data(), steps=STEPS)
    def start_succeeds(self, data: st.DataObject, steps: int) -> None:
        gate = data.draw(st.sampled_from(self.starts))
        if not gate.done():
            gate.set_result(None)
        self.run(steps)

    @precondition(lambda self: self.starts)
    @rule(data=st.data(), steps=STEPS)
    def start_fails(self, data: st.DataObject, steps: int) -> None:
        gate = data.draw(st.sampled_from(self.starts))
        if not gate.done():
            self.failed_starts += 1
            gate.set_exception(WorkerStartFailed("no"))
        self.run(steps)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), key=KEYS, steps=STEPS)
    def park(self, data: st.DataObject, key: str, steps: int) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self.leases.remove(lease)
        lease.member.parked_under = key
        self.loop.call_soon(lease.park, key)
        self.run(1 + steps)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), steps=STEPS)
    def discard(self, data: st.DataObject, steps: int) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self.leases.remove(lease)
        self.loop.call_soon(lease.discard)
        self.loop.call_soon(lease.discard)
        self.run(1 + steps)

    @precondition(lambda self: self.living())
    @rule(data=st.data(), tells=st.booleans(), steps=STEPS)
    def die(self, data: st.DataObject, tells: bool, steps: int) -> None:
        member = data.draw(st.sampled_from(self.living()))
        member.alive = False
        member.told = tells
        if tells:
            for callback in member.callbacks:
                self.loop.call_soon(callback)
        self.run(steps)

    @precondition(lambda self: any(m.closing and not m.may_end.done() for m in self.members))
    @rule(data=st.data(), steps=STEPS)
    def end(self, data: st.DataObject, steps: int) -> None:
        ending = [m for m in self.members if m.closing and not m.may_end.done()]
        data.draw(st.sampled_from(ending)).may_end.set_result(None)
        self.run(steps)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), steps=STEPS)
    def cancel(self, data: st.DataObject, steps: int) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        claim.cancelled = True
        claim.task.cancel()
        self.run(steps)

    @rule(seconds=st.sampled_from([1.0, QUEUE_SECONDS, PARK_SECONDS]), steps=STEPS)
    def wait(self, seconds: float, steps: int) -> None:
        self.loop.now += seconds
        self.run(steps)

    @rule(steps=STEPS)
    def warm(self, steps: int) -> None:
        self.loop.call_soon(self.pool.warm)
        self.run(steps)

    @rule(steps=STEPS)
    def renew(self, steps: int) -> None:
        self.loop.settle()  # what is on its way to a waiter has been claimed already
        self.epoch += 1
        self.loop.call_soon(self.pool.renew)
        self.run(1 + steps)

    # What must hold

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.loop.step()
            if self.loop.idle:
                break

    def living(self) -> list[Member]:
        return [member for member in self.members if member.alive]

    @invariant()
    def there_are_never_too_many(self) -> None:
        if hasattr(self, "pool"):
            existing = sum(not member.ended for member in self.members)
            assert existing + len(self.starts) <= self.limits.max_workers
            assert self.pool.figures.queued <= self.limits.max_queue
            assert self.failed_claims <= self.failed_starts
            assert self.problems == []

    @invariant()
    def at_rest_everything_is_accounted_for(self) -> None:
        if not hasattr(self, "pool") or not self.loop.idle:
            return
        self.loop.settle()
        figures = self.pool.figures
        assert figures.queued == len(self.claims)
        assert figures.claimed == len(self.leases)
        assert figures.starting == len(self.starts)
        assert figures.served == self.served
        assert figures.refused == self.refused
        ending = sum(m.closing and not m.ended for m in self.members)
        existing = sum(not m.ended for m in self.members)
        assert figures.ending == ending
        assert figures.blank + figures.claimed + figures.parked + ending == existing
        claimed = [lease.member for lease in self.leases]
        assert all(m.alive or m.closing or not m.told or m in claimed for m in self.members)
        if self.claims:
            # Somebody waits: then there is nothing to be had, and something is on its way
            # unless every member is somebody else's.
            assert figures.blank == 0
            assert figures.starting or ending or figures.claimed == self.limits.max_workers

    def teardown(self) -> None:
        try:
            if hasattr(self, "pool"):
                self.close()
        finally:
            self.loop.close()

    def close(self) -> None:
        self.loop.settle()
        self.at_rest_everything_is_accounted_for()
        self.stubborn = len(self.starts) % 2 == 1
        waiting = [claim.task for claim in self.claims]
        closing = self.loop.create_task(self.pool.aclose())
        while not closing.done():
            self.loop.settle()
            for member in self.members:
                if not member.may_end.done():
                    member.may_end.set_result(None)
        closing.result()
        assert all(isinstance(task.exception(), Draining) for task in waiting)
        assert all(member.ended for member in self.members)
        assert self.starts == []
        while self.leases:
            self.loop.call_soon(self.leases.pop().discard)
        self.loop.settle()
        self.at_rest_everything_is_accounted_for()
        assert not asyncio.all_tasks(self.loop)
        assert self.problems == []


TestPool: Any = PoolMachine.TestCase
TestPool.settings = settings(
    max_examples=150,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
