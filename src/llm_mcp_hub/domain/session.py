"""Conversations that the hub remembers."""

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.domain.chunk import Usage


class StoredMessage(Struct, frozen=True, gc=False):
    """A message and the digest of the transcript up to and including it."""

    message: Message
    digest: str
    created_at: float


class SessionSummary(Struct, frozen=True):
    """A session without its messages. Times are Unix seconds.

    Attributes:
        revision: Grows by one with every stored turn.
        model: `provider/name` of the latest turn.
        digest: Digest of the whole transcript.
    """

    id: str
    principal: str
    revision: int
    model: str
    system: str
    digest: str
    message_count: int
    usage: Usage
    created_at: float
    updated_at: float
    expires_at: float


class Session(Struct, frozen=True):
    """A session with its messages, oldest first."""

    summary: SessionSummary
    messages: tuple[StoredMessage, ...]


class SessionPage(Struct, frozen=True):
    """One page of a listing, newest first. `next_cursor` is None on the last page."""

    sessions: tuple[SessionSummary, ...]
    next_cursor: str | None


class SessionAppend(Struct, frozen=True):
    """What one turn changes in a session.

    Attributes:
        expected_revision: The revision the turn started from, 0 for a session that is new.
        keep: How many of the stored messages stay. The rest, which the caller has rewritten,
            is dropped.
        messages: What follows them.
        usage: Tokens of this turn, to be added to the session's.
        expected_created_at: `created_at` of the session the turn started from, by which a
            session that was deleted and begun anew under the same id is told from it. None
            does not check this.
    """

    expected_revision: int
    keep: int
    messages: tuple[StoredMessage, ...]
    model: str
    system: str
    usage: Usage
    expected_created_at: float | None = None
