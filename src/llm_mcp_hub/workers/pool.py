"""A bounded set of interchangeable members, each claimed by one conversation.

Guarantees: a member that has been claimed is never handed to anyone but the same principal, in the
state it was parked in (`lease.py` says how types hold that); there are never more than
`max_workers` members, starting and ending ones included, nor more than `max_turns` claimed; those
who wait are served fairly
(`fair_queue.py`), are at most `max_queue`, and wait at most `queue_seconds`; a start that fails
fails at most one waiter, and spares are tried again later and later; a member that has served long
enough is replaced, never during a turn; after `aclose` no member is left, claimed ones included.

The pool does not know what its members are: it is given a function that starts one, ready to use.
"""

import random
import time
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic

from llm_mcp_hub.domain.status import PoolFigures, WorkerFigures
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.workers import refusals
from llm_mcp_hub.workers.alarm import Alarm
from llm_mcp_hub.workers.backoff import Backoff
from llm_mcp_hub.workers.events import PoolEvent
from llm_mcp_hub.workers.lease import Blank, Lease, M, Member, Parked, ParkKey
from llm_mcp_hub.workers.lifecycle import Lifecycle
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.memory import PLENTY
from llm_mcp_hub.workers.parking import Parking
from llm_mcp_hub.workers.pool_figures import PoolNow, pool_figures, worker_figures
from llm_mcp_hub.workers.refill import Counts, Step, next_step
from llm_mcp_hub.workers.spares import Spares
from llm_mcp_hub.workers.tally import Tally
from llm_mcp_hub.workers.waiting import WaitingLine

__all__ = ["Lease", "Member", "Pool", "PoolEvent", "PoolLimits"]

SPARE_RETRY_SECONDS = 1.0
"""How soon a spare is tried again after one failure; each further failure doubles it."""
SPARE_RETRY_MOST_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 1.0
"""How often memory is looked at while it is short."""


class Pool(Generic[M]):
    """See the module.

    Args:
        start: Starts a member and returns it ready, or raises a `HubError`; bounded, and leaves
            nothing behind when it is cancelled.
        limits: Sizes.
        on_start_failed: Told of every start that failed.
        on_event: Told of what happens to members.
        room_for: For how many more members of so many bytes (0: not known) there is memory.
        clock: The time in seconds.
        random: Gives a number from 0 up to 1.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[M]],
        limits: PoolLimits,
        on_start_failed: Callable[[HubError], None] = lambda _: None,
        *,
        on_event: Callable[[PoolEvent], None] = lambda _: None,
        room_for: Callable[[int], int] = lambda _: PLENTY,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._limits = limits
        self._on_start_failed = on_start_failed
        self._room_for = room_for
        self._clock = clock
        self._tally = tally = Tally()
        self._lifecycle = Lifecycle(start, limits, tally, on_event, clock, random)
        self._lifecycle.on_started = self._put
        self._lifecycle.on_failed = self._start_failed
        self._lifecycle.on_died = self._member_died
        self._lifecycle.on_ended = self._serve
        self._backoff = Backoff(SPARE_RETRY_SECONDS, SPARE_RETRY_MOST_SECONDS, random)
        self._spares = Spares(self._lifecycle, limits, self._backoff, clock)
        self._parking: Parking[M] = Parking(limits.park_seconds, self._lifecycle.give_up)
        self._line: WaitingLine[M] = WaitingLine(
            limits, tally, partial(self._put, first=True), self._retry_after
        )
        self._leases: set[Lease[M]] = set()
        self._alarm = Alarm(self._serve)
        self._closed = False
        self._refill = True
        self._paused: HubError | None = None

    @property
    def figures(self) -> PoolFigures:
        """How the pool is doing now."""
        now = PoolNow(self._counts(), self._line.batch, self._retry_after(), self._paused)
        return pool_figures(now, self._limits, self._tally)

    def members(self) -> tuple[WorkerFigures, ...]:
        """Every member but those that are being started."""
        blanks, ending = (*self._spares, *self._line.granted), self._lifecycle.ending
        return worker_figures(self._clock(), blanks, self._leases, self._parking, ending)

    def idle(self) -> tuple[M, ...]:
        """The members that nobody has claimed."""
        return tuple(place.life.member for place in (*self._spares, *self._parking))

    async def settled(self) -> None:
        """Wait until no start and no end is under way."""
        await self._lifecycle.settled()

    def warm(self) -> None:
        """Start spare members in the background, whatever has failed before."""
        self._refill = True
        self._backoff.succeeded()
        self._serve()

    def pause(self, reason: HubError) -> None:
        """Start no members until `resume`; those there are, or are being started, go on serving.

        A claim that would need a start fails with `reason`, also one that waits already.
        """
        self._paused = reason
        self._serve()

    def resume(self, *, warm: bool = True) -> None:
        """Start members again; spare ones at once unless `warm` is off."""
        self._paused = None
        if warm:
            self.warm()

    def renew(self) -> None:
        """Have no member used for another turn that has been started so far.

        Those that are claimed end with their lease. Spare ones are not started before the next
        claim or `warm`.
        """
        self._lifecycle.generation += 1
        self._refill = False
        self._parking.clear("renewed")
        self._spares.clear("renewed")

    async def claim(
        self, principal: str, state: Hashable | None = None, *, batch: bool = False
    ) -> Lease[M]:
        """Take the member that `principal` parked in `state`, or else one that nobody has used.

        Args:
            principal: Whose the member will be.
            state: What the member must know already; None if nothing.
            batch: Whether it may wait until nobody else does.

        Raises:
            QueueFull: Too many wait already.
            QueueTimeout: None became free in time.
            MemoryShort: There is no memory for one, and nobody who could give any back.
            HubError: No start worked; the pool is closing; or why it is paused.
        """
        if self._closed:
            raise refusals.draining()
        key = None if state is None else ParkKey(principal, state)
        asked_at = self._clock()
        free = self._free_turns() > 0
        if free and (lease := self._go_on(key, asked_at)):
            return lease
        self._refill = True
        if free and not self._line and (blank := self._spares.take()) is not None:
            lease = self._lease(blank.claim(principal, asked_at, self._released), asked_at)
            self._serve()
            return lease
        blank = await self._line.wait(principal, batch=batch, joined=self._serve)
        if lease := self._go_on(key, asked_at):
            self._put(blank, first=True)
            return lease
        return self._lease(blank.claim(principal, self._clock(), self._released), asked_at)

    async def aclose(self) -> None:
        """Refuse new claims, fail those who wait, end every member; bounded."""
        self._closed = True
        self._alarm.stop()
        self._parking.clear("closing")
        self._spares.clear("closing")
        lives = [blank.life for blank in self._line.close()]
        for life in (*lives, *(lease.life for lease in self._leases)):
            self._lifecycle.end(life, "worker.discarded", "closing")
        self._leases.clear()
        await self._lifecycle.aclose()

    def _go_on(self, key: ParkKey | None, asked_at: float) -> Lease[M] | None:
        if key is None or (parked := self._parking.take(key)) is None:
            return None
        return self._lease(parked.claim(self._clock(), self._released), asked_at)

    def _lease(self, lease: Lease[M], asked_at: float) -> Lease[M]:
        waited = lease.since - asked_at
        self._leases.add(lease)
        self._tally.claimed(waited)
        source = "parked" if lease.continued else "blank"
        self._lifecycle.tell("worker.claimed", lease.life, source, waited)
        return lease

    def _released(self, lease: Lease[M], state: Hashable | None) -> None:
        if lease not in self._leases:
            return  # `aclose` has ended it
        self._leases.remove(lease)
        life, now = lease.life, self._clock()
        self._tally.hold.add(now - lease.since)
        if state is not None and life.member.alive:
            self._backoff.succeeded()
        if life.ended:
            self._lifecycle.bury(life, "claimed")
        elif state is None or not life.member.alive:
            self._lifecycle.end(life, "worker.discarded")
        elif life.generation != self._lifecycle.generation:
            self._lifecycle.evict(life, "renewed")
        elif not self._lifecycle.recycle(life):
            self._parking.put(Parked(lease, state, now))
            self._lifecycle.tell("worker.parked", life, "", now - lease.since)
        if self._line:
            self._serve()

    def _counts(self) -> Counts:
        starting, ending = self._lifecycle.starting, len(self._lifecycle.ending)
        blank, claimed = len(self._spares), len(self._leases) + len(self._line.granted)
        return Counts(len(self._line), blank, starting, ending, claimed, len(self._parking))

    def _free_turns(self) -> int:
        return self._limits.served_at_once - len(self._leases) - len(self._line.granted)

    def _serve(self) -> None:
        """Give blanks to those who wait, and start as many members as are needed and allowed."""
        while self._line and self._free_turns() > 0 and (blank := self._spares.take()) is not None:
            self._line.grant(blank, [lease.principal for lease in self._leases])
        if self._closed:
            return
        self._spares.tend()
        if self._paused is None:
            self._resize()
        else:
            # A blank that is left waits for somebody's turn to end, as does whoever will get it.
            served = self._lifecycle.starting + len(self._spares)
            self._tally.refused_paused += self._line.refuse_beyond(served, self._paused)
        self._alarm.ring_in(self._spares.tend_in())

    def _resize(self) -> None:
        wait = self._backoff.wait(self._clock())
        spares = self._refill and not wait
        while True:
            # Who waits for somebody's turn to end needs no member yet.
            waiting = min(len(self._line), max(0, self._free_turns()))
            counts = self._counts()._replace(waiting=waiting)
            step = next_step(counts, self._limits, spares=spares, room=self._room)
            if step is Step.START:
                self._lifecycle.start()
            elif step is Step.EVICT_FOR_ROOM:
                self._parking.evict_oldest("room")
            elif step is Step.EVICT_FOR_MEMORY:
                self._parking.evict_oldest("memory")
            else:
                break
        if step is Step.REFUSE:
            short = refusals.memory_short(self._retry_after())
            self._tally.refused_memory += self._line.refuse_beyond(0, short)
        elif step is Step.LOOK_AGAIN:
            self._alarm.ring_in(LOOK_AGAIN_SECONDS)
        elif wait and self._refill:
            self._alarm.ring_in(wait)

    def _room(self) -> int:
        lives = (one.life for one in (*self._spares, *self._leases, *self._parking))
        return self._room_for(max((life.member.rss_bytes or 0 for life in lives), default=0))

    def _retry_after(self) -> float:
        now = self._clock()
        held = [now - lease.since for lease in self._leases]
        served = self._tally.retry_after(len(self._line), self._limits.served_at_once, held)
        return max(served, self._backoff.wait(now))

    def _put(self, blank: Blank[M], *, first: bool = False) -> None:
        if self._closed:
            self._lifecycle.evict(blank.life, "closing")
            return
        self._spares.put(blank, first=first)
        self._serve()

    def _start_failed(self, error: HubError) -> None:
        now = self._clock()
        self._backoff.failed(now)
        if error.retryable and error.retry_after is None:
            error.retry_after = self._retry_after()
        # One more start that is under way serves the waiter as well.
        if len(self._line) > self._lifecycle.starting:
            self._line.refuse_one(error)
        self._serve()
        self._on_start_failed(error)

    def _member_died(self) -> None:
        self._spares.drop_dead()
        self._parking.evict_dead()
        self._serve()
