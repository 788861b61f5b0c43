"""Pages of sessions, found without reading what is long about those that are not on the page.

What was used last is found by an index, if it is one principal's; for everything else the sessions'
rows are read, which are short, once for each page.
"""

import sqlite3

from llm_mcp_hub.domain.session import Listing, SessionSort, SessionSummary
from llm_mcp_hub.state.paging import Position
from llm_mcp_hub.state.sqlite_sessions import COLUMNS, summary_of

_SORTED_BY = {
    SessionSort.LAST_USED: "updated_at",
    SessionSort.CREATED: "created_at",
    SessionSort.MESSAGES: "message_count",
    SessionSort.TOKENS: "input_tokens + output_tokens",
}
_SEARCHED = "lower(id || char(10) || principal || char(10) || model || char(10) || title)"


def page(
    db: sqlite3.Connection,
    principal: str | None,
    limit: int,
    after: Position | None,
    now: float,
    listing: Listing,
) -> list[SessionSummary]:
    """The first `limit` sessions after a position."""
    by = _SORTED_BY[listing.sort]
    where = ["expires_at > ?"]
    values: list[float | str] = [now]
    if principal is not None:
        where.append("principal = ?")
        values.append(principal)
    if after is not None:
        sign = ">" if listing.ascending else "<"
        # The first comparison repeats what the second implies, for the index to be used.
        where.append(f"{by} {sign}= ? AND ({by}, principal, id) {sign} (?, ?, ?)")
        values += [after[0], *after]
    for word in listing.words:
        where.append(f"instr({_SEARCHED}, ?)")
        values.append(word)
    way = "ASC" if listing.ascending else "DESC"
    rows = db.execute(
        # Constants only; what callers say is among the values.
        f"SELECT {COLUMNS} FROM sessions JOIN ("  # noqa: S608
        f"SELECT key AS found, {by} AS value FROM sessions WHERE {' AND '.join(where)} "
        f"ORDER BY {by} {way}, principal {way}, id {way} LIMIT ?) ON key = found "
        f"ORDER BY value {way}, principal {way}, id {way}",
        (*values, limit),
    )
    return [summary_of(row) for row in rows]
