"""What a store promises. `llm_mcp_hub.testing.check_store` holds every store to it.

A session belongs to a principal: two principals may use the same session id, and no call made
for one ever reads, changes or reveals a session of the other.

Time is given by the caller (`now`, Unix seconds), so a store has no clock of its own: a session
whose `expires_at` is not after `now` does not exist for any call, and neither does a lease.
A store may drop what has expired whenever it likes.

A session does not expire under a running turn: taking or renewing a lease moves `expires_at` to
the end of the lease if that is later.

Every method raises `StateUnavailable` when the store can't be reached or does not answer within
its deadline. None of them leaves anything half done.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from llm_mcp_hub.domain.access import AccessToken
from llm_mcp_hub.domain.journal import Journal, JournalEntry, JournalHead
from llm_mcp_hub.domain.session import (
    Listing,
    Session,
    SessionAppend,
    SessionPage,
    SessionSummary,
)
from llm_mcp_hub.state.base_limits import LimitStore
from llm_mcp_hub.state.base_usage import UsageStore
from llm_mcp_hub.state.records import RecordStore

NEWEST_FIRST = Listing()

SessionKey = tuple[str, str]
"""Principal and session id."""


class Lease(Struct, frozen=True):
    """The right to run a turn on a session, held by one turn at a time.

    Attributes:
        id: The turn's id.
        seconds: The lease ends so long after it was taken or last renewed, so that a hub that
            dies does not block its sessions.
    """

    id: str
    seconds: float


class SessionStore(Protocol):
    """Sessions with a revision, a lease and a sliding end of life."""

    async def begin(
        self, principal: str, session_id: str, lease: Lease, now: float
    ) -> Session | None:
        """Take the lease on a session and read it, in one step.

        Returns the session, or None if there is none of that id yet; the lease is held in both
        cases. Taking a lease that the same id already holds is taking it again.

        Raises:
            SessionBusy: Another lease is held. Nothing has changed.
        """
        ...

    async def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        """Find the principal's session whose whole transcript has the digest, and lease it.

        Returns None, and holds no lease, if there is none or it is busy. Of several, the one
        updated last is meant.
        """
        ...

    async def append(
        self,
        principal: str,
        session_id: str,
        lease_id: str,
        change: SessionAppend,
        ttl: float,
        now: float,
    ) -> SessionSummary:
        """Store a turn and give the lease back, in one step.

        The session is created when `change.expected_revision` is 0. `expires_at` becomes
        `now + ttl`. A lease that has meanwhile passed does not hinder this as long as the
        revision is as expected and nobody else holds one.

        Raises:
            SessionChanged: The revision or `created_at` is another one, the session was
                deleted, or somebody else holds the lease. Nothing has changed; the caller's
                own lease is still held.
        """
        ...

    async def renew(
        self, leases: Sequence[SessionKey], lease: Lease, now: float
    ) -> tuple[SessionKey, ...]:
        """Prolong the lease `lease.id` on one or more sessions; returns those it is held on.

        One that is no longer held by that id is left alone.
        """
        ...

    async def holders(self, keys: Sequence[SessionKey], now: float) -> tuple[str | None, ...]:
        """Which lease is held on each of some sessions, whether they exist yet or not."""
        ...

    async def release(self, principal: str, session_id: str, lease_id: str) -> None:
        """Give a lease back without storing anything. Not an error if it is not held."""
        ...

    async def get(self, principal: str, session_id: str, now: float) -> Session | None:
        """A session with its messages. Reading does not prolong its life."""
        ...

    async def delete(self, principal: str, session_id: str, now: float) -> bool:
        """Forget a session and its lease. False if there was no session.

        The id can be begun anew at once; a turn that still runs on it gets `SessionChanged` if
        it appends with `expected_created_at`.
        """
        ...

    async def list_sessions(
        self,
        principal: str | None,
        limit: int,
        cursor: str | None,
        now: float,
        listing: Listing = NEWEST_FIRST,
    ) -> SessionPage:
        """A page of at most `limit` (at least 1) of a principal's sessions, in the given order.

        Of everybody's if `principal` is None. Equals are ordered by principal and id, in the same
        direction. A session that is not touched while the pages are read is listed exactly once.

        Raises:
            InvalidRequest: The cursor was not made by this method for the same order.
        """
        ...


class AccessTokenStore(Protocol):
    """The hub's own access tokens, without their secrets."""

    async def add_token(self, token: AccessToken) -> None:
        """Store a new access token.

        Raises:
            NameTaken: One of that name, or of that id, exists. Nothing has changed.
        """
        ...

    async def get_token(self, token_id: str) -> AccessToken | None:
        """The access token of that id."""
        ...

    async def list_tokens(self) -> tuple[AccessToken, ...]:
        """All access tokens, by name."""
        ...

    async def update_token(self, token: AccessToken) -> bool:
        """Put it in the place of the one of its id and name; False if there is none."""
        ...

    async def delete_token(self, name: str) -> bool:
        """Forget an access token and its use. False if there is none of that name."""
        ...

    async def note_token_uses(self, uses: Mapping[str, float]) -> None:
        """Record when access tokens were used, by id, in Unix seconds, unless later is recorded.

        Ids that there are no tokens of are passed over.
        """
        ...

    async def token_uses(self) -> dict[str, float]:
        """When access tokens were used last, by id; those that never were are not in it."""
        ...


class JournalStore(Protocol):
    """Journals of turns, and the idempotency keys that name them.

    A journal belongs to a principal, as a session does. It ends `ttl` seconds after the last write,
    and the key that names it ends with it: neither exists for any call after that. Claiming a key
    is a write, reading is not.

    Text that is not Unicode (a lone surrogate) is kept with U+FFFD in its place.
    """

    async def claim_key(
        self, head: JournalHead, alive_until: float, ttl: float, now: float
    ) -> JournalHead | None:
        """Begin the journal of a turn under `head.key`, unless that key is taken, in one step.

        Returns None if it was free: the key is the turn's now and its journal is there, empty
        unless the turn had one already. Otherwise nothing has changed, and the head of the turn
        that has the key is returned. A key belongs to a principal. Claiming a key that the same
        turn already has is claiming it again; claiming another lets go of it.

        Raises:
            ValueError: `head.key` is None.
        """
        ...

    async def write_journals(self, entries: Sequence[JournalEntry], ttl: float, now: float) -> None:
        """Add to one or more journals, beginning those that do not exist, without a key.

        The entries of one turn are in order. Chunks that a journal has already are passed over,
        so that an attempt whose success is unknown can be repeated; an entry whose `after` is
        beyond the journal's length, or that comes after the journal's end, is dropped: it
        changes nothing. An entry whose `after` is 0 brings the head that counts from then on, for
        not everything is known when a key is claimed. `alive_until` only grows. Each entry is
        carried out wholly or not at all.
        """
        ...

    async def read_journal(
        self, principal: str, turn_id: str, after: int, now: float, wanted_until: float = 0.0
    ) -> Journal | None:
        """The journal with its chunks from number `after` + 1 on; None if there is none.

        `wanted_until` greater than the recorded one is recorded, and part of what is returned.
        """
        ...

    async def release_key(self, principal: str, key: str, turn_id: str) -> None:
        """Let the key be used anew, if it is that turn's; the journal stays."""
        ...

    async def delete_journal(self, principal: str, turn_id: str, now: float) -> bool:
        """Forget a journal and the key that names it. False if there is none."""
        ...


class Store(
    SessionStore,
    AccessTokenStore,
    JournalStore,
    RecordStore,
    UsageStore,
    LimitStore,
    Protocol,
):
    """All of the hub's state."""

    name: str
    """What it is, for people: `sqlite`, `redis` or `memory`."""

    async def open(self) -> None:
        """Connect, create what is missing. Called once, before anything else.

        Raises:
            StateUnavailable: The store can't be reached. It may be opened again later, and
                every other method tries to reach it by itself.
        """
        ...

    async def ping(self) -> None:
        """Return if the store answers."""
        ...

    async def aclose(self) -> None:
        """Let go of every connection, thread and file; bounded in time, safe to call twice."""
        ...
