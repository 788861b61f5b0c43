"""What the scripts of sessions are given, and what their replies mean: functions without I/O.

A script is told which session the hub knows from before, and sends none of it again if it is still
that one: its revision, digest, creation and last change are the same. Its end of life may differ.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import (
    Session,
    SessionAppend,
    SessionSummary,
    StoredMessage,
    title_of,
)
from llm_mcp_hub.domain.transcript import EMPTY
from llm_mcp_hub.state.base import Lease
from llm_mcp_hub.state.recent_sessions import RecentSession, RecentSessions
from llm_mcp_hub.state.redis_client import Value
from llm_mcp_hub.state.redis_listing import summary_of

SLACK_SECONDS = 3600.0
"""Keys outlive what they hold by so much. Their expiry only collects garbage, by the clock of
the server, which may differ from the hub's."""
SAME = 1
"""The reply of a script that has found the very session that is known."""

encode_message = msgspec.json.Encoder().encode
pack = msgspec.msgpack.Encoder().encode
"""Packs the arguments of a script."""
_decode_messages = msgspec.json.Decoder(tuple[StoredMessage, ...]).decode


def version_of(known: Session | None) -> tuple[Value, ...]:
    """What tells a script which session is known."""
    if known is None:
        return (0, 0, 0, 0, "")
    summary = known.summary
    times = (summary.expires_at, summary.created_at, summary.updated_at)
    return (summary.revision, *times, summary.digest)


def lease_args(lease: Lease, now: float) -> tuple[Value, ...]:
    """A lease, its end, and how long its key is to live."""
    return (lease.id, now + lease.seconds, milliseconds(lease.seconds))


def append_args(change: SessionAppend) -> tuple[Value, ...]:
    """A change, without its messages."""
    expected = change.expected_created_at
    return (
        *(change.expected_revision, False if expected is None else expected, change.keep),
        change.messages[-1].digest if change.messages else EMPTY,
        *(change.model, change.system, title_of(change.messages)),
        *msgspec.structs.astuple(change.usage),
    )


def milliseconds(seconds: float) -> int:
    """How long a key is to live whose content lives for so many seconds."""
    return int((max(seconds, 0.0) + SLACK_SECONDS) * 1000)


def known_session(reply: Any, known: Session | None) -> Session | None:
    """The session as it is known, if that is what a script has found."""
    if known is None or reply == SAME:
        return known
    if len(reply) != 1:
        return None
    summary = msgspec.structs.replace(known.summary, expires_at=float(reply[0]))
    return Session(summary, known.messages)


def read_session(principal: str, reply: Any) -> tuple[Session, int]:
    """The session that a script has read, and how many bytes its messages take there."""
    session_id, fields, messages = reply
    summary = summary_of(principal, session_id.decode(), fields)
    session = Session(summary, _decode_messages(b"[" + b",".join(messages) + b"]"))
    return session, sum(map(len, messages))


def after_append(
    principal: str,
    session_id: str,
    change: SessionAppend,
    reply: Sequence[Any],
    expires_at: float,
    now: float,
) -> SessionSummary:
    """The session as the script of an append has left it."""
    created_at, kept, title, _, digest, *usage = reply
    return SessionSummary(
        id=session_id,
        principal=principal,
        revision=change.expected_revision + 1,
        model=change.model,
        system=change.system,
        digest=digest.decode(),
        message_count=kept + len(change.messages),
        usage=Usage(*usage),
        created_at=float(created_at) if created_at else now,
        updated_at=now,
        expires_at=expires_at,
        title=title.decode(),
    )


def remember(
    recent: RecentSessions,
    after: SessionSummary,
    change: SessionAppend,
    reply: Sequence[Any],
    size: int,
) -> None:
    """Keep a session as an append has left it, if all of its messages are known.

    Args:
        recent: What is kept.
        after: The session.
        change: What was appended.
        reply: Of the script.
        size: How many bytes the new messages take in the store.
    """
    kept, before = reply[1], reply[3].decode()
    known = recent.find(after.principal, after.id)
    if kept == 0:
        recent.keep(RecentSession(Session(after, change.messages), size))
        return
    if known is not None:
        summary, messages = known.session.summary, known.session.messages
        was = (summary.digest, summary.created_at, len(messages))
        if (before, after.created_at, kept) == was:
            session = Session(after, messages + change.messages)
            recent.keep(RecentSession(session, known.size + size))
            return
    recent.forget(after.principal, after.id)
