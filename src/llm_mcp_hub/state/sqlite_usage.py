"""The usage of `SqliteStore`: one row for each slot, its counts as MessagePack."""

import sqlite3
from collections.abc import Sequence

import msgspec

from llm_mcp_hub.domain.usage import Counts, UsageBatch, UsageRow, UsageSlot, add
from llm_mcp_hub.state.base_usage import WRITER_SECONDS
from llm_mcp_hub.state.sqlite_short_jobs import ShortJobs
from llm_mcp_hub.state.sqlite_thread import SqliteThread

SWEEP_USAGE = 64
"""How many expired rows each write removes at most: more than it adds, and soon done."""
SHORT_ROWS = 16
"""Half a millisecond's work."""

_decode = msgspec.msgpack.Decoder(Counts).decode
_encode = msgspec.msgpack.Encoder().encode

_NAMED = "span = ? AND start = ? AND provider = ? AND model = ? AND principal = ?"
_SWEEP = (
    "DELETE FROM usage WHERE (span, start, provider, model, principal) IN "
    "(SELECT span, start, provider, model, principal FROM usage WHERE expires_at <= ? LIMIT ?)"
)


class SqliteUsage:
    """Counts of turns in the database."""

    _thread: SqliteThread
    _short: ShortJobs

    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        """Add counts, once."""
        # What is short is done on the event loop, where it locks out no turn's own steps.
        run = self._short.run if len(batch.rows) <= SHORT_ROWS else self._thread.run
        await run(lambda db: _add(db, batch, now), writes=True)

    async def read_usage(
        self, span: int, since: int, until: int, principal: str | None = None
    ) -> Sequence[UsageRow]:
        """The rows of a span."""
        return await self._thread.run(
            lambda db: _read(db, span, since, until, principal), writes=False
        )


def _add(db: sqlite3.Connection, batch: UsageBatch, now: float) -> None:
    found = db.execute("SELECT last FROM usage_writers WHERE id = ?", (batch.writer,)).fetchone()
    if found is not None and batch.number <= found[0]:
        return
    db.execute(
        "INSERT OR REPLACE INTO usage_writers VALUES (?, ?, ?)", (batch.writer, batch.number, now)
    )
    for row in batch.rows:
        slot = msgspec.structs.astuple(row.slot)
        kept = db.execute(f"SELECT counts, expires_at FROM usage WHERE {_NAMED}", slot).fetchone()  # noqa: S608  # a constant
        counts, expires_at = (_decode(kept[0]), kept[1]) if kept is not None else ({}, 0.0)
        add(counts, row.counts)
        values = (*slot, _encode(counts), max(expires_at, row.expires_at))
        db.execute("INSERT OR REPLACE INTO usage VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    db.execute(_SWEEP, (now, SWEEP_USAGE))
    db.execute("DELETE FROM usage_writers WHERE at <= ?", (now - WRITER_SECONDS,))


def _read(
    db: sqlite3.Connection, span: int, since: int, until: int, principal: str | None
) -> list[UsageRow]:
    rows = db.execute(
        "SELECT * FROM usage WHERE span = ? AND start >= ? AND start < ? "
        "AND (? IS NULL OR principal = ?)",
        (span, since, until, principal, principal),
    )
    return [
        UsageRow(UsageSlot(*slot), _decode(counts), expires_at)
        for *slot, counts, expires_at in rows
    ]
