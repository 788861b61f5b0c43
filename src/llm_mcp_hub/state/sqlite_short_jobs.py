"""Jobs that take microseconds: done on the event loop where that is cheaper than a hand-over.

Guarantees: a job is done at once if it comes alone; those that come together are one transaction,
a moment later; what the event loop can't do without waiting is done by the thread, and until it is,
so are those that come after it. So short jobs are done in the order they were given.
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
        """The loop in whose present turn a job was done or put off already."""

    async def run(self, work: Work[T], *, writes: bool) -> T:
        """The result of the job, once it is committed.

        Raises:
            StateUnavailable: The database can't be used, or did not answer in time.
        """
        shortcut = self._thread.shortcut
        if shortcut is None or self._in_thread:
            return await self._hand_over(work, writes)
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Of a loop that was closed, nobody waits any more.
            self._together.clear()
            self._loop = loop
            loop.call_soon(self._turn_over)
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

    def _do(self, shortcut: SqliteShortcut, work: Work[T], writes: bool) -> T:
        value = shortcut.run(work, writes=writes)
        if shortcut.checkpoint_due():
            self._thread.checkpoint()
        return value

    def _turn_over(self) -> None:
        """Do what came together in the turn of the loop that has ended."""
        jobs: list[_Job] = []
        while self._together and len(jobs) < MAX_TOGETHER:
            job = self._together.popleft()
            if not job.future.done():
                jobs.append(job)
        if not jobs:
            self._loop = None
            return
        jobs[0].future.get_loop().call_soon(self._turn_over)
        shortcut = self._thread.shortcut
        if shortcut is None or self._in_thread:
            _refuse(jobs)
            return
        try:
            values = self._do(
                shortcut,
                lambda db: [job.work(db) for job in jobs],
                any(job.writes for job in jobs),
            )
        except Exception:  # noqa: BLE001  # it can't be done here, or one refuses: undoing that one
            # alone is the thread's work.
            _refuse(jobs)
        else:
            for job, value in zip(jobs, values, strict=True):
                job.future.set_result(value)


def _refuse(jobs: list[_Job]) -> None:
    for job in jobs:
        job.future.set_exception(NotHere())
