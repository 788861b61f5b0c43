"""What each call does to the tables: functions of an open transaction, without threads or waits.

Every function is one job. One that refuses may have written: its transaction is then rolled back.
A lease is part of its session's row; where there is no session yet, or no more, that row is there
for the lease alone, and its end of life has passed.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import Session, SessionAppend, SessionSummary, StoredMessage
from llm_mcp_hub.domain.transcript import EMPTY
from llm_mcp_hub.state.base import Lease, SessionKey
from llm_mcp_hub.state.change import busy, changed, fits, moved_on
from llm_mcp_hub.state.recent_sessions import RecentSession, same
from llm_mcp_hub.state.sqlite_recent import add_messages, go_on, take

Row = tuple[Any, ...]

SWEEP_ROWS = 50
"""How many expired sessions one sweep removes, so that no turn waits long for it."""
SWEEP_LOOKS = 200
"""How many it looks at. An index of their ends would have to be written with each turn."""

_decode = msgspec.json.Decoder(Message).decode

COLUMNS = (
    "key, principal, id, revision, model, digest, message_count, input_tokens, cached_tokens, "
    "output_tokens, reasoning_tokens, created_at, updated_at, expires_at, title, "
    "coalesce((SELECT text FROM session_systems WHERE session = sessions.key), '')"
)
_NAMED = (
    f"SELECT {COLUMNS} FROM sessions "  # noqa: S608  # constants only, here and below
    "WHERE principal = ? AND id = ? AND expires_at > ?"
)
_BY_DIGEST = (
    f"SELECT {COLUMNS} FROM sessions "  # noqa: S608
    "WHERE principal = ? AND digest = ? AND expires_at > ? ORDER BY updated_at DESC, id DESC"
)
_TAKE = (
    "INSERT INTO sessions (principal, id, lease_id, lease_until) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (principal, id) "
    "DO UPDATE SET lease_id = excluded.lease_id, lease_until = excluded.lease_until "
    "WHERE sessions.lease_id = excluded.lease_id OR sessions.lease_until <= ?"
)
_UPDATE = (
    "UPDATE sessions SET revision = ?, model = ?, digest = ?, message_count = ?, "
    "input_tokens = ?, cached_tokens = ?, output_tokens = ?, reasoning_tokens = ?, "
    "created_at = ?, updated_at = ?, expires_at = ?, title = ?, lease_id = '', lease_until = 0 "
    "WHERE key = ?"
)
_INSERT = (
    "INSERT INTO sessions (revision, model, digest, message_count, input_tokens, cached_tokens, "
    "output_tokens, reasoning_tokens, created_at, updated_at, expires_at, title, "
    "principal, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_RENEW = (
    "UPDATE sessions SET lease_until = :until, "
    "expires_at = CASE WHEN expires_at > :now THEN max(expires_at, :until) ELSE expires_at END "
    "WHERE principal = :principal AND id = :id AND lease_id = :lease AND lease_until > :now"
)


def begin(
    db: sqlite3.Connection,
    principal: str,
    session_id: str,
    lease: Lease,
    now: float,
    recent: RecentSession | None = None,
) -> RecentSession | None:
    """Take the lease and read the session; `recent` is what may be known of it."""
    if recent is not None and take(db, recent, lease, now):
        return recent
    if not _take(db, principal, session_id, lease, now):
        raise busy(session_id)
    row = db.execute(_NAMED, (principal, session_id, now)).fetchone()
    return _outlive(db, row, now + lease.seconds, recent) if row is not None else None


def begin_by_digest(
    db: sqlite3.Connection,
    principal: str,
    digest: str,
    lease: Lease,
    now: float,
    recent: Callable[[str, str], RecentSession | None],
) -> RecentSession | None:
    """Find the session, then as `begin`."""
    row = db.execute(_BY_DIGEST, (principal, digest, now)).fetchone()
    if row is None or not _take(db, principal, row[2], lease, now):
        return None
    return _outlive(db, row, now + lease.seconds, recent(principal, row[2]))


def append(
    db: sqlite3.Connection,
    principal: str,
    session_id: str,
    lease_id: str,
    change: SessionAppend,
    ttl: float,
    now: float,
    recent: RecentSession | None = None,
) -> tuple[SessionSummary, RecentSession | None]:
    """Compare, then write; what is known of the session from then on is returned, too."""
    if recent is not None:
        after = go_on(db, recent, lease_id, change, ttl, now)
        if after is not None:
            return after.session.summary, after
    row = db.execute(_NAMED, (principal, session_id, now)).fetchone()
    stored = summary_of(row) if row is not None else None
    if not fits(change, stored) or _held_by_another(db, principal, session_id, lease_id, now):
        raise moved_on(session_id)
    kept_digest = EMPTY
    if stored is not None and change.keep < stored.message_count:
        db.execute("DELETE FROM messages WHERE session = ? AND seq >= ?", (row[0], change.keep))
    if row is not None and not change.messages and change.keep:
        last = "SELECT digest FROM messages WHERE session = ? ORDER BY seq DESC LIMIT 1"
        kept_digest = (db.execute(last, (row[0],)).fetchone() or (EMPTY,))[0]
    summary = changed(principal, session_id, change, stored, kept_digest, now, ttl)
    if row is not None:
        key = row[0]
        db.execute(_UPDATE, (*_values(summary), key))
    else:
        # What is left of an expired session of that id goes, with its messages; so does the lease.
        db.execute("DELETE FROM sessions WHERE principal = ? AND id = ?", (principal, session_id))
        key = db.execute(_INSERT, (*_values(summary), principal, session_id)).lastrowid
    if summary.system != (stored.system if stored is not None else ""):
        _write_system(db, key, summary.system)
    kept = summary.message_count - len(change.messages)
    size = add_messages(db, key, kept, change.messages)
    if not kept:
        return summary, RecentSession(Session(summary, change.messages), size, key)
    if recent is None or stored is None or change.keep < stored.message_count:
        return summary, None
    if not same(recent.session.summary, stored):
        return summary, None
    messages = recent.session.messages + change.messages
    return summary, RecentSession(Session(summary, messages), recent.size + size, key)


def renew(
    db: sqlite3.Connection, leases: Sequence[SessionKey], lease: Lease, now: float
) -> tuple[SessionKey, ...]:
    """Prolong leases that are held, and the sessions under them."""
    values = {"lease": lease.id, "until": now + lease.seconds, "now": now}
    held = []
    for key in leases:
        renewed = db.execute(_RENEW, {"principal": key[0], "id": key[1], **values})
        if renewed.rowcount:
            held.append(key)
    return tuple(held)


def holders(
    db: sqlite3.Connection, keys: Sequence[SessionKey], now: float
) -> tuple[str | None, ...]:
    """Whose lease is on each session."""
    found = "SELECT lease_id FROM sessions WHERE principal = ? AND id = ? AND lease_until > ?"
    rows = [db.execute(found, (*key, now)).fetchone() for key in keys]
    return tuple([row[0] if row is not None else None for row in rows])


def release(db: sqlite3.Connection, principal: str, session_id: str, lease_id: str) -> None:
    """Give a lease back."""
    db.execute(
        "UPDATE sessions SET lease_id = '', lease_until = 0 "
        "WHERE principal = ? AND id = ? AND lease_id = ?",
        (principal, session_id, lease_id),
    )


def get(db: sqlite3.Connection, principal: str, session_id: str, now: float) -> Session | None:
    """Read a session."""
    row = db.execute(_NAMED, (principal, session_id, now)).fetchone()
    return Session(summary_of(row), _messages(db, row[0])[0]) if row is not None else None


def delete(db: sqlite3.Connection, principal: str, session_id: str, now: float) -> bool:
    """Forget a session, its messages and its lease."""
    key = (principal, session_id)
    existed = db.execute(_NAMED, (*key, now)).fetchone() is not None
    db.execute("DELETE FROM sessions WHERE principal = ? AND id = ?", key)
    return existed


def sweep(db: sqlite3.Connection, now: float, after: int) -> int:
    """Remove some of what has expired, beginning after a key.

    Returns the key to go on after, 0 once all sessions have been looked at.
    """
    looked_at = db.execute(
        "SELECT key, max(expires_at, lease_until) FROM sessions WHERE key > ? ORDER BY key LIMIT ?",
        (after, SWEEP_LOOKS),
    ).fetchall()
    expired = [(key,) for key, until in looked_at if until <= now][:SWEEP_ROWS]
    db.executemany("DELETE FROM sessions WHERE key = ?", expired)
    if len(expired) == SWEEP_ROWS:
        return int(expired[-1][0])
    return int(looked_at[-1][0]) if len(looked_at) == SWEEP_LOOKS else 0


def _take(
    db: sqlite3.Connection, principal: str, session_id: str, lease: Lease, now: float
) -> bool:
    values = (principal, session_id, lease.id, now + lease.seconds, now)
    return db.execute(_TAKE, values).rowcount > 0


def _held_by_another(
    db: sqlite3.Connection, principal: str, session_id: str, lease_id: str, now: float
) -> bool:
    held = db.execute(
        "SELECT 1 FROM sessions "
        "WHERE principal = ? AND id = ? AND lease_id <> ? AND lease_until > ?",
        (principal, session_id, lease_id, now),
    )
    return held.fetchone() is not None


def _outlive(
    db: sqlite3.Connection, row: Row, until: float, recent: RecentSession | None
) -> RecentSession:
    summary = summary_of(row)
    if summary.expires_at < until:
        db.execute("UPDATE sessions SET expires_at = ? WHERE key = ?", (until, row[0]))
        summary = msgspec.structs.replace(summary, expires_at=until)
    if recent is not None and same(recent.session.summary, summary):
        return RecentSession(Session(summary, recent.session.messages), recent.size, row[0])
    messages, size = _messages(db, row[0])
    return RecentSession(Session(summary, messages), size, row[0])


def summary_of(row: Row) -> SessionSummary:
    """A session from a row of `COLUMNS`."""
    (_, principal, session_id, revision, model, digest, count, *usage) = row[:11]
    created_at, updated_at, expires_at, title, system = row[11:]
    return SessionSummary(
        id=session_id,
        principal=principal,
        revision=revision,
        model=model,
        system=system,
        digest=digest,
        message_count=count,
        usage=Usage(*usage),
        created_at=created_at,
        updated_at=updated_at,
        expires_at=expires_at,
        title=title,
    )


def _values(summary: SessionSummary) -> Iterable[Any]:
    return (
        summary.revision,
        summary.model,
        summary.digest,
        summary.message_count,
        *msgspec.structs.astuple(summary.usage),
        summary.created_at,
        summary.updated_at,
        summary.expires_at,
        summary.title,
    )


def _write_system(db: sqlite3.Connection, key: int, system: str) -> None:
    # Not in the session's row: some are long, and that row is written twice in each turn.
    if system:
        db.execute("INSERT OR REPLACE INTO session_systems VALUES (?, ?)", (key, system))
    else:
        db.execute("DELETE FROM session_systems WHERE session = ?", (key,))


def _messages(db: sqlite3.Connection, key: int) -> tuple[tuple[StoredMessage, ...], int]:
    """The messages of a session, and how many bytes they take."""
    rows = db.execute(
        "SELECT body, digest, created_at FROM messages WHERE session = ? ORDER BY seq", (key,)
    ).fetchall()
    messages = [StoredMessage(_decode(body), digest, at) for body, digest, at in rows]
    return tuple(messages), sum([len(body) for body, _, _ in rows])
