"""What the fake Messages API is asked, and how it answers."""

import json
from typing import Any, Literal

from msgspec import Struct

ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


INPUT_TOKENS, CACHE_CREATION_TOKENS, CACHE_READ_TOKENS, OUTPUT_TOKENS = 11, 7, 3, 20
"""The usage that every answer reports."""


class ToolCall(Struct, frozen=True):
    """A call of a tool that the model makes; `arguments` are those it writes."""

    name: str
    arguments: dict[str, Any] = {}


class Reply(Struct, frozen=True):
    """How one request is answered.

    Attributes:
        text: The answer; None echoes the last user text after `echo: `.
        thinking: Reasoning before it.
        pieces: In how many deltas the text comes.
        status: Another one than 200 answers with an error body.
        error: The message of an error body.
        headers: Further response headers.
        stop_reason: In `message_delta`.
        calls: Tools that the model wants to call, after its text or instead of answering.
        hold_after: After so many text deltas wait for `FakeMessagesApi.release`.
        then: What happens at that point: go on, drop the connection, or send an `overloaded`
            error event. Without `hold_after` it happens in the middle.
        hang: Accept the request and never answer.
        drop: Close the connection instead of answering.
    """

    text: str | None = None
    thinking: str = ""
    pieces: int = 5
    status: int = 200
    error: str = "scripted"
    headers: dict[str, str] = {}
    stop_reason: str = "end_turn"
    calls: tuple[ToolCall, ...] = ()
    hold_after: int | None = None
    then: Literal["go on", "cut", "error event"] = "go on"
    hang: bool = False
    drop: bool = False


class Request:
    """One recorded `POST /v1/messages`.

    Attributes:
        headers: Names in lower case.
        body: The decoded JSON body.
        state: `open` until it ends as `done`, `cut` (by the script) or `aborted` (the client left).
    """

    def __init__(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self.state: Literal["open", "done", "cut", "aborted"] = "open"
        self.sent_deltas = 0

    @property
    def system(self) -> str:
        """All of the system prompt, its blocks joined with newlines."""
        system = self.body.get("system") or ""
        if isinstance(system, str):
            return system
        return "\n".join(block.get("text", "") for block in system)

    @property
    def turns(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """The messages as pairs of role and blocks, without cache marks."""
        turns = []
        for message in self.body["messages"]:
            content = message["content"]
            if isinstance(content, str):
                content = [{"type": "text", "text": content}]
            blocks = [{k: v for k, v in b.items() if k != "cache_control"} for b in content]
            turns.append((message["role"], blocks))
        return turns

    @property
    def last_user_text(self) -> str:
        """The last text block that a user said."""
        for role, blocks in reversed(self.turns):
            texts = [block["text"] for block in blocks if block["type"] == "text"]
            if role == "user" and texts:
                return str(texts[-1])
        return ""


def message(request: Request) -> dict[str, object]:
    """The `message` of `message_start`."""
    usage = {
        "input_tokens": INPUT_TOKENS,
        "cache_creation_input_tokens": CACHE_CREATION_TOKENS,
        "cache_read_input_tokens": CACHE_READ_TOKENS,
        "output_tokens": 1,
    }
    return {
        "id": f"msg_fake_{id(request):x}",
        "type": "message",
        "role": "assistant",
        "model": request.body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def thinking(text: str) -> list[tuple[str, dict[str, object]]]:
    """The events of a block of reasoning."""
    start = {"type": "thinking", "thinking": "", "signature": ""}
    return [
        ("content_block_start", {"content_block": start}),
        ("content_block_delta", {"delta": {"type": "thinking_delta", "thinking": text}}),
        ("content_block_delta", {"delta": {"type": "signature_delta", "signature": "c2ln"}}),
        ("content_block_stop", {}),
    ]


def tool_use(call: ToolCall, index: int) -> list[tuple[str, dict[str, object]]]:
    """The events of a call of a tool, the content block of that index."""
    name = f"toolu_fake_{index}_{call.name}"
    start = {"type": "tool_use", "id": name, "name": call.name, "input": {}}
    arguments = json.dumps(call.arguments)
    return [
        ("content_block_start", {"content_block": start}),
        (
            "content_block_delta",
            {"delta": {"type": "input_json_delta", "partial_json": arguments}},
        ),
        ("content_block_stop", {}),
    ]


def pieces(text: str, count: int) -> list[str]:
    """A text in so many parts."""
    size = max(1, -(-len(text) // max(1, count)))
    return [text[start : start + size] for start in range(0, len(text), size)]
