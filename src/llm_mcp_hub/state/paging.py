"""Where a page of sessions ends, as an opaque text.

A position survives anything that happens between two pages: it names the last session that was
listed by what the listing is ordered by, not by an offset.
"""

import base64
import binascii

import msgspec

from llm_mcp_hub.domain.session import SessionPage, SessionSummary
from llm_mcp_hub.errors import InvalidRequest

Position = tuple[float, str, str]
"""`updated_at`, principal and id of a session: listings are ordered by it, descending."""

_decoder = msgspec.json.Decoder(Position)


def position(summary: SessionSummary) -> Position:
    """The place of a session in a listing."""
    return (summary.updated_at, summary.principal, summary.id)


def read_cursor(cursor: str | None) -> Position | None:
    """The position after which a page begins; None for the first page.

    Raises:
        InvalidRequest: The text is no cursor.
    """
    if cursor is None:
        return None
    try:
        found: Position = _decoder.decode(base64.b64decode(cursor, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, UnicodeError, msgspec.MsgspecError):
        raise InvalidRequest(
            "`cursor` is not one that a listing of sessions has returned; "
            "leave it out to start with the newest session",
            param="cursor",
        ) from None
    return found


def make_page(found: list[SessionSummary], limit: int) -> SessionPage:
    """A page from what was found for it, newest first and read one further than `limit`."""
    if len(found) <= limit:
        return SessionPage(tuple(found), None)
    page = tuple(found[:limit])
    cursor = base64.b64encode(msgspec.json.encode(position(page[-1])), altchars=b"-_")
    return SessionPage(page, cursor.decode())
