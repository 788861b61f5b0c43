"""A bounded set of interchangeable members, each claimed by one conversation.

Guarantees: a member that has been claimed is never handed to anyone but the holder of the key it
was parked under, where members under one key are in the same state; there are never more than
`max_workers` members, starting and ending ones included; those who wait are served in order, are
at most `max_queue`, and wait at most `queue_seconds`; a start that fails fails at most one waiter,
not the pool; after `aclose` no member is left, claimed ones included.

The pool does not know what its members are: it is given a function that starts one, ready to use.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Generic

from llm_mcp_hub.domain.status import PoolFigures
from llm_mcp_hub.errors import Draining, HubError, InternalError, QueueFull, QueueTimeout
from llm_mcp_hub.workers.lease import Lease
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.parking import M, Member, Parking

__all__ = ["Lease", "Member", "Pool", "PoolLimits"]

CLOSE_SECONDS = 10.0
"""How long `Pool.aclose` waits for members to end."""


class Pool(Generic[M]):
    """See the module.

    Args:
        start: Starts a member and returns it ready, or raises a `HubError`; bounded, and leaves
            nothing behind when it is cancelled.
        limits: Sizes.
        on_start_failed: Told of every start that failed.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[M]],
        limits: PoolLimits,
        on_start_failed: Callable[[HubError], None] = lambda _: None,
    ) -> None:
        self._start = start
        self._limits = limits
        self._on_start_failed = on_start_failed
        self._blanks: deque[M] = deque()
        self._parking: Parking[M] = Parking(limits.park_seconds, self._retire)
        self._waiters: deque[asyncio.Future[Lease[M]]] = deque()
        self._leases: set[Lease[M]] = set()
        self._starting = 0
        self._ending = 0
        self._served = 0
        self._refused = 0
        self._generation = 0
        self._closed = False
        self._refill = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._starts: set[asyncio.Task[None]] = set()

    @property
    def figures(self) -> PoolFigures:
        """How the pool is doing now."""
        return PoolFigures(
            blank=len(self._blanks),
            starting=self._starting,
            ending=self._ending,
            claimed=len(self._leases),
            parked=len(self._parking),
            queued=len(self._waiters),
            max_workers=self._limits.max_workers,
            max_queue=self._limits.max_queue,
            served=self._served,
            refused=self._refused,
        )

    def warm(self) -> None:
        """Start spare members in the background."""
        self._refill = True
        self._serve()

    def renew(self) -> None:
        """Have no member used for another turn that has been started so far.

        For when what they were started from has changed. Those that are claimed end with their
        lease. Spare ones are not started before the next claim or `warm`.
        """
        self._generation += 1
        self._refill = False
        self._parking.clear()
        while self._blanks:
            self._retire(self._blanks.popleft())

    async def claim(self, key: Hashable | None) -> Lease[M]:
        """Take the member parked under `key`, or else one that nobody has used.

        Raises:
            QueueFull: Too many wait already.
            QueueTimeout: None became free in time.
            Draining: The pool is closing.
            HubError: None could be started.
        """
        if self._closed:
            raise self._draining()
        if key is not None and (parked := self._parking.take(key)) is not None:
            return self._lease(parked, continued=True)
        self._refill = True
        if not self._waiters and (member := self._take_blank()) is not None:
            lease = self._lease(member)
            self._serve()
            return lease
        if len(self._waiters) >= self._limits.max_queue:
            self._refused += 1
            raise QueueFull(
                f"All workers of this provider are busy and {len(self._waiters)} requests wait "
                "already. Try again later, or raise `max_queue` or `max_workers`.",
                retry_after=self._wait_guess(),
            )
        return await self._queue()

    async def aclose(self) -> None:
        """Refuse new claims, fail those who wait, end every member; bounded."""
        self._closed = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(self._draining())
        self._parking.clear()
        while self._blanks:
            self._retire(self._blanks.popleft())
        while self._leases:
            self._retire(self._leases.pop().member)
        for task in self._starts:
            task.cancel()
        loop = asyncio.get_running_loop()
        until = loop.time() + CLOSE_SECONDS
        # A start that was past cancelling adds the end of its member.
        while self._tasks and (left := until - loop.time()) > 0:
            await asyncio.wait(set(self._tasks), timeout=left)

    async def _queue(self) -> Lease[M]:
        waiter: asyncio.Future[Lease[M]] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._serve()
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                lease = await waiter
        except BaseException as error:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_back(waiter.result())
            if isinstance(error, TimeoutError):
                self._refused += 1
                raise QueueTimeout(
                    "No worker of this provider became free within "
                    f"{self._limits.queue_seconds:g} s. Try again later, or raise `max_workers`.",
                    retry_after=self._wait_guess(),
                ) from None
            raise
        if self._closed:
            raise self._draining()
        return lease

    def _give_back(self, lease: Lease[M]) -> None:
        """Nobody has used the lease: its member is as blank as before."""
        if lease not in self._leases:
            return
        self._leases.remove(lease)
        self._served -= 1
        if lease.member.alive and lease.generation == self._generation:
            self._blanks.appendleft(lease.member)
            self._serve()
        else:
            self._retire(lease.member)

    def _draining(self) -> Draining:
        return Draining("The hub is shutting down; send the request to it again later.")

    def _wait_guess(self) -> float:
        return max(1.0, float(len(self._waiters)) / max(1, self._limits.max_workers))

    def _lease(self, member: M, *, continued: bool = False) -> Lease[M]:
        self._served += 1
        lease = Lease(member, self._released, continued=continued, generation=self._generation)
        self._leases.add(lease)
        return lease

    def _released(self, lease: Lease[M], key: Hashable | None) -> None:
        if lease not in self._leases:
            return  # `aclose` has ended it
        self._leases.remove(lease)
        current = lease.generation == self._generation and lease.member.alive
        if key is None or not current:
            self._retire(lease.member)
            return
        self._parking.put(key, lease.member)
        if self._waiters:
            self._serve()

    def _take_blank(self) -> M | None:
        while self._blanks:
            member = self._blanks.popleft()
            if member.alive:
                return member
            self._retire(member)
        return None

    def _total(self) -> int:
        held = len(self._blanks) + len(self._leases) + len(self._parking)
        return held + self._starting + self._ending

    def _serve(self) -> None:
        """Give blanks to those who wait, and start as many members as are needed and allowed."""
        while self._waiters and (member := self._take_blank()) is not None:
            waiter = self._waiters.popleft()
            if waiter.done():
                self._blanks.appendleft(member)
            else:
                waiter.set_result(self._lease(member))
        spare = self._limits.min_spare if self._refill else 0
        while not self._closed and self._starting + len(self._blanks) < len(self._waiters) + spare:
            if self._total() >= self._limits.max_workers:
                # A parked member is worth less than a spare, on which its conversation can be
                # rebuilt; but spares that took more than half would leave no room to park.
                worth = len(self._waiters) + min(spare, self._limits.max_workers // 2)
                if len(self._blanks) + self._starting + self._ending < worth:
                    self._parking.evict_oldest()
                return
            self._starting += 1
            task = self._spawn(self._start_one())
            self._starts.add(task)
            task.add_done_callback(self._start_ended)

    def _start_ended(self, task: "asyncio.Task[None]") -> None:
        self._starts.discard(task)
        if task.cancelled():  # perhaps before it ran at all
            self._starting -= 1

    async def _start_one(self) -> None:
        generation = self._generation
        try:
            member = await self._start()
        except Exception as error:  # noqa: BLE001  # handed to a waiter and `on_start_failed`
            self._starting -= 1
            self._start_failed(error)
            return
        self._starting -= 1
        if self._closed or generation != self._generation:
            self._retire(member)
            return
        member.when_ended(self._member_ended)
        self._blanks.append(member)
        self._serve()

    def _start_failed(self, error: Exception) -> None:
        if not isinstance(error, HubError):
            crash = InternalError("Starting a worker failed inside the hub.", detail=repr(error))
            crash.__cause__ = error
            error = crash
        self._refill = False
        # One more start that is under way, for a spare, serves the waiter as well.
        while self._waiters and len(self._waiters) > self._starting:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                break
        self._serve()
        self._on_start_failed(error)

    def _member_ended(self) -> None:
        for member in [member for member in self._blanks if not member.alive]:
            # Started again with the next claim: a program that ends by itself must not loop.
            self._refill = False
            self._blanks.remove(member)
            self._retire(member)
        self._parking.evict_dead()

    def _retire(self, member: M) -> None:
        self._ending += 1
        self._spawn(self._end(member))

    async def _end(self, member: M) -> None:
        try:
            await member.aclose()
        finally:
            self._ending -= 1
            self._serve()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
