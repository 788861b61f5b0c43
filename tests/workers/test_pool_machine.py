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

from llm_mcp_hub.domain.status import WorkerState
from llm_mcp_hub.errors import (
    Draining,
    HubError,
    MemoryShort,
    ProviderUnavailable,
    QueueFull,
    QueueTimeout,
    WorkerStartFailed,
)
from llm_mcp_hub.workers.pool import LOOK_AGAIN_SECONDS, Lease, Pool, PoolLimits

QUEUE_SECONDS = 10.0
PARK_SECONDS = 25.0
OLD_SECONDS = 40.0
STATES = st.sampled_from("xy")
PRINCIPALS = st.sampled_from(["alice", "bob"])
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
        return not self._ready  # type: ignore[attr-defined]  # the library's own

    def settle(self) -> None:
        self.step()
        while not self.idle:
            self.step()


class Member:
    rss_bytes = None
    cpu_seconds = None

    def __init__(self, machine: "PoolMachine") -> None:
        self.machine = machine
        self.pid = len(machine.members)
        self.alive = True
        self.closing = False
        self.ended = False
        self.told = True
        self.epoch = 0
        self.turns = 0
        self.principal: str | None = None
        self.parked_in: str | None = None
        self.may_end = machine.loop.create_future()
        self.callbacks: list[Callable[[], None]] = []

    def when_ended(self, callback: Callable[[], None]) -> None:
        self.callbacks.append(callback)

    async def aclose(self) -> None:
        assert not self.closing, "ended twice"
        assert self.machine.closing or self not in self.machine.claimed(), "ended during a turn"
        self.closing = True
        self.alive = False
        await self.may_end
        self.ended = True


class Claim:
    def __init__(self, principal: str, state: str | None, batch: bool, due: float) -> None:
        self.principal = principal
        self.state = state
        self.batch = batch
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
        self.cancelled = 0
        self.served = 0
        self.paused = False
        self.closing = False
        self.room = 9
        self.stubborn = False
        self.epoch = 0

    @initialize(
        min_spare=st.integers(0, 2),
        max_spare=st.integers(0, 2),
        max_workers=st.integers(1, 3),
        max_turns=st.integers(0, 2),
        max_queue=st.integers(0, 3),
        turns=st.integers(0, 2),
        seconds=st.sampled_from([0.0, OLD_SECONDS]),
    )
    def make(self, turns: int, seconds: float, **sizes: int) -> None:
        self.limits = PoolLimits(
            **sizes,
            queue_seconds=QUEUE_SECONDS,
            park_seconds=PARK_SECONDS,
            recycle_turns=turns,
            recycle_seconds=seconds,
        )
        self.pool: Pool[Member] = Pool(
            self.start,
            self.limits,
            room_for=lambda _: self.room,
            clock=self.loop.time,
            random=lambda: 0.5,
        )

    async def start(self) -> Member:
        assert not self.paused
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

    @rule(
        principal=PRINCIPALS, state=st.one_of(st.none(), STATES), batch=st.booleans(), steps=STEPS
    )
    def claim(self, principal: str, state: str | None, batch: bool, steps: int) -> None:
        self.ask(principal, state, batch=batch, steps=steps)

    @precondition(lambda self: self.resting())
    @rule(data=st.data(), somebody=st.sampled_from(["itself", "stranger", "other"]), steps=STEPS)
    def go_on(self, data: st.DataObject, somebody: str, steps: int) -> None:
        member = data.draw(st.sampled_from(self.resting()))
        principal, state = member.principal or "", member.parked_in
        if somebody == "stranger":
            principal = "bob" if principal == "alice" else "alice"
        elif somebody == "other":
            state = "y" if state == "x" else "x"
        self.ask(principal, state, batch=False, steps=steps)

    @rule(principal=PRINCIPALS, state=STATES)
    def a_whole_turn(self, principal: str, state: str) -> None:
        """Without which the interesting states would be rare."""
        held = list(self.leases)
        self.ask(principal, None, batch=False, steps=100)
        for gate in list(self.starts):
            if not gate.done():
                gate.set_result(None)
        self.loop.settle()
        for lease in [lease for lease in self.leases if lease not in held]:
            self.put_away(lease, state)

    def put_away(self, lease: Lease[Member], state: str) -> None:
        self.leases.remove(lease)
        lease.member.parked_in = state
        self.loop.call_soon(lease.park, state)
        self.loop.step()

    def resting(self) -> list[Member]:
        return [m for m in self.members if m.parked_in and not m.closing]

    def ask(self, principal: str, state: str | None, *, batch: bool, steps: int) -> None:
        claim = Claim(principal, state, batch, self.loop.now + QUEUE_SECONDS)

        async def run() -> None:
            try:
                lease = await self.pool.claim(principal, state, batch=batch)
            except (QueueFull, MemoryShort, ProviderUnavailable) as error:
                self.turn_away(error)
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

    def turn_away(self, error: HubError) -> None:
        assert isinstance(error, ProviderUnavailable) or (error.retry_after or 0) >= 1
        self.refused += 1

    def take(self, claim: Claim, lease: Lease[Member]) -> None:
        member = lease.member
        assert all(lease.member is not other.member for other in self.leases)
        assert member.epoch == self.epoch
        assert lease.principal == claim.principal
        if lease.continued:
            assert member.alive
            assert member.principal == claim.principal
            assert member.parked_in == claim.state is not None
            assert not self.limits.recycle_turns or member.turns < self.limits.recycle_turns
        else:
            assert member.principal is None
            before = [
                other
                for other in self.claims[: self.claims.index(claim)]
                if (other.principal, other.batch) == (claim.principal, claim.batch)
            ]
            assert all(c.cancelled or c.due <= self.loop.now or c.task.done() for c in before)
        member.turns += 1
        member.principal = claim.principal
        member.parked_in = None
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
    @rule(data=st.data(), state=STATES, steps=STEPS)
    def park(self, data: st.DataObject, state: str, steps: int) -> None:
        lease = data.draw(st.sampled_from(self.leases))
        self.put_away(lease, state)
        self.run(steps)

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
        self.cancelled += 1
        claim.task.cancel()
        self.run(steps)

    @rule(seconds=st.sampled_from([1.0, QUEUE_SECONDS, PARK_SECONDS, OLD_SECONDS]), steps=STEPS)
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

    @rule(paused=st.sampled_from([False, False, True]), steps=STEPS)
    def pause(self, paused: bool, steps: int) -> None:
        self.loop.settle()  # a start that was decided on has begun
        self.paused = paused
        if paused:
            self.loop.call_soon(self.pool.pause, ProviderUnavailable("Paused."))
        else:
            self.loop.call_soon(self.pool.resume)
        self.run(1 + steps)

    @rule(room=st.sampled_from([0, 1, 9, 9]), steps=STEPS)
    def memory_comes_or_goes(self, room: int, steps: int) -> None:
        self.room = room
        self.loop.now += LOOK_AGAIN_SECONDS
        self.run(steps)

    # What must hold

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.loop.step()
            if self.loop.idle:
                break

    def claimed(self) -> list[Member]:
        return [lease.member for lease in self.leases]

    def living(self) -> list[Member]:
        return [member for member in self.members if member.alive]

    @invariant()
    def there_are_never_too_many(self) -> None:
        if hasattr(self, "pool"):
            existing = sum(not member.ended for member in self.members)
            assert existing + len(self.starts) <= self.limits.max_workers
            assert len(self.leases) <= self.limits.served_at_once
            assert self.pool.figures.queued <= self.limits.max_queue
            assert len({worker.pid for worker in self.pool.members()}) == existing
            for worker in self.pool.members():
                assert worker.principal in (None, self.members[worker.pid or 0].principal)
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
        # Who is refused and leaves in the same moment may never have learnt of it.
        assert self.refused <= figures.refused <= self.refused + self.cancelled
        ending = sum(m.closing and not m.ended for m in self.members)
        existing = sum(not m.ended for m in self.members)
        assert figures.ending == ending
        assert figures.blank + figures.claimed + figures.parked + ending == existing
        claimed = self.claimed()
        self.every_worker_is_shown()
        assert figures.blank <= max(self.limits.min_spare, self.limits.max_spare)
        if self.paused:
            assert figures.queued <= figures.starting + figures.blank
        assert all(m.alive or m.closing or not m.told or m in claimed for m in self.members)
        if self.claims:
            # Somebody waits: then there is nothing to be had, and something is on its way
            # unless every member is somebody else's.
            full = figures.claimed == self.limits.served_at_once
            assert figures.blank == 0 or full
            short = self.room == 0 and figures.claimed
            assert figures.starting or ending or full or short

    def every_worker_is_shown(self) -> None:
        figures = self.pool.figures
        shown = [worker.state for worker in self.pool.members()]
        for state in WorkerState:
            assert shown.count(state) == getattr(figures, state.value)

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
        self.closing = True
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
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
