"""One thread that owns one SQLite connection, and commits what has gathered in one go.

Jobs run in the order they were given, each wholly or not at all: a batch is one transaction, and
a job that fails is undone alone. A caller hears of success only after the commit. No caller waits
longer than `OPERATION_SECONDS`; one that stopped waiting before its job began is passed over.
"""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.sqlite_file import MAX_LOG_PAGES, unavailable
from llm_mcp_hub.state.sqlite_shortcut import SqliteShortcut

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

OPERATION_SECONDS = 10.0
"""Longer than the wait for another process's lock, which therefore gets to say why."""
CLOSE_SECONDS = 5.0
"""What is queued takes milliseconds; a disk that hangs must not hang the shutdown."""
ORPHAN_CHECK_SECONDS = 5.0
"""How often an idle thread looks whether the program ended without closing the store, because
Python waits for every thread before it exits."""
MAX_BATCH = 256
"""Bounds how long the first job of a batch waits for the commit."""

_CLOSED = "The state store is closed; the hub is stopping"


class _Job:
    __slots__ = ("future", "work", "writes")

    def __init__(self, work: Work[Any], writes: bool, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.writes = writes
        self.future = future


class _Checkpoint:
    """Asks the thread to carry the write-ahead log over into the database file."""


_CHECKPOINT = _Checkpoint()

Outcome = tuple[asyncio.Future[Any], Any, BaseException | None]


class SqliteThread:
    """Runs jobs on a connection that it opens when needed and reopens after a failure.

    Args:
        connect: Opens the connection; called in the thread.
        connect_shortcut: Opens the second connection; called in the thread. None: there is none.
        volatile: Whether closing the connection loses the data, so that it is never reopened.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        connect_shortcut: Callable[[], sqlite3.Connection] | None = None,
        *,
        volatile: bool = False,
        deadline: float = OPERATION_SECONDS,
    ) -> None:
        self._connect = connect
        self._connect_shortcut = connect_shortcut
        self._shortcut: SqliteShortcut | None = None
        self._volatile = volatile
        self._deadline = deadline
        self._queue: queue.SimpleQueue[_Job | _Checkpoint | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self._checkpoint_due = False
        self._ended: asyncio.Future[None] | None = None

    @property
    def shortcut(self) -> SqliteShortcut | None:
        """The second connection, once the database has been opened."""
        return None if self._closed else self._shortcut

    def checkpoint(self) -> None:
        """Have the write-ahead log carried over into the database file, some time soon."""
        self._queue.put(_CHECKPOINT)

    async def run(self, work: Work[T], *, writes: bool) -> T:
        """The result of the job, once it is committed.

        Raises:
            StateUnavailable: The database can't be used, or did not answer in time.
        """
        if self._closed:
            raise StateUnavailable(_CLOSED)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="llm-mcp-hub-sqlite")
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        timer = loop.call_later(self._deadline, self._expire, future)
        self._queue.put(_Job(work, writes, future))
        try:
            return await future
        finally:
            timer.cancel()

    async def aclose(self) -> None:
        """Finish what is queued, close the connection, end the thread."""
        self._closed = True
        if self._shortcut is not None:
            self._shortcut.close()
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._ended = asyncio.get_running_loop().create_future()
        self._queue.put(None)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended, CLOSE_SECONDS)
            thread.join()

    def _expire(self, future: asyncio.Future[Any]) -> None:
        if not future.done():
            future.set_exception(
                StateUnavailable(
                    f"The state database did not answer within {self._deadline:g} s; "
                    "check the disk it is on, then try again"
                )
            )

    def _serve(self) -> None:
        open_ended = True
        while open_ended:
            batch, open_ended = self._gather()
            if batch:
                self._deliver(self._execute(batch))
            if self._checkpoint_due:
                self._checkpoint_due = False
                self._checkpoint()
        self._disconnect()
        if self._ended is not None:
            self._deliver([(self._ended, None, None)])

    def _gather(self) -> tuple[list[_Job], bool]:
        try:
            job = self._queue.get(timeout=ORPHAN_CHECK_SECONDS)
        except queue.Empty:
            return [], threading.main_thread().is_alive()
        batch: list[_Job] = []
        with contextlib.suppress(queue.Empty):
            while job is not None:
                if isinstance(job, _Checkpoint):
                    self._checkpoint_due = True
                    return batch, True
                batch.append(job)
                if len(batch) == MAX_BATCH:
                    return batch, True
                job = self._queue.get_nowait()
        return batch, job is not None

    def _execute(self, batch: list[_Job]) -> list[Outcome]:
        try:
            if self._connection is None:
                self._connection = self._connect()
            outcomes = self._transact(self._connection, batch)
            self._open_shortcut()
            return outcomes
        except Exception as error:  # noqa: BLE001  # a thread that dies leaves its callers waiting
            # The transaction is gone, and with it whatever the batch had done.
            self._recover()
            return [(job.future, None, unavailable(error)) for job in batch]

    def _transact(self, connection: sqlite3.Connection, batch: list[_Job]) -> list[Outcome]:
        # A deferred transaction that begins to write can fail half way where two processes
        # write; one that takes the write lock at once only ever waits.
        writes = any(job.writes for job in batch)
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        if len(batch) == 1:
            return self._transact_one(connection, batch[0])
        outcomes: list[Outcome] = []
        for job in batch:
            if job.future.done():
                continue
            connection.execute("SAVEPOINT job")
            try:
                outcomes.append((job.future, job.work(connection), None))
            except sqlite3.Error:
                raise
            except Exception as error:  # noqa: BLE001  # handed to whoever asked for the job
                connection.execute("ROLLBACK TO job")
                outcomes.append((job.future, None, error))
            connection.execute("RELEASE job")
        connection.execute("COMMIT")
        return outcomes

    def _transact_one(self, connection: sqlite3.Connection, job: _Job) -> list[Outcome]:
        # The transaction is the job: it needs no savepoint, which is a fifth of the statements.
        if job.future.done():
            connection.execute("ROLLBACK")
            return []
        try:
            value = job.work(connection)
        except sqlite3.Error:
            raise
        except Exception as error:  # noqa: BLE001  # handed to whoever asked for the job
            connection.execute("ROLLBACK")
            return [(job.future, None, error)]
        connection.execute("COMMIT")
        return [(job.future, value, None)]

    def _open_shortcut(self) -> None:
        if self._connect_shortcut is None or self._closed:
            return
        if self._shortcut is None or self._shortcut.closed:
            # Nobody waits for it: without it all jobs come here.
            with contextlib.suppress(StateUnavailable):
                self._shortcut = SqliteShortcut(self._connect_shortcut())

    def _checkpoint(self) -> None:
        if self._connection is not None:
            # What can't be carried over now is carried over with the next one.
            with contextlib.suppress(sqlite3.Error):
                passive = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                _, pages, _ = passive.fetchone()
                if pages > MAX_LOG_PAGES:
                    self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()

    def _recover(self) -> None:
        if self._volatile:
            if self._connection is not None and self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
        else:
            self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    @staticmethod
    def _deliver(outcomes: list[Outcome]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
        for outcome in outcomes:
            by_loop.setdefault(outcome[0].get_loop(), []).append(outcome)
        for loop, settled in by_loop.items():
            # The loop is closed if nobody waits any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, settled)


def _settle(outcomes: list[Outcome]) -> None:
    for future, value, error in outcomes:
        if future.done():
            continue
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)
