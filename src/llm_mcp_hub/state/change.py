"""What a stored turn makes of a session: the rules that every store applies, without I/O."""

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import SessionAppend, SessionSummary, title_of
from llm_mcp_hub.errors import SessionBusy, SessionChanged


def fits(change: SessionAppend, stored: SessionSummary | None) -> bool:
    """Whether the session is still the one, and at the revision, that the turn started from."""
    if stored is None:
        return change.expected_revision == 0
    return change.expected_revision == stored.revision and change.expected_created_at in (
        None,
        stored.created_at,
    )


def changed(
    principal: str,
    session_id: str,
    change: SessionAppend,
    stored: SessionSummary | None,
    kept_digest: str,
    now: float,
    ttl: float,
) -> SessionSummary:
    """The session after a change that fits it.

    `kept_digest` is the digest of what `change.keep` leaves, which counts if the change brings
    no message.
    """
    kept = min(change.keep, stored.message_count) if stored is not None else 0
    title = stored.title if stored is not None and kept else ""
    return SessionSummary(
        id=session_id,
        principal=principal,
        revision=change.expected_revision + 1,
        model=change.model,
        system=change.system,
        digest=change.messages[-1].digest if change.messages else kept_digest,
        message_count=kept + len(change.messages),
        usage=(stored.usage if stored is not None else Usage()) + change.usage,
        created_at=stored.created_at if stored is not None else now,
        updated_at=now,
        expires_at=now + ttl,
        title=title or title_of(change.messages),
    )


def busy(session_id: str) -> SessionBusy:
    """Another turn holds the lease."""
    return SessionBusy(
        f"Another turn is running on the session {session_id!r}; "
        "wait for its answer, or use another session",
    )


def moved_on(session_id: str) -> SessionChanged:
    """The compare in compare-and-append failed."""
    return SessionChanged(
        f"The session {session_id!r} was changed or deleted while this turn ran, so the turn "
        "was not stored; read the session and send the message again if it is still wanted",
    )
