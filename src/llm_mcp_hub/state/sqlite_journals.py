"""What each call on journals does to the tables: functions of an open transaction, as for sessions.

A call of `write` carries the entries of all running turns, twenty times a second, so its statements
are few and go through indexes alone.
"""

import sqlite3
from collections.abc import Sequence
from typing import Any

from llm_mcp_hub.domain.chunk import Chunk
from llm_mcp_hub.domain.journal import Journal, JournalEnd, JournalEntry, JournalHead
from llm_mcp_hub.state import journal_bytes
from llm_mcp_hub.state.journal_bytes import LONGEST, decode_end, decode_head, joined

SWEEP_JOURNALS = 8
"""Each write removes at most so many more expired journals than it has entries: always more than
have begun, and so few that no turn waits for it."""

_FIND = (
    "SELECT id, length, ended IS NOT NULL FROM journals "
    "WHERE principal = ? AND turn_id = ? AND expires_at > ?"
)
_BEGIN = (
    "INSERT INTO journals (principal, turn_id, head, length, ended, alive_until, expires_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (principal, turn_id) DO NOTHING"
)
_CLAIM = (
    "INSERT INTO journals (principal, turn_id, key, head, alive_until, expires_at) "
    "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (principal, turn_id) DO UPDATE SET "
    "key = excluded.key, alive_until = max(alive_until, excluded.alive_until), "
    "expires_at = excluded.expires_at"
)
_UPDATE = (
    "UPDATE journals SET head = coalesce(?, head), length = ?, ended = ?, "
    "alive_until = max(alive_until, ?), "
    "expires_at = ? WHERE id = ?"
)
_ADD = "INSERT INTO journal_chunks (journal, last, body) VALUES (?, ?, ?)"


def claim_key(
    db: sqlite3.Connection, head: JournalHead, alive_until: float, ttl: float, now: float
) -> JournalHead | None:
    """Begin a journal under a key that is free."""
    principal, turn_id, key = head.principal, head.turn_id, head.key
    found = db.execute(
        "SELECT turn_id, head FROM journals WHERE principal = ? AND key = ? AND expires_at > ?",
        (principal, key, now),
    ).fetchone()
    if found is not None and found[0] != turn_id:
        return decode_head(found[1])
    db.execute(
        "DELETE FROM journals WHERE principal = ? AND (turn_id = ? OR key = ?) AND expires_at <= ?",
        (principal, turn_id, key, now),
    )
    db.execute(_CLAIM, (principal, turn_id, key, _blob(head), alive_until, now + ttl))
    return None


def write(db: sqlite3.Connection, entries: Sequence[JournalEntry], ttl: float, now: float) -> None:
    """Add to journals, and remove some that have expired."""
    updates: list[tuple[Any, ...]] = []
    blobs: list[tuple[Any, ...]] = []
    known: dict[tuple[str, str], tuple[int | None, int, bool]] = {}
    for entry in entries:
        head = entry.head
        name = (head.principal, head.turn_id)
        last = entry.after + len(entry.chunks)
        end = _blob(entry.end) if entry.end is not None else None
        if entry.after == 0 and name not in known:
            # Most turns are short: they begin and end with one entry, and with these two inserts.
            values = (*name, _blob(head), last, end, entry.alive_until, now + ttl)
            begun = db.execute(_BEGIN, values)
            if begun.rowcount:
                if last:
                    blobs.append((begun.lastrowid, last, _blob(entry.chunks)))
                known[name] = (begun.lastrowid, last, end is not None)
                continue
        found = known.get(name) or db.execute(_FIND, (*name, now)).fetchone()
        journal, length, ended = found or (None, 0, False)
        if ended or entry.after > length:
            continue
        if journal is None:
            journal = _begin(db, entry, now + ttl, now)
        if last > length:
            blobs.append((journal, last, _blob(entry.chunks[length - entry.after :])))
            length = last
        brought = _blob(head) if entry.after == 0 else None
        updates.append((brought, length, end, entry.alive_until, now + ttl, journal))
        known[name] = (journal, length, end is not None)
    db.executemany(_ADD, blobs)
    db.executemany(_UPDATE, updates)
    db.execute(
        "DELETE FROM journals WHERE id IN (SELECT id FROM journals WHERE expires_at <= ? LIMIT ?)",
        (now, len(entries) + SWEEP_JOURNALS),
    )


def read(
    db: sqlite3.Connection,
    principal: str,
    turn_id: str,
    after: int,
    now: float,
    wanted_until: float,
) -> Journal | None:
    """The journal from a chunk on; writes only if `wanted_until` is more than is recorded."""
    found = db.execute(
        "SELECT id, head, alive_until, ended, wanted_until FROM journals "
        "WHERE principal = ? AND turn_id = ? AND expires_at > ?",
        (principal, turn_id, now),
    ).fetchone()
    if found is None:
        return None
    journal, head, alive_until, ended, recorded = found
    if wanted_until > recorded:
        db.execute("UPDATE journals SET wanted_until = ? WHERE id = ?", (wanted_until, journal))
    blobs = db.execute(
        "SELECT last, body FROM journal_chunks WHERE journal = ? AND last > ? ORDER BY last",
        (journal, min(after, LONGEST)),
    )
    return Journal(
        head=decode_head(head),
        chunks=joined(after, blobs),
        alive_until=alive_until,
        end=decode_end(ended) if ended is not None else None,
        wanted_until=max(recorded, wanted_until),
    )


def release_key(db: sqlite3.Connection, principal: str, key: str, turn_id: str) -> None:
    """Let a key be used anew."""
    db.execute(
        "UPDATE journals SET key = NULL WHERE principal = ? AND key = ? AND turn_id = ?",
        (principal, key, turn_id),
    )


def delete(db: sqlite3.Connection, principal: str, turn_id: str, now: float) -> bool:
    """Forget a journal."""
    found = db.execute(
        "DELETE FROM journals WHERE principal = ? AND turn_id = ? RETURNING expires_at > ?",
        (principal, turn_id, now),
    ).fetchall()
    return any(lived for (lived,) in found)


def _begin(
    db: sqlite3.Connection, entry: JournalEntry, expires_at: float, now: float
) -> int | None:
    head = entry.head
    # What is left of an expired journal of that turn goes, with its chunks.
    db.execute(
        "DELETE FROM journals WHERE principal = ? AND turn_id = ? AND expires_at <= ?",
        (head.principal, head.turn_id, now),
    )
    values = (head.principal, head.turn_id, _blob(head), 0, None, entry.alive_until, expires_at)
    return db.execute(_BEGIN, values).lastrowid


def _blob(value: tuple[Chunk, ...] | JournalHead | JournalEnd) -> bytearray:
    # For each value of `bytes` sqlite3 first asks what to store in its place; not so for these.
    return bytearray(journal_bytes.encode(value))
