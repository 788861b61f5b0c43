"""Short jobs done where they are asked for: handing one to a thread costs more than the job does.

Guarantees: a job is done here wholly, or not at all and then by the thread; the event loop waits
for nobody's lock and for no `fsync`; a disk that makes a job slow gets no further ones for a while,
each time for longer, so it holds the loop up now and then, not all the time.
"""

import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

SLOW_SECONDS = 0.02
"""A job that took longer than this has waited for the disk; they take some 50 microseconds."""
REST_SECONDS = 1.0
"""For so long the thread does everything after a slow job: a second only, for it may have been the
processor that was busy. Each further slow job doubles it."""
REST_MOST_SECONDS = 30.0
FORGET_SECONDS = 60.0
"""So long after a slow job the next one counts as the first again."""
CHECKPOINT_WRITES = 250
"""So many transactions are about as many pages of write-ahead log as SQLite's own default."""


class NotHere(Exception):
    """The job was not done; the thread has to do it."""


class SqliteShortcut:
    """A connection of the event loop's own to the database that `SqliteThread` has open, too.

    Args:
        connection: One that waits for no lock and makes no checkpoint by itself, and that may be
            used in another thread than the one that opened it.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._rest_until = 0.0
        self._rest_seconds = REST_SECONDS
        self._writes = 0

    @property
    def closed(self) -> bool:
        """Whether it does no more jobs."""
        return self._connection is None

    def run(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        """The result of the job, committed.

        Raises:
            NotHere: Somebody else writes, the database has a problem, or the disk is slow.
            Exception: What the job raises, if that is no problem of the database's.
        """
        started = time.monotonic()
        db = self._connection
        if db is None or started < self._rest_until:
            raise NotHere
        try:
            db.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            value = work(db)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if not self._undo(db) or not _is_busy(error):
                self.close()
            raise NotHere from None
        except BaseException:
            if not self._undo(db):
                self.close()
            raise
        if writes:
            self._writes += 1
        ended = time.monotonic()
        if ended - started > SLOW_SECONDS:
            self._rest(ended)
        return value

    def checkpoint_due(self) -> bool:
        """Whether so much was written that the log should be carried over; once each time."""
        if self._writes < CHECKPOINT_WRITES:
            return False
        self._writes = 0
        return True

    def close(self) -> None:
        """Do no more jobs."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _rest(self, now: float) -> None:
        if now - self._rest_until > FORGET_SECONDS:
            self._rest_seconds = REST_SECONDS
        self._rest_until = now + self._rest_seconds
        self._rest_seconds = min(2 * self._rest_seconds, REST_MOST_SECONDS)

    def _undo(self, db: sqlite3.Connection) -> bool:
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
        except sqlite3.Error:
            return False
        return True


def _is_busy(error: Any) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }
