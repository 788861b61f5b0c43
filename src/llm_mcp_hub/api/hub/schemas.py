"""The hub's own objects on the wire. Times are Unix seconds."""

from typing import Literal

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import Session, SessionSummary
from llm_mcp_hub.services.status import ProviderReport, TokenReport


class SessionObject(Struct, frozen=True):
    """A session. `owner` is the principal it belongs to, `running_turn` what runs on it now."""

    id: str
    owner: str
    title: str
    model: str
    revision: int
    message_count: int
    usage: Usage
    created_at: float
    updated_at: float
    expires_at: float
    running_turn: str | None = None
    object: Literal["session"] = "session"


class SessionMessage(Struct, frozen=True):
    """A message of a session."""

    message: Message
    created_at: float


class SessionDetail(Struct, frozen=True):
    """A session with its conversation."""

    session: SessionObject
    system: str
    messages: list[SessionMessage]


class SessionList(Struct, frozen=True):
    """A page of sessions. `next_cursor` goes into `cursor` for the next page."""

    data: list[SessionObject]
    next_cursor: str | None
    object: Literal["list"] = "list"


class ProviderList(Struct, frozen=True):
    """All providers."""

    data: list[ProviderReport]
    object: Literal["list"] = "list"


class TokenList(Struct, frozen=True):
    """The providers' logins."""

    data: list[TokenReport]
    object: Literal["list"] = "list"


class Liveness(Struct, frozen=True):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Readiness(Struct, frozen=True):
    """Whether requests should be sent here."""

    ready: bool


def session_object(summary: SessionSummary, running_turn: str | None = None) -> SessionObject:
    """A session for the wire."""
    return SessionObject(
        id=summary.id,
        owner=summary.principal,
        title=summary.title,
        model=summary.model,
        revision=summary.revision,
        message_count=summary.message_count,
        usage=summary.usage,
        created_at=summary.created_at,
        updated_at=summary.updated_at,
        expires_at=summary.expires_at,
        running_turn=running_turn,
    )


def session_detail(session: Session, running_turn: str | None = None) -> SessionDetail:
    """A session with its conversation, for the wire."""
    return SessionDetail(
        session=session_object(session.summary, running_turn),
        system=session.summary.system,
        messages=[SessionMessage(entry.message, entry.created_at) for entry in session.messages],
    )
