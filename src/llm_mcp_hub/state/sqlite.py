"""State in one SQLite file, the default: nothing to install, survives restarts.

A call returns after its transaction is committed to the write-ahead log. Several processes may
have the file open. What takes more than microseconds, and whatever has to wait, is done in a
thread, `SqliteThread`; the rest on the event loop, `ShortJobs`.
"""

import sqlite3
from collections.abc import Sequence
from functools import partial

from llm_mcp_hub.domain.journal import Journal, JournalEntry, JournalHead
from llm_mcp_hub.domain.session import (
    Listing,
    Session,
    SessionAppend,
    SessionPage,
    SessionSummary,
)
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.state import sqlite_journals as journals
from llm_mcp_hub.state import sqlite_sessions as sessions
from llm_mcp_hub.state.base import NEWEST_FIRST, Lease, SessionKey
from llm_mcp_hub.state.factory import StoreFactory
from llm_mcp_hub.state.paging import make_page, read_cursor
from llm_mcp_hub.state.recent_sessions import RecentSession, RecentSessions
from llm_mcp_hub.state.sqlite_file import MEMORY, connect, connect_shortcut, read_url
from llm_mcp_hub.state.sqlite_limits import SqliteLimits
from llm_mcp_hub.state.sqlite_listing import page
from llm_mcp_hub.state.sqlite_records import SqliteRecords
from llm_mcp_hub.state.sqlite_short_jobs import ShortJobs
from llm_mcp_hub.state.sqlite_thread import OPERATION_SECONDS, SqliteThread
from llm_mcp_hub.state.sqlite_tokens import SqliteTokens
from llm_mcp_hub.state.sqlite_usage import SqliteUsage

SWEEP_SECONDS = 60.0
"""How often expired sessions are looked for. They are invisible all the same."""
JOURNALS_TOGETHER = 32
"""Entries of journals in one short job: half a millisecond's work, if they are short."""


class SqliteStore(SqliteTokens, SqliteRecords, SqliteUsage, SqliteLimits):
    """All of the hub's state in a file, or in memory for the path `:memory:`."""

    name = "sqlite"

    def __init__(self, path: str, *, deadline: float = OPERATION_SECONDS) -> None:
        self._thread = SqliteThread(
            partial(connect, path),
            None if path == MEMORY else partial(connect_shortcut, path),
            volatile=path == MEMORY,
            deadline=deadline,
        )
        self._short = ShortJobs(self._thread)
        self._recent = RecentSessions()
        self._next_sweep = 0.0
        self._swept = 0

    async def open(self) -> None:
        """Open the file, create what is missing."""
        await self.ping()

    async def ping(self) -> None:
        """Read one value from the file."""
        await self._thread.run(_read_anything, writes=False)

    async def aclose(self) -> None:
        """Finish what is queued and close the file."""
        await self._thread.aclose()

    async def begin(
        self, principal: str, session_id: str, lease: Lease, now: float
    ) -> Session | None:
        """Take the lease on a session and read it."""
        known = self._recent.find(principal, session_id)
        begun = await self._short.run(
            lambda db: sessions.begin(db, principal, session_id, lease, now, known), writes=True
        )
        return self._know(begun, known)

    async def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        """Find the session with the transcript, and lease it."""
        find = self._recent.find
        begun = await self._short.run(
            lambda db: sessions.begin_by_digest(db, principal, digest, lease, now, find),
            writes=True,
        )
        return self._know(begun)

    def _know(
        self, begun: RecentSession | None, known: RecentSession | None = None
    ) -> Session | None:
        if begun is None:
            return None
        if begun is not known:  # otherwise it is new enough once its turn is stored
            self._recent.keep(begun)
        return begun.session

    async def append(
        self,
        principal: str,
        session_id: str,
        lease_id: str,
        change: SessionAppend,
        ttl: float,
        now: float,
    ) -> SessionSummary:
        """Store a turn and give the lease back."""
        known = self._recent.find(principal, session_id)

        def store(db: sqlite3.Connection) -> tuple[SessionSummary, RecentSession | None]:
            done = sessions.append(db, principal, session_id, lease_id, change, ttl, now, known)
            if now >= self._next_sweep:
                self._swept = sessions.sweep(db, now, self._swept)
                if not self._swept:
                    self._next_sweep = now + SWEEP_SECONDS
            return done

        summary, after = await self._short.run(store, writes=True)
        if after is not None:
            self._recent.keep(after)
        else:
            self._recent.forget(principal, session_id)
        return summary

    async def renew(
        self, leases: Sequence[SessionKey], lease: Lease, now: float
    ) -> tuple[SessionKey, ...]:
        """Prolong leases that are held."""
        return await self._thread.run(
            lambda db: sessions.renew(db, leases, lease, now), writes=True
        )

    async def holders(self, keys: Sequence[SessionKey], now: float) -> tuple[str | None, ...]:
        """Which lease is held on each."""
        return await self._thread.run(lambda db: sessions.holders(db, keys, now), writes=False)

    async def release(self, principal: str, session_id: str, lease_id: str) -> None:
        """Give a lease back."""
        await self._short.run(
            lambda db: sessions.release(db, principal, session_id, lease_id), writes=True
        )

    async def get(self, principal: str, session_id: str, now: float) -> Session | None:
        """A session with its messages."""
        return await self._short.run(
            lambda db: sessions.get(db, principal, session_id, now), writes=False
        )

    async def delete(self, principal: str, session_id: str, now: float) -> bool:
        """Forget a session and its lease."""
        self._recent.forget(principal, session_id)
        return await self._thread.run(
            lambda db: sessions.delete(db, principal, session_id, now), writes=True
        )

    async def list_sessions(
        self,
        principal: str | None,
        limit: int,
        cursor: str | None,
        now: float,
        listing: Listing = NEWEST_FIRST,
    ) -> SessionPage:
        """A page of sessions."""
        after = read_cursor(cursor, listing)
        found = await self._thread.run(
            lambda db: page(db, principal, limit + 1, after, now, listing), writes=False
        )
        return make_page(found, limit, listing)

    async def claim_key(
        self, head: JournalHead, alive_until: float, ttl: float, now: float
    ) -> JournalHead | None:
        """Begin a journal under a key that is free."""
        if head.key is None:
            raise ValueError("There is no key in the head to claim.")
        return await self._thread.run(
            lambda db: journals.claim_key(db, head, alive_until, ttl, now), writes=True
        )

    async def write_journals(self, entries: Sequence[JournalEntry], ttl: float, now: float) -> None:
        """Add to journals, a portion at a time: the turns that run meanwhile are not held up."""
        for start in range(0, len(entries), JOURNALS_TOGETHER):
            portion = entries[start : start + JOURNALS_TOGETHER]
            await self._short.run(
                partial(journals.write, entries=portion, ttl=ttl, now=now), writes=True
            )

    async def read_journal(
        self, principal: str, turn_id: str, after: int, now: float, wanted_until: float = 0.0
    ) -> Journal | None:
        """The journal from a chunk on."""
        return await self._thread.run(
            lambda db: journals.read(db, principal, turn_id, after, now, wanted_until),
            writes=wanted_until > 0,
        )

    async def release_key(self, principal: str, key: str, turn_id: str) -> None:
        """Let a key be used anew."""
        await self._thread.run(
            lambda db: journals.release_key(db, principal, key, turn_id), writes=True
        )

    async def delete_journal(self, principal: str, turn_id: str, now: float) -> bool:
        """Forget a journal."""
        return await self._thread.run(
            lambda db: journals.delete(db, principal, turn_id, now), writes=True
        )


def _read_anything(db: sqlite3.Connection) -> None:
    db.execute("SELECT 1 FROM access_tokens").fetchone()


def create_sqlite_store(url: str) -> SqliteStore:
    """The store for a `sqlite://` URL."""
    return SqliteStore(read_url(url))


@hookimpl
def hub_register_stores() -> list[StoreFactory]:
    """`sqlite:///hub.db`."""
    return [StoreFactory(("sqlite",), create_sqlite_store)]
