"""A store as a few lines of Python: slow, plain, and right at a glance."""

import msgspec

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import Session, SessionAppend, SessionSummary
from llm_mcp_hub.errors import SessionBusy, SessionChanged
from llm_mcp_hub.state.base import Lease

Key = tuple[str, str]
"""Principal and session id."""


class StoreModel:
    """What a store promises about sessions, as slow and as plain as can be."""

    def __init__(self) -> None:
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
        )
        self.sessions[key] = Session(summary, messages)
        self.leases.pop(key, None)
        return summary

    def renew(self, keys: tuple[Key, ...], lease: Lease, now: float) -> None:
        """As the store."""
        for key in keys:
            if self.holder(key, now) == lease.id:
                self.begin(key, lease, now)

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

    def listing(self, principal: str | None, now: float) -> list[SessionSummary]:
        """All pages of a listing."""
        found = [
            session.summary
            for key, session in self.sessions.items()
            if principal in (None, key[0]) and session.summary.expires_at > now
        ]
        return sorted(found, key=lambda one: (one.updated_at, one.principal, one.id), reverse=True)
