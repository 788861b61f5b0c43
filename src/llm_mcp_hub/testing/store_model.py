"""A store as a few lines of Python: slow, plain, and right at a glance."""

from collections.abc import Callable

import msgspec

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.journal import Journal, JournalEntry, JournalHead
from llm_mcp_hub.domain.session import (
    Listing,
    Session,
    SessionAppend,
    SessionSort,
    SessionSummary,
    StoredMessage,
)
from llm_mcp_hub.errors import SessionBusy, SessionChanged
from llm_mcp_hub.state.base import NEWEST_FIRST, Lease
from llm_mcp_hub.state.records import Collection, Record
from llm_mcp_hub.testing.store_count_model import CountModel

Key = tuple[str, str]
"""Principal and session id, or principal and turn id."""


class StoreModel(CountModel):
    """What a store promises about all it keeps, as slow and as plain as can be."""

    def __init__(self) -> None:
        super().__init__()
        self.collections: dict[str, Collection] = {}
        self.journals: dict[Key, tuple[Journal, float]] = {}
        self.turns: dict[Key, str] = {}
        self.sessions: dict[Key, Session] = {}
        self.leases: dict[Key, tuple[str, float]] = {}

    def get(self, key: Key, now: float) -> Session | None:
        """A session that lives."""
        session = self.sessions.get(key)
        return session if session is not None and session.summary.expires_at > now else None

    def holder(self, key: Key, now: float) -> str | None:
        """Whose turn runs on a session."""
        name, until = self.leases.get(key, ("", 0.0))
        return name if until > now else None

    def begin(self, key: Key, lease: Lease, now: float) -> Session | None:
        """As the store."""
        if self.holder(key, now) not in (None, lease.id):
            raise SessionBusy(key[1])
        self.leases[key] = (lease.id, now + lease.seconds)
        session = self.get(key, now)
        if session is not None:
            ends = max(session.summary.expires_at, now + lease.seconds)
            summary = msgspec.structs.replace(session.summary, expires_at=ends)
            session = self.sessions[key] = Session(summary, session.messages)
        return session

    def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        """As the store."""
        found = [one for one in self.listing(principal, now) if one.digest == digest]
        if not found or self.holder((principal, found[0].id), now) not in (None, lease.id):
            return None
        return self.begin((principal, found[0].id), lease, now)

    def append(
        self, key: Key, lease_id: str, change: SessionAppend, ttl: float, now: float
    ) -> SessionSummary:
        """As the store."""
        session = self.get(key, now)
        if (session.summary.revision if session else 0) != change.expected_revision or (
            self.holder(key, now) not in (None, lease_id)
        ):
            raise SessionChanged(key[1])
        created_at = session.summary.created_at if session else now
        if session and change.expected_created_at not in (None, created_at):
            raise SessionChanged(key[1])
        messages = (session.messages if session else ())[: change.keep] + change.messages
        summary = SessionSummary(
            id=key[1],
            principal=key[0],
            revision=change.expected_revision + 1,
            model=change.model,
            system=change.system,
            digest=messages[-1].digest if messages else "",
            message_count=len(messages),
            usage=(session.summary.usage if session else Usage()) + change.usage,
            created_at=created_at,
            updated_at=now,
            expires_at=now + ttl,
            title=self._title(session, messages, change),
        )
        self.sessions[key] = Session(summary, messages)
        self.leases.pop(key, None)
        return summary

    def renew(self, keys: tuple[Key, ...], lease: Lease, now: float) -> tuple[Key, ...]:
        """As the store."""
        held = tuple(key for key in keys if self.holder(key, now) == lease.id)
        for key in held:
            self.begin(key, lease, now)
        return held

    def holders(self, keys: tuple[Key, ...], now: float) -> tuple[str | None, ...]:
        """As the store."""
        return tuple(self.holder(key, now) for key in keys)

    def release(self, key: Key, lease_id: str) -> None:
        """As the store."""
        if self.leases.get(key, ("", 0.0))[0] == lease_id:
            del self.leases[key]

    def delete(self, key: Key, now: float) -> bool:
        """As the store."""
        existed = self.get(key, now) is not None
        self.sessions.pop(key, None)
        self.leases.pop(key, None)
        return existed

    def listing(
        self, principal: str | None, now: float, listing: Listing = NEWEST_FIRST
    ) -> list[SessionSummary]:
        """All pages of a listing."""
        found = [
            session.summary
            for key, session in self.sessions.items()
            if principal in (None, key[0]) and session.summary.expires_at > now
        ]
        for word in listing.words:
            found = [
                each
                for each in found
                if any(word in text.lower() for text in (each.id, each.principal, each.model))
                or word in each.title.lower()
            ]
        values: dict[SessionSort, Callable[[SessionSummary], float]] = {
            SessionSort.LAST_USED: lambda one: one.updated_at,
            SessionSort.CREATED: lambda one: one.created_at,
            SessionSort.MESSAGES: lambda one: one.message_count,
            SessionSort.TOKENS: lambda one: one.usage.input_tokens + one.usage.output_tokens,
        }
        value = values[listing.sort]
        return sorted(
            found,
            key=lambda one: (value(one), one.principal, one.id),
            reverse=not listing.ascending,
        )

    def read_journal(
        self, principal: str, turn_id: str, after: int, now: float, wanted_until: float = 0.0
    ) -> Journal | None:
        """As the store."""
        journal, expires_at = self.journals.get((principal, turn_id), (None, 0.0))
        if journal is None or expires_at <= now:
            return None
        wanted = max(journal.wanted_until, wanted_until)
        journal = msgspec.structs.replace(journal, wanted_until=wanted)
        self.journals[principal, turn_id] = journal, expires_at
        return msgspec.structs.replace(journal, chunks=journal.chunks[after:])

    def claim_key(
        self, head: JournalHead, alive_until: float, ttl: float, now: float
    ) -> JournalHead | None:
        """As the store."""
        key = (head.principal, str(head.key))
        holder = self.turns.get(key, head.turn_id)
        taken = self.read_journal(head.principal, holder, 0, now)
        if taken is not None and holder != head.turn_id:
            return taken.head
        journal = self._journal(head, now)
        self._free_keys(head)
        self.turns[key] = head.turn_id
        self._keep(journal, alive_until, now + ttl)
        return None

    def write_journals(self, entries: tuple[JournalEntry, ...], ttl: float, now: float) -> None:
        """As the store."""
        for entry in entries:
            journal = self._journal(entry.head, now)
            length = len(journal.chunks)
            if journal.end is None and entry.after <= length:
                chunks = journal.chunks + entry.chunks[length - entry.after :]
                head = entry.head if entry.after == 0 else journal.head
                journal = msgspec.structs.replace(journal, head=head, chunks=chunks, end=entry.end)
                self._keep(journal, entry.alive_until, now + ttl)

    def release_key(self, principal: str, key: str, turn_id: str) -> None:
        """As the store."""
        if self.turns.get((principal, key)) == turn_id:
            del self.turns[principal, key]

    def delete_journal(self, principal: str, turn_id: str, now: float) -> bool:
        """As the store."""
        found = self.read_journal(principal, turn_id, 0, now)
        if found is not None:
            del self.journals[principal, turn_id]
            self._free_keys(found.head)
        return found is not None

    @staticmethod
    def _title(
        session: Session | None, messages: tuple[StoredMessage, ...], change: SessionAppend
    ) -> str:
        kept = len(messages) - len(change.messages)
        before = session.summary.title if session and kept else ""
        texts = [one.message.text for one in change.messages if one.message.role == "user"]
        words = [" ".join(text.split()) for text in texts if text.split()]
        return before or (words or [""])[0][:80]

    def list_records(self, collection: str) -> Collection:
        """As the store."""
        return self.collections.get(collection, Collection(0, ()))

    def get_record(self, collection: str, name: str) -> Record | None:
        """As the store."""
        found = [one for one in self.list_records(collection).records if one.name == name]
        return found[0] if found else None

    def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None
    ) -> int | None:
        """As the store."""
        held = self.get_record(collection, name)
        if expected not in (None, held.version if held else 0):
            return None
        version = self.list_records(collection).version + 1
        self._keep_records(collection, version, name, Record(name, version, body))
        return version

    def delete_record(self, collection: str, name: str, expected: int | None) -> bool:
        """As the store."""
        held = self.get_record(collection, name)
        if held is None or expected not in (None, held.version):
            return False
        self._keep_records(collection, self.list_records(collection).version + 1, name)
        return True

    def _keep_records(self, collection: str, version: int, name: str, *new: Record) -> None:
        others = [one for one in self.list_records(collection).records if one.name != name]
        records = tuple(sorted([*others, *new], key=lambda one: one.name))
        self.collections[collection] = Collection(version, records)

    def _journal(self, head: JournalHead, now: float) -> Journal:
        journal = self.read_journal(head.principal, head.turn_id, 0, now)
        if journal is None:
            self._free_keys(head)
        return journal or Journal(head, (), 0.0)

    def _keep(self, journal: Journal, alive_until: float, expires_at: float) -> None:
        alive_until = max(alive_until, journal.alive_until)
        kept = msgspec.structs.replace(journal, alive_until=alive_until)
        self.journals[journal.head.principal, journal.head.turn_id] = kept, expires_at

    def _free_keys(self, head: JournalHead) -> None:
        for key, turn_id in list(self.turns.items()):
            if (key[0], turn_id) == (head.principal, head.turn_id):
                del self.turns[key]
