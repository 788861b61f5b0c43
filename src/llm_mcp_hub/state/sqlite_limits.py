"""The limits of `SqliteStore`: a row for each turn that counts, one for each principal's day."""

import sqlite3
from collections.abc import Sequence

from llm_mcp_hub.domain.limits import (
    MINUTE_SECONDS,
    LimitedTurn,
    LimitUse,
    TokenLimits,
    day_of,
    judge,
)
from llm_mcp_hub.state.base_limits import LIMITED_TURN_SECONDS
from llm_mcp_hub.state.sqlite_short_jobs import ShortJobs
from llm_mcp_hub.state.sqlite_thread import SqliteThread

_SWEEP = (
    "DELETE FROM limited_turns WHERE principal = ? AND entered_at <= ? "
    "AND (runs_until IS NULL OR runs_until <= ?)"
)
_ADD_TO_DAY = (
    "INSERT INTO limited_days VALUES (?, ?, ?, ?) ON CONFLICT (principal) DO UPDATE SET "
    "requests = excluded.requests + CASE WHEN day = excluded.day THEN requests ELSE 0 END, "
    "tokens = excluded.tokens + CASE WHEN day = excluded.day THEN tokens ELSE 0 END, "
    "day = excluded.day"
)


class SqliteLimits:
    """What limited principals take, in the database."""

    _thread: SqliteThread
    _short: ShortJobs

    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        """Let a turn in, or say why not."""
        return await self._short.run(lambda db: _enter(db, turn, limits, until), writes=True)

    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        """Give the turn's place back."""
        await self._short.run(lambda db: _leave(db, turn, tokens, spent, now), writes=True)

    async def renew_turns(self, turns: Sequence[LimitedTurn], until: float, now: float) -> None:  # noqa: ARG002  # the protocol's
        """Have turns count as running for longer."""
        rows = [(until, turn.principal, turn.turn_id) for turn in turns]
        await self._thread.run(
            lambda db: db.executemany(
                "UPDATE limited_turns SET runs_until = max(runs_until, ?) "
                "WHERE principal = ? AND turn_id = ? AND runs_until IS NOT NULL",
                rows,
            ),
            writes=True,
        )


def _enter(
    db: sqlite3.Connection, turn: LimitedTurn, limits: TokenLimits, until: float
) -> LimitUse:
    principal, now = turn.principal, turn.entered_at
    minute_ago = now - MINUTE_SECONDS
    db.execute(_SWEEP, (principal, minute_ago, now - LIMITED_TURN_SECONDS))
    rows = db.execute(
        "SELECT entered_at, runs_until FROM limited_turns WHERE principal = ?", (principal,)
    ).fetchall()
    today = db.execute(
        "SELECT requests, tokens FROM limited_days WHERE principal = ? AND day = ?",
        (principal, day_of(now)),
    ).fetchone()
    requests, tokens = today if today is not None else (0, 0)
    use = judge(
        limits,
        sorted([at for at, _ in rows if at > minute_ago]),
        requests,
        tokens,
        sum(ends is not None and ends > now for _, ends in rows),
        now,
    )
    if use.exceeded is None:
        db.execute(
            "INSERT OR REPLACE INTO limited_turns VALUES (?, ?, ?, ?)",
            (principal, turn.turn_id, now, until),
        )
        db.execute(_ADD_TO_DAY, (principal, day_of(now), 1, 0))
    return use


def _leave(db: sqlite3.Connection, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
    name = (turn.principal, turn.turn_id)
    left = db.execute(
        "UPDATE limited_turns SET runs_until = NULL "
        "WHERE principal = ? AND turn_id = ? AND runs_until IS NOT NULL",
        name,
    )
    if not left.rowcount:
        return
    if spent:
        db.execute(_ADD_TO_DAY, (turn.principal, day_of(now), 0, tokens))
        return
    db.execute("DELETE FROM limited_turns WHERE principal = ? AND turn_id = ?", name)
    db.execute(
        "UPDATE limited_days SET requests = requests - 1 WHERE principal = ? AND day = ?",
        (turn.principal, day_of(turn.entered_at)),
    )
