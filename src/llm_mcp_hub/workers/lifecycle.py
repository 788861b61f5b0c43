"""The starts and ends of a pool's members, each in a task of its own, counted and told.

Guarantees: whatever was started is handed over as a blank, or ended; each member is ended once;
`aclose` leaves no start behind and waits for all ends, for `CLOSE_SECONDS` at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic

from llm_mcp_hub.errors import HubError, InternalError
from llm_mcp_hub.workers.events import EventName, PoolEvent
from llm_mcp_hub.workers.lease import Blank, Life, M, Parked
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.parking import EvictReason
from llm_mcp_hub.workers.recycling import lifespan
from llm_mcp_hub.workers.tally import Tally

CLOSE_SECONDS = 10.0
"""How long `Lifecycle.aclose` waits for members to end."""


class Lifecycle(Generic[M]):
    """See the module.

    Args:
        start: Starts a member and returns it ready, or raises; bounded, and leaves nothing
            behind when it is cancelled.
        on_event: Told of what happens to members.
        clock: The time in seconds.
        random: Gives a number from 0 up to 1.

    Attributes:
        generation: Whoever was started in an earlier one is not used again.
        starting: How many starts are under way.
        ending: Members that are being ended, and since when.
        tasks: All that is under way, for whoever wants to wait for it.
        on_started: Takes over a started member.
        on_failed: Told of a start that failed.
        on_died: Told that a member may have ended by itself.
        on_ended: Told that the end of a member is complete.
    """

    on_started: Callable[[Blank[M]], None]
    on_failed: Callable[[HubError], None]
    on_died: Callable[[], None]
    on_ended: Callable[[], None]

    def __init__(
        self,
        start: Callable[[], Awaitable[M]],
        limits: PoolLimits,
        tally: Tally,
        on_event: Callable[[PoolEvent], None],
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._start = start
        self._limits = limits
        self._tally = tally
        self._on_event = on_event
        self._clock = clock
        self._random = random
        self._starts: set[asyncio.Task[None]] = set()
        self.generation = 0
        self.starting = 0
        self.ending: dict[Life[M], float] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start a member."""
        self.starting += 1
        task = self._spawn(self._start_one())
        self._starts.add(task)
        task.add_done_callback(self._start_ended)

    def recycle(self, life: Life[M]) -> bool:
        """End a member that has served long enough; whether it has."""
        reason = life.over(self._clock())
        if reason is None:
            return False
        self._tally.recycled[reason] += 1
        self.end(life, "worker.recycled", reason)
        return True

    def evict(self, life: Life[M], reason: str) -> None:
        """End a member that is idle."""
        self._tally.evicted += 1
        self.end(life, "worker.evicted", reason)

    def give_up(self, parked: Parked[M], reason: EvictReason) -> None:
        """End a parked member that is no longer kept."""
        if reason == "died":
            self.bury(parked.life, "parked")
        else:
            self.evict(parked.life, reason)

    def bury(self, life: Life[M], what: str) -> None:
        """Clean up after a member that ended by itself. `what` it was then."""
        self._tally.died += 1
        self.end(life, "worker.died", what)

    def end(self, life: Life[M], name: EventName, reason: str = "") -> None:
        """End a member, which must not be ended already, and tell why."""
        now = self._clock()
        self.tell(name, life, reason, now - life.started_at)
        self.ending[life] = now
        self._spawn(self._end(life))

    def tell(self, name: EventName, life: Life[M], reason: str, seconds: float) -> None:
        """Tell of something that happened to a member."""
        self._on_event(PoolEvent(name, life.member.pid, reason, seconds))

    async def settled(self) -> None:
        """Wait until nothing is under way."""
        while self.tasks:
            await asyncio.wait(set(self.tasks))

    async def aclose(self) -> None:
        """Cancel all starts and wait until everything has ended; bounded."""
        for task in self._starts:
            task.cancel()
        loop = asyncio.get_running_loop()
        until = loop.time() + CLOSE_SECONDS
        # A start that was past cancelling adds the end of its member.
        while self.tasks and (left := until - loop.time()) > 0:
            await asyncio.wait(set(self.tasks), timeout=left)

    async def _start_one(self) -> None:
        generation, began = self.generation, self._clock()
        try:
            member = await self._start()
        except Exception as error:  # noqa: BLE001  # handed on
            self.starting -= 1
            self._tally.failed_starts += 1
            self.on_failed(_as_hub_error(error))
            return
        now = self._clock()
        self.starting -= 1
        self._tally.started(now - began)
        blank = Blank(member, generation, now, lifespan(self._limits, self._random))
        self.tell("worker.started", blank.life, "", now - began)
        member.when_ended(lambda: self._died(blank.life))
        self.on_started(blank)

    def _start_ended(self, task: "asyncio.Task[None]") -> None:
        self._starts.discard(task)
        if task.cancelled():  # perhaps before it ran at all
            self.starting -= 1

    def _died(self, life: Life[M]) -> None:
        if life not in self.ending:
            life.ended = True
            self.on_died()

    async def _end(self, life: Life[M]) -> None:
        try:
            await life.member.aclose()
        finally:
            del self.ending[life]
            self.on_ended()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


def _as_hub_error(error: Exception) -> HubError:
    if isinstance(error, HubError):
        return error
    crash = InternalError("Starting a worker failed inside the hub.", detail=repr(error))
    crash.__cause__ = error
    return crash
