"""Going on with a session that is known from the turn before: as `begin` and `append`, but shorter.

Guarantees: each statement names all that is known, so it does what it should or nothing; in that
case the caller goes the long way, in the same transaction, and what was done here is undone if that
refuses.
"""

import sqlite3

import msgspec

from llm_mcp_hub.domain.session import Session, SessionAppend, SessionSummary, StoredMessage
from llm_mcp_hub.state.base import Lease
from llm_mcp_hub.state.change import changed, fits
from llm_mcp_hub.state.recent_sessions import RecentSession

_encoder = msgspec.json.Encoder()

_IS_AS_KNOWN = (
    "key = ? AND principal = ? AND id = ? "
    "AND revision = ? AND created_at = ? AND updated_at = ? AND digest = ? "
)
_TAKE = (
    "UPDATE sessions SET lease_id = ?, lease_until = ? "  # noqa: S608  # constants only
    f"WHERE {_IS_AS_KNOWN} AND expires_at = ? AND (lease_until <= ? OR lease_id = ?)"
)
_UPDATE = (
    "UPDATE sessions SET revision = ?, digest = ?, message_count = ?, input_tokens = ?, "  # noqa: S608
    "cached_tokens = ?, output_tokens = ?, reasoning_tokens = ?, updated_at = ?, expires_at = ?, "
    f"lease_id = '', lease_until = 0 WHERE {_IS_AS_KNOWN} AND expires_at > ? AND lease_id = ?"
)
_ADD = "INSERT INTO messages (session, seq, digest, created_at, body) VALUES (?, ?, ?, ?, ?)"


def take(db: sqlite3.Connection, recent: RecentSession, lease: Lease, now: float) -> bool:
    """Take the lease on a session that is as known, and outlives the lease anyway."""
    known = recent.session.summary
    until = now + lease.seconds
    if known.expires_at < until:
        return False
    taken = db.execute(
        _TAKE,
        (lease.id, until, *_as_known(recent.row, known), known.expires_at, now, lease.id),
    )
    return taken.rowcount > 0


def go_on(
    db: sqlite3.Connection,
    recent: RecentSession,
    lease_id: str,
    change: SessionAppend,
    ttl: float,
    now: float,
) -> RecentSession | None:
    """Store a turn on a session that is as known, under the lease that is still held."""
    session = recent.session
    known = session.summary
    if (
        not fits(change, known)
        or not change.messages
        or change.keep < known.message_count
        or change.model != known.model
        or change.system != known.system
    ):
        return None
    after = changed(known.principal, known.id, change, known, known.digest, now, ttl)
    if after.title != known.title:
        return None
    usage = after.usage
    updated = db.execute(
        _UPDATE,
        (
            after.revision,
            after.digest,
            after.message_count,
            usage.input_tokens,
            usage.cached_tokens,
            usage.output_tokens,
            usage.reasoning_tokens,
            now,
            after.expires_at,
            *_as_known(recent.row, known),
            now,
            lease_id,
        ),
    )
    if not updated.rowcount:
        return None
    size = add_messages(db, recent.row, known.message_count, change.messages)
    return RecentSession(
        Session(after, session.messages + change.messages), recent.size + size, recent.row
    )


def add_messages(
    db: sqlite3.Connection, row: int, first: int, messages: tuple[StoredMessage, ...]
) -> int:
    """Add messages from the number `first` on; returns how many bytes they take."""
    rows = []
    size = 0
    for seq, item in enumerate(messages, first):
        # For each value of `bytes` sqlite3 first asks what to store in its place; not so for these.
        body = bytearray()
        _encoder.encode_into(item.message, body)
        size += len(body)
        rows.append((row, seq, item.digest, item.created_at, body))
    db.executemany(_ADD, rows)
    return size


def _as_known(row: int, known: SessionSummary) -> tuple[object, ...]:
    return (
        row,
        known.principal,
        known.id,
        known.revision,
        known.created_at,
        known.updated_at,
        known.digest,
    )
