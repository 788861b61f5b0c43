"""What a caller asks for, through any door."""

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message, Priority, TurnOptions
from llm_mcp_hub.domain.response_format import TEXT, ResponseFormat
from llm_mcp_hub.domain.tool import Tool, ToolChoice


class ChatCommand(Struct, frozen=True):
    """One request for an answer.

    Attributes:
        model: A model's id, an alias, or several with commas between them, to be asked one after
            the other; empty for the session's, or the default.
        messages: New messages, or a whole history; the last is from the user or a tool.
        system: The system prompt; None to keep that of the session `session_id` names.
        tools: The caller's tools, each name once.
        tool_choice: Whether the model may, must or must not call one.
        parallel_tool_calls: Whether one answer may have more than one call.
        response_format: The form the text of the answer must have.
        session_id: The session the caller names, None to have it recognised or begun.
        hinted: Whether the client has named it for purposes of its own, so that a request which
            is no part of the session leaves it alone.
        remember: Whether anything is stored at all.
        resumable: Whether the answer can be fetched again after its connection has broken.
        include_usage: Whether the token counts are wanted among the events of the answer.
        key: An `Idempotency-Key`: the turn runs once for all requests of the principal with it.
        fingerprint: Digest of the request, which must be the same whenever `key` is.
        note: What is kept of the request with the answer, for as long as the session; empty for an
            answer that need not be found again.
    """

    model: str
    messages: tuple[Message, ...]
    system: str | None = None
    options: TurnOptions = TurnOptions()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    parallel_tool_calls: bool = True
    response_format: ResponseFormat = TEXT
    session_id: str | None = None
    hinted: bool = False
    remember: bool = True
    priority: Priority = Priority.INTERACTIVE
    resumable: bool = False
    include_usage: bool = False
    key: str | None = None
    fingerprint: str = ""
    note: bytes = b""
