"""The sessions a store remembers beside what it has stored."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import Session, SessionSummary, StoredMessage
from llm_mcp_hub.state.recent_sessions import (
    MAX_BYTES,
    MAX_SESSION_BYTES,
    MAX_SESSIONS,
    RecentSessions,
)


def session(name: str = "one", revision: int = 1, created_at: float = 1.0) -> Session:
    digest = f"digest-{revision}"
    message = StoredMessage(Message("user", f"{name} {revision}"), digest, 1.0)
    summary = SessionSummary(
        name, "ann", revision, "echo/echo", "", digest, 1, Usage(), created_at, 1.0, 2.0
    )
    return Session(summary, (message,))


def test_messages_are_known_for_the_summary_they_were_kept_with():
    recent = RecentSessions()
    kept = session()
    recent.put(kept, 10)

    later = msgspec.structs.replace(kept.summary, expires_at=9.0)
    assert recent.messages(later) is kept.messages


def test_a_session_that_has_changed_meanwhile_is_not_known():
    recent = RecentSessions()
    recent.put(session(), 10)

    assert recent.messages(session(revision=2).summary) is None
    assert recent.messages(session(created_at=5.0).summary) is None
    assert recent.messages(session("two").summary) is None


def test_one_large_session_does_not_drive_out_the_others():
    recent = RecentSessions()
    recent.put(session("small"), 10)
    recent.put(session("large"), MAX_SESSION_BYTES + 1)

    assert recent.messages(session("large").summary) is None
    assert recent.messages(session("small").summary) is not None


@given(
    st.lists(
        st.tuples(st.integers(0, 2 * MAX_SESSIONS), st.integers(0, MAX_SESSION_BYTES)),
        max_size=60,
    ),
    st.booleans(),
)
def test_what_is_kept_is_bounded_and_the_latest_is_kept(puts, many):
    recent = RecentSessions()
    last: dict[int, int] = {}
    filling = [(number, 1) for number in range(2 * MAX_SESSIONS)] if many else []
    for number, size in [*filling, *puts]:
        recent.put(session(str(number)), size)
        last.pop(number, None)
        last[number] = size
    kept = {n: size for n, size in last.items() if recent.messages(session(str(n)).summary)}

    assert len(kept) <= MAX_SESSIONS
    assert sum(kept.values()) <= MAX_BYTES
    assert list(kept) == list(last)[len(last) - len(kept) :]
