"""The sessions that turns went on from lately, so that a store need not read their messages again.

Guarantee: what is kept is bounded in number and in bytes, and what was kept longest ago goes first.
It is how a session was at some time: another hub on the same store may have changed it, deleted it
or begun it anew, so a store compares it, under the session's lease, with what it has.
"""

from collections import OrderedDict

from msgspec import Struct

from llm_mcp_hub.domain.session import Session, SessionSummary
from llm_mcp_hub.state.base import SessionKey

MAX_SESSIONS = 512
MAX_BYTES = 16 * 1024 * 1024
"""Of messages as they are stored; in memory they take about twice as much."""
MAX_SESSION_BYTES = MAX_BYTES // 4
"""A session of many images would have everybody else's forgotten."""


class RecentSession(Struct, frozen=True):
    """A session as it was stored at some time.

    Attributes:
        size: How many bytes its messages take in the store.
        row: Where it is there, if the store has numbers for that.
    """

    session: Session
    size: int
    row: int = 0


class RecentSessions:
    """See the module."""

    def __init__(self) -> None:
        self._kept: OrderedDict[SessionKey, RecentSession] = OrderedDict()
        self._bytes = 0

    def find(self, principal: str, session_id: str) -> RecentSession | None:
        """What is known of a session, which the caller compares with what is stored."""
        return self._kept.get((principal, session_id))

    def keep(self, recent: RecentSession) -> None:
        """Keep what has been read or written."""
        summary = recent.session.summary
        key = (summary.principal, summary.id)
        self.forget(*key)
        if recent.size > MAX_SESSION_BYTES:
            return
        self._kept[key] = recent
        self._bytes += recent.size
        while len(self._kept) > MAX_SESSIONS or self._bytes > MAX_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size

    def forget(self, principal: str, session_id: str) -> None:
        """Keep nothing of a session."""
        found = self._kept.pop((principal, session_id), None)
        if found is not None:
            self._bytes -= found.size


def same(one: SessionSummary, other: SessionSummary) -> bool:
    """Whether two summaries of a session are of the same messages."""
    return (
        one.revision == other.revision
        and one.digest == other.digest
        and one.created_at == other.created_at
        and one.message_count == other.message_count
    )
