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
    RecentSession,
    RecentSessions,
    same,
)


def known(recent: RecentSessions, name: str = "one") -> bool:
    return recent.find("ann", name) is not None


def session(name: str = "one", revision: int = 1, created_at: float = 1.0) -> Session:
    digest = f"digest-{revision}"
    message = StoredMessage(Message("user", f"{name} {revision}"), digest, 1.0)
    summary = SessionSummary(
        name, "ann", revision, "echo/echo", "", digest, 1, Usage(), created_at, 1.0, 2.0
    )
    return Session(summary, (message,))


def test_a_session_is_found_as_it_was_kept_last():
    recent = RecentSessions()
    recent.keep(RecentSession(session(), 10))
    latest = RecentSession(session(revision=2), 20)
    recent.keep(latest)

    assert recent.find("ann", "one") is latest
    assert recent.find("bob", "one") is None
    recent.forget("ann", "one")
    assert recent.find("ann", "one") is None


def test_the_same_session_may_end_later_but_has_changed_in_nothing_else():
    summary = session().summary

    assert same(summary, msgspec.structs.replace(summary, expires_at=9.0))
    assert not same(summary, session(revision=2).summary)
    assert not same(summary, session(created_at=5.0).summary)
    assert not same(summary, msgspec.structs.replace(summary, digest="another"))
    assert not same(summary, msgspec.structs.replace(summary, message_count=2))


def test_one_large_session_does_not_drive_out_the_others():
    recent = RecentSessions()
    recent.keep(RecentSession(session("small"), 10))
    recent.keep(RecentSession(session("large"), MAX_SESSION_BYTES + 1))

    assert not known(recent, "large")
    assert known(recent, "small")


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
        recent.keep(RecentSession(session(str(number)), size))
        last.pop(number, None)
        last[number] = size
    kept = {n: size for n, size in last.items() if known(recent, str(n))}

    assert len(kept) <= MAX_SESSIONS
    assert sum(kept.values()) <= MAX_BYTES
    assert list(kept) == list(last)[len(last) - len(kept) :]
