"""The workers that a provider's conversations share: one that takes new ones, and those before it.

Guarantees: one worker is started and one conversation opened at a time; a worker that is due, was
retired or broke takes no new conversations, and is ended when its last one has left; after `aclose`
none is left.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine

from llm_mcp_hub.errors import (
    HubError,
    LoginRequired,
    ProviderUnavailable,
    WorkerStartFailed,
)
from llm_mcp_hub.providers.rotation import Rotation
from llm_mcp_hub.providers.shared_conversation import SharedConversation
from llm_mcp_hub.providers.shared_dialect import Opened
from llm_mcp_hub.providers.shared_worker import SharedWorker
from llm_mcp_hub.workers.recycling import Lifespan


class SharedWorkers:
    """See the module.

    Args:
        start: Starts a worker and returns it ready, or raises a `HubError`; bounded, and leaves
            nothing behind when it is cancelled.
        rotation: How long one takes new conversations.
        on_lost: Told of a worker that broke off by itself.
        chance: Random numbers from 0 to 1.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[SharedWorker]],
        rotation: Rotation,
        on_lost: Callable[[HubError], None],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._start = start
        self._rotation = rotation
        self._on_lost = on_lost
        self._chance = chance
        self._opening = asyncio.Lock()
        self._all: set[SharedWorker] = set()
        self._current: SharedWorker | None = None
        self._first: SharedConversation | None = None
        self._lifespan = Lifespan()
        self._ends: set[asyncio.Task[None]] = set()

    @property
    def resting(self) -> tuple[SharedWorker, ...]:
        """Those in which no turn runs."""
        return tuple(worker for worker in self._all if not worker.talking)

    async def open(self) -> SharedConversation:
        """Open a conversation in the worker that takes new ones, started if there is none.

        Raises:
            HubError: That was not possible.
        """
        async with self._opening:
            worker = self._current
            if worker is not None and self._usable(worker):
                try:
                    return await self._open_in(worker)
                except WorkerStartFailed:
                    if worker.alive:
                        raise
                    # It broke of somebody else's turn: that says nothing about the next one.
            worker = await self._start()
            self._take_over(worker)
            return await self._open_in(worker)

    async def renew(self) -> Opened:
        """Start a worker, open a conversation in it and, if that works, have it take all new ones.

        Raises:
            HubError: It did not work; the worker that took them goes on to.
        """
        async with self._opening:
            worker = await self._start()
            try:
                conversation, opened = await worker.open()
            except BaseException:
                await worker.aclose()
                raise
            self._take_over(worker)
            self._first = conversation
            return opened

    def retire(self) -> None:
        """Open no more conversations in any worker but one that was proved and not used since."""
        unused = self._current if self._first is not None else None
        for worker in self._all - {unused}:
            worker.retire()

    async def aclose(self) -> None:
        """End all workers; bounded."""
        self._current = None
        for worker in list(self._all):
            self._end(worker)
        while self._ends:
            await asyncio.wait(set(self._ends))

    def _usable(self, worker: SharedWorker) -> bool:
        age = asyncio.get_running_loop().time() - worker.started_at
        over = self._lifespan.over(worker.opened, age, worker.rss_bytes)
        return worker.alive and not worker.retired and over is None

    def _take_over(self, worker: SharedWorker) -> None:
        before, self._current = self._current, worker
        self._drop_first()
        self._lifespan = self._rotation.lifespan(self._chance)
        self._all.add(worker)
        worker.on_idle = self._end
        worker.supervise(self._on_lost)
        if before is not None:
            before.retire()

    async def _open_in(self, worker: SharedWorker) -> SharedConversation:
        first, self._first = self._first, None
        if first is not None and first.alive:
            return first
        try:
            conversation, _ = await worker.open()
        except (LoginRequired, ProviderUnavailable, WorkerStartFailed):
            # It would say the same the next time; another one may have better luck.
            self._current = None
            worker.retire()
            raise
        return conversation

    def _drop_first(self) -> None:
        first, self._first = self._first, None
        if first is not None:
            self._spawn(first.aclose())

    def _end(self, worker: SharedWorker) -> None:
        if worker in self._all:
            self._all.discard(worker)
            self._spawn(worker.aclose())

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._ends.add(task)
        task.add_done_callback(self._ends.discard)
