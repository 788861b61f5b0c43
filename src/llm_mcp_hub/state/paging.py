"""Where a page of sessions ends, as an opaque text.

A position survives anything that happens between two pages: it names the last session that was
listed by what the listing is ordered by, not by an offset.
"""

import base64
import binascii

import msgspec

from llm_mcp_hub.domain.session import Listing, SessionPage, SessionSort, SessionSummary
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.state.base import NEWEST_FIRST

Position = tuple[float, str, str]
"""What a session is sorted by, its principal and its id: the order of a listing."""

_Cursor = tuple[float, str, str] | tuple[float, str, str, str, bool]
_decoder = msgspec.json.Decoder(tuple[float, str, str])
_sorted_decoder = msgspec.json.Decoder(tuple[float, str, str, SessionSort, bool])


def sort_value(summary: SessionSummary, sort: SessionSort) -> float:
    """What a session is sorted by."""
    match sort:
        case SessionSort.LAST_USED:
            return summary.updated_at
        case SessionSort.CREATED:
            return summary.created_at
        case SessionSort.MESSAGES:
            return summary.message_count
        case SessionSort.TOKENS:
            return summary.tokens


def position(summary: SessionSummary, sort: SessionSort = SessionSort.LAST_USED) -> Position:
    """The place of a session in a listing."""
    return (sort_value(summary, sort), summary.principal, summary.id)


def read_cursor(cursor: str | None, listing: Listing = NEWEST_FIRST) -> Position | None:
    """The position after which a page begins; None for the first page.

    Raises:
        InvalidRequest: The text is no cursor of such a listing.
    """
    if cursor is None:
        return None
    try:
        body = base64.b64decode(cursor, altchars=b"-_", validate=True)
        if _is_default(listing):
            return _decoder.decode(body)
        value, principal, session_id, *order = _sorted_decoder.decode(body)
        if order != [listing.sort, listing.ascending]:
            raise ValueError("the cursor of another order")
    except (binascii.Error, ValueError, UnicodeError, msgspec.MsgspecError):
        raise InvalidRequest(
            "`cursor` is not one that a listing of sessions in this order has returned; "
            "leave it out to start with the first page",
            param="cursor",
        ) from None
    return (value, principal, session_id)


def make_page(
    found: list[SessionSummary], limit: int, listing: Listing = NEWEST_FIRST
) -> SessionPage:
    """A page from what was found for it, in order and read one further than `limit`."""
    if len(found) <= limit:
        return SessionPage(tuple(found), None)
    page = tuple(found[:limit])
    last: _Cursor = position(page[-1], listing.sort)
    if not _is_default(listing):
        last = (*last[:3], listing.sort.value, listing.ascending)
    cursor = base64.b64encode(msgspec.json.encode(last), altchars=b"-_")
    return SessionPage(page, cursor.decode())


def _is_default(listing: Listing) -> bool:
    return listing.sort is SessionSort.LAST_USED and not listing.ascending
