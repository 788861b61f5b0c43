"""A bounded set of interchangeable members, each claimed by one conversation.

Guarantees: a member that has been claimed is never handed to anyone but the holder of the key it
was parked under, and a key is held once; there are never more than `max_workers` members, starting
ones included; those who wait are served in order, are at most `max_queue`, and wait at most
`queue_seconds`; a start that fails fails one waiter, not the pool; after `aclose` no member is
left.

The pool does not know what its members are: it is given a function that starts one, ready to use.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, Protocol, TypeVar

from msgspec import Struct

from llm_mcp_hub.domain.status import PoolFigures
from llm_mcp_hub.errors import Draining, HubError, QueueFull, QueueTimeout

CLOSE_SECONDS = 10.0
"""How long `Pool.aclose` waits for members to end."""


class Member(Protocol):
    """What the pool needs of a member."""

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        ...

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once it can no longer be used."""
        ...

    async def aclose(self) -> None:
        """End it; bounded."""
        ...


class PoolLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of a pool.

    Attributes:
        min_spare: So many members are started ahead and wait unclaimed.
        max_workers: Members in all: unclaimed, claimed, parked and starting.
        max_queue: Requests that may wait for a member; one more is refused.
        queue_seconds: How long a request may wait.
        park_seconds: How long a conversation's member is kept for its next turn.
    """

    min_spare: int = 1
    max_workers: int = 6
    max_queue: int = 64
    queue_seconds: float = 60.0
    park_seconds: float = 900.0


M = TypeVar("M", bound=Member)


class Lease(Generic[M]):
    """One conversation's hold on a member. End it with `park` or `discard`, once."""

    __slots__ = ("_pool", "continued", "member")

    def __init__(self, pool: "Pool[M]", member: M, *, continued: bool) -> None:
        self._pool: Pool[M] | None = pool
        self.member = member
        self.continued = continued

    def park(self, key: Hashable) -> None:
        """Keep the member for whoever claims `key` next."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool._park(self.member, key)

    def discard(self) -> None:
        """End the member; nobody else will get it. Does not wait: the pool sees to it."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool._claimed -= 1
            pool._retire(self.member)


class Pool(Generic[M]):
    """See the module.

    Args:
        start: Starts a member and returns it ready, or raises a `HubError`.
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
        self._parked: OrderedDict[Hashable, tuple[M, asyncio.TimerHandle]] = OrderedDict()
        self._waiters: deque[asyncio.Future[Lease[M]]] = deque()
        self._claimed = 0
        self._starting = 0
        self._ending = 0
        self._served = 0
        self._refused = 0
        self._closed = False
        self._refill = True
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def figures(self) -> PoolFigures:
        """How the pool is doing now."""
        return PoolFigures(
            blank=len(self._blanks),
            starting=self._starting,
            claimed=self._claimed,
            parked=len(self._parked),
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

    async def claim(self, key: Hashable | None) -> Lease[M]:
        """Take the member parked under `key`, or else one that nobody has used.

        Raises:
            QueueFull: Too many wait already.
            QueueTimeout: None became free in time.
            Draining: The pool is closing.
            HubError: None could be started.
        """
        if self._closed:
            raise Draining("The hub is shutting down; send the request to it again later.")
        if key is not None and (lease := self._unpark(key)) is not None:
            return lease
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
        """Refuse new claims, fail those who wait, end every member that is not claimed.

        Claimed members end when their lease does.
        """
        self._closed = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Draining("The hub is shutting down; try again later."))
        for member, timer in self._parked.values():
            timer.cancel()
            self._retire(member)
        self._parked.clear()
        while self._blanks:
            self._retire(self._blanks.popleft())
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=CLOSE_SECONDS)

    async def _queue(self) -> Lease[M]:
        waiter: asyncio.Future[Lease[M]] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._serve()
        try:
            async with asyncio.timeout(self._limits.queue_seconds):
                return await waiter
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

    def _give_back(self, lease: Lease[M]) -> None:
        """Nobody has used the lease: its member is as blank as before."""
        self._claimed -= 1
        self._served -= 1
        if self._closed:
            self._retire(lease.member)
        else:
            self._blanks.appendleft(lease.member)
            self._serve()

    def _wait_guess(self) -> float:
        return max(1.0, float(len(self._waiters)) / max(1, self._limits.max_workers))

    def _lease(self, member: M, *, continued: bool = False) -> Lease[M]:
        self._claimed += 1
        self._served += 1
        return Lease(self, member, continued=continued)

    def _unpark(self, key: Hashable) -> Lease[M] | None:
        entry = self._parked.pop(key, None)
        if entry is None:
            return None
        member, timer = entry
        timer.cancel()
        if not member.alive:
            self._retire(member)
            return None
        return self._lease(member, continued=True)

    def _take_blank(self) -> M | None:
        while self._blanks:
            member = self._blanks.popleft()
            if member.alive:
                return member
            self._retire(member)
        return None

    def _park(self, member: M, key: Hashable) -> None:
        self._claimed -= 1
        if self._closed or not member.alive:
            self._retire(member)
            return
        if key in self._parked:
            self._evict(key)
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._limits.park_seconds, self._evict, key)
        self._parked[key] = (member, timer)
        if self._waiters:
            self._serve()

    def _evict(self, key: Hashable) -> None:
        entry = self._parked.pop(key, None)
        if entry is not None:
            entry[1].cancel()
            self._retire(entry[0])

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
            wanted = self._starting + self._ending < len(self._waiters)
            total = len(self._blanks) + self._starting + self._claimed + len(self._parked)
            if total + self._ending >= self._limits.max_workers:
                if wanted and self._parked:
                    self._evict(next(iter(self._parked)))
                return
            self._starting += 1
            self._spawn(self._start_one())

    async def _start_one(self) -> None:
        try:
            member = await self._start()
        except HubError as error:
            self._starting -= 1
            self._refill = False
            self._on_start_failed(error)
            self._fail_one(error)
            return
        except BaseException:
            self._starting -= 1
            raise
        self._starting -= 1
        if self._closed:
            self._retire(member)
            return
        member.when_ended(self._member_ended)
        self._blanks.append(member)
        self._serve()

    def _fail_one(self, error: HubError) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(error)
                break
        self._serve()

    def _member_ended(self) -> None:
        for member in [member for member in self._blanks if not member.alive]:
            # Started again with the next claim: a program that ends by itself must not loop.
            self._refill = False
            self._blanks.remove(member)
            self._retire(member)
        for key in [key for key, (member, _) in self._parked.items() if not member.alive]:
            self._evict(key)

    def _retire(self, member: M) -> None:
        self._ending += 1
        self._spawn(self._end(member))

    async def _end(self, member: M) -> None:
        try:
            await member.aclose()
        finally:
            self._ending -= 1
            if not self._closed:
                self._serve()

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        assert isinstance(task, asyncio.Task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
