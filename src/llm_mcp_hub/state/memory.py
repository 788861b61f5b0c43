"""State in this process's memory: gone when the process ends, shared with nobody.

No method waits for anything, so each is one step for everybody else on the event loop.
"""

import heapq
from collections.abc import Sequence
from operator import gt, itemgetter, lt
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.access import AccessToken
from llm_mcp_hub.domain.session import (
    Listing,
    Session,
    SessionAppend,
    SessionPage,
    SessionSummary,
    StoredMessage,
    matches,
)
from llm_mcp_hub.domain.transcript import EMPTY
from llm_mcp_hub.errors import ConfigError, NameTaken
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.state.base import NEWEST_FIRST, Lease, SessionKey
from llm_mcp_hub.state.change import busy, changed, fits, moved_on
from llm_mcp_hub.state.factory import StoreFactory
from llm_mcp_hub.state.memory_journals import MemoryJournals
from llm_mcp_hub.state.memory_records import MemoryRecords
from llm_mcp_hub.state.paging import make_page, position, read_cursor


class _Entry(Struct):
    """What is known about one key: a session, a lease on it, or both."""

    session: Session | None = None
    lease_id: str = ""
    lease_until: float = 0.0

    def alive(self, now: float) -> Session | None:
        session = self.session
        return session if session is not None and session.summary.expires_at > now else None

    def held_by_another(self, lease_id: str, now: float) -> bool:
        return self.lease_until > now and self.lease_id != lease_id

    def take(self, lease: Lease, now: float) -> Session | None:
        self.lease_id = lease.id
        self.lease_until = now + lease.seconds
        session = self.alive(now)
        if session is None or session.summary.expires_at >= self.lease_until:
            return session
        summary = msgspec.structs.replace(session.summary, expires_at=self.lease_until)
        self.session = Session(summary, session.messages)
        return self.session

    def drop_lease(self) -> None:
        self.lease_id = ""
        self.lease_until = 0.0


class MemoryStore(MemoryJournals, MemoryRecords):
    """The reference for the other stores, and enough for a hub that may forget."""

    name = "memory"

    def __init__(self) -> None:
        super().__init__()
        self._entries: dict[SessionKey, _Entry] = {}
        self._by_digest: dict[tuple[str, str], set[str]] = {}
        self._ends: list[tuple[float, SessionKey]] = []
        self._tokens: dict[str, AccessToken] = {}

    async def open(self) -> None:
        """Nothing to connect to."""

    async def ping(self) -> None:
        """Always answers."""

    async def aclose(self) -> None:
        """Nothing to let go of."""

    async def begin(
        self, principal: str, session_id: str, lease: Lease, now: float
    ) -> Session | None:
        """Take the lease on a session and read it."""
        key = (principal, session_id)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
        elif entry.held_by_another(lease.id, now):
            raise busy(session_id)
        return self._take(key, entry, lease, now)

    async def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        """Find the session with the transcript, and lease it."""
        latest: Session | None = None
        for session_id in self._by_digest.get((principal, digest), ()):
            session = self._entries[principal, session_id].alive(now)
            if session is not None and (
                latest is None or position(session.summary) > position(latest.summary)
            ):
                latest = session
        if latest is None:
            return None
        key = (principal, latest.summary.id)
        entry = self._entries[key]
        if entry.held_by_another(lease.id, now):
            return None
        return self._take(key, entry, lease, now)

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
        key = (principal, session_id)
        entry = self._entries.get(key) or _Entry()
        session = entry.alive(now)
        stored = session.summary if session is not None else None
        if entry.held_by_another(lease_id, now) or not fits(change, stored):
            raise moved_on(session_id)
        kept: tuple[StoredMessage, ...] = ()
        if session is not None:
            kept = session.messages[: change.keep]
        summary = changed(
            principal, session_id, change, stored, kept[-1].digest if kept else EMPTY, now, ttl
        )
        self._forget(key)
        self._entries[key] = _Entry(Session(summary, kept + change.messages))
        self._by_digest.setdefault((principal, summary.digest), set()).add(session_id)
        heapq.heappush(self._ends, (summary.expires_at, key))
        self._sweep(now)
        return summary

    async def renew(
        self, leases: Sequence[SessionKey], lease: Lease, now: float
    ) -> tuple[SessionKey, ...]:
        """Prolong leases that are held."""
        held = []
        for key in leases:
            entry = self._entries.get(key)
            if entry is not None and entry.lease_id == lease.id and entry.lease_until > now:
                self._take(key, entry, lease, now)
                held.append(key)
        return tuple(held)

    async def holders(self, keys: Sequence[SessionKey], now: float) -> tuple[str | None, ...]:
        """Which lease is held on each."""
        entries = [self._entries.get(key) for key in keys]
        return tuple(
            [
                each.lease_id if each is not None and each.lease_until > now else None
                for each in entries
            ]
        )

    async def release(self, principal: str, session_id: str, lease_id: str) -> None:
        """Give a lease back."""
        entry = self._entries.get((principal, session_id))
        if entry is not None and entry.lease_id == lease_id:
            entry.drop_lease()

    async def get(self, principal: str, session_id: str, now: float) -> Session | None:
        """A session with its messages."""
        entry = self._entries.get((principal, session_id))
        return entry.alive(now) if entry is not None else None

    async def delete(self, principal: str, session_id: str, now: float) -> bool:
        """Forget a session and its lease."""
        entry = self._entries.get((principal, session_id))
        if entry is None:
            return False
        existed = entry.alive(now) is not None
        self._forget((principal, session_id))
        return existed

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
        first, is_after = (heapq.nsmallest, gt) if listing.ascending else (heapq.nlargest, lt)
        found = (
            (position(session.summary, listing.sort), session.summary)
            for key, entry in self._entries.items()
            if (principal is None or key[0] == principal)
            and (session := entry.alive(now)) is not None
            and (not listing.words or matches(session.summary, listing.words))
        )
        later = found if after is None else (one for one in found if is_after(one[0], after))
        page = [summary for _, summary in first(limit + 1, later, key=itemgetter(0))]
        return make_page(page, limit, listing)

    async def add_token(self, token: AccessToken) -> None:
        """Store a new access token."""
        if token.id in self._tokens or any(
            token.name == other.name for other in self._tokens.values()
        ):
            raise NameTaken(
                f"An access token named {token.name!r} exists; choose another name, "
                "or delete that one first",
                param="name",
            )
        self._tokens[token.id] = token

    async def get_token(self, token_id: str) -> AccessToken | None:
        """The access token of that id."""
        return self._tokens.get(token_id)

    async def list_tokens(self) -> tuple[AccessToken, ...]:
        """All access tokens, by name."""
        return tuple(sorted(self._tokens.values(), key=lambda token: token.name))

    async def delete_token(self, name: str) -> bool:
        """Forget an access token."""
        for token in self._tokens.values():
            if token.name == name:
                del self._tokens[token.id]
                return True
        return False

    def _take(self, key: SessionKey, entry: _Entry, lease: Lease, now: float) -> Session | None:
        session = entry.take(lease, now)
        heapq.heappush(self._ends, (entry.lease_until, key))
        self._sweep(now)
        return session

    def _forget(self, key: SessionKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is None or entry.session is None:
            return
        where = (key[0], entry.session.summary.digest)
        ids = self._by_digest[where]
        ids.discard(key[1])
        if not ids:
            del self._by_digest[where]

    def _sweep(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, key = heapq.heappop(self._ends)
            entry = self._entries.get(key)
            # An end may have been moved since it was noted; a later note of it exists then.
            if entry is not None and entry.lease_until <= now and entry.alive(now) is None:
                self._forget(key)


def create_memory_store(url: str) -> MemoryStore:
    """The store for `memory://`."""
    parts = urlsplit(url)
    if parts.netloc or parts.path or parts.query or parts.fragment:
        raise ConfigError("state: write `memory://` with nothing after it", param="state")
    return MemoryStore()


@hookimpl
def hub_register_stores() -> list[StoreFactory]:
    """`memory://`."""
    return [StoreFactory(("memory",), create_memory_store)]
