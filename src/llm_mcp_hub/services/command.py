"""What a caller asks for, through any door."""

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message, Priority, TurnOptions


class ChatCommand(Struct, frozen=True):
    """One request for an answer.

    Attributes:
        messages: New messages, or a whole history; the last is from the user or a tool.
        system: The system prompt; None to keep that of the session `session_id` names.
        session_id: The session the caller names, None to have it recognised or begun.
        remember: Whether anything is stored at all.
        resumable: Whether the answer can be fetched again after its connection has broken.
        include_usage: Whether the token counts are wanted among the events of the answer.
        key: An `Idempotency-Key`: the turn runs once for all requests of the principal with it.
        fingerprint: Digest of the request, which must be the same whenever `key` is.
    """

    model: str
    messages: tuple[Message, ...]
    system: str | None = None
    options: TurnOptions = TurnOptions()
    session_id: str | None = None
    remember: bool = True
    priority: Priority = Priority.INTERACTIVE
    resumable: bool = False
    include_usage: bool = False
    key: str | None = None
    fingerprint: str = ""
