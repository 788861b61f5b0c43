"""Jobs that take microseconds: done on the event loop where that is cheaper than a hand-over.

Guarantees: a job is done at once if it comes alone; those that come together are one transaction,
a moment later; what the event loop can't do without waiting is done by the thread, and those that
come after it wait for that, up to `HELD_SECONDS`, before they are done here, or by the thread as
well. So short jobs are done in the order they were given. They wait, rather than follow at once,
for a busy loop that kept giving the thread more would leave it hardly any processor to do it with.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from llm_mcp_hub.state.sqlite_shortcut import NotHere, SqliteShortcut
from llm_mcp_hub.state.sqlite_thread import SqliteThread

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

MAX_TOGETHER = 32
"""Holds the event loop up for some two milliseconds; what is left is done after whatever waits."""

HELD_SECONDS = 0.25
"""Longer than the thread needs for what it usually has to wait for: a log that is begun anew."""


class _Job:
    __slots__ = ("future", "work", "writes")

    def __init__(self, work: Work[Any], writes: bool, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.writes = writes
        self.future = future


class ShortJobs:
    """See the module. Every job may be begun a second time, and takes microseconds."""

    def __init__(self, thread: SqliteThread) -> None:
        self._thread = thread
        self._in_thread = 0
        self._together: deque[_Job] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop in whose present turn a job was done or put off already. As long as it is set,
        one call of `_turn_over` is under way, or `_held` runs, after which `_go_on` or
        `_give_up_waiting` sends one on its way.
        """
        self._held: asyncio.TimerHandle | None = None
        """Runs while what is in `_together` waits for the thread."""

    async def run(self, work: Work[T], *, writes: bool) -> T:
        """The result of the job, once it is committed.

        Raises:
            StateUnavailable: The database can't be used, or did not answer in time.
        """
        shortcut = self._thread.shortcut
        if shortcut is None:
            return await self._hand_over(work, writes)
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Of a loop that was closed, nobody waits any more.
            self._together.clear()
            self._held = None
            self._loop = loop
            loop.call_soon(self._turn_over)
            if not self._in_thread:
                try:
                    return self._do(shortcut, work, writes)
                except NotHere:
                    return await self._hand_over(work, writes)
        future: asyncio.Future[T] = loop.create_future()
        self._together.append(_Job(work, writes, future))
        try:
            return await future
        except NotHere:
            return await self._hand_over(work, writes)

    async def _hand_over(self, work: Work[T], writes: bool) -> T:
        self._in_thread += 1
        try:
            return await self._thread.run(work, writes=writes)
        finally:
            self._in_thread -= 1
            if not self._in_thread:
                self._go_on()

    def _do(self, shortcut: SqliteShortcut, work: Work[T], writes: bool) -> T:
        value = shortcut.run(work, writes=writes)
        if shortcut.checkpoint_due():
            self._thread.checkpoint()
        return value

    def _turn_over(self) -> None:
        """Do what came together in the turn of the loop that has ended."""
        if not self._together:
            self._loop = None
            return
        if self._in_thread and self._thread.shortcut is not None:
            if self._held is None and self._loop is not None:
                self._held = self._loop.call_later(HELD_SECONDS, self._give_up_waiting)
            return
        jobs: list[_Job] = []
        while self._together and len(jobs) < MAX_TOGETHER:
            job = self._together.popleft()
            if not job.future.done():
                jobs.append(job)
        if jobs and not self._done(jobs):
            # Undoing the one that refuses, or waiting, is the thread's work.
            _refuse(jobs)
        if self._loop is not None:
            # After those that were refused have been handed over.
            self._loop.call_soon(self._turn_over)

    def _done(self, jobs: list[_Job]) -> bool:
        shortcut = self._thread.shortcut
        if shortcut is None:
            return False
        try:
            values = self._do(
                shortcut,
                lambda db: [job.work(db) for job in jobs],
                any(job.writes for job in jobs),
            )
        except Exception:  # noqa: BLE001  # it can't be done here, or one refuses
            return False
        for job, value in zip(jobs, values, strict=True):
            job.future.set_result(value)
        return True

    def _go_on(self) -> None:
        """The thread is through with all it was given."""
        held, self._held = self._held, None
        if held is not None and self._loop is not None and not self._loop.is_closed():
            held.cancel()
            self._loop.call_soon(self._turn_over)

    def _give_up_waiting(self) -> None:
        """The thread has something that takes long: what waits for it goes there, too."""
        self._held = None
        _refuse([job for job in self._together if not job.future.done()])
        self._together.clear()
        if self._loop is not None:
            self._loop.call_soon(self._turn_over)


def _refuse(jobs: list[_Job]) -> None:
    for job in jobs:
        job.future.set_exception(NotHere())
