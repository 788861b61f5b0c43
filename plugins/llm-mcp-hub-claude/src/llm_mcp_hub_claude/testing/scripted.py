"""What the fake Messages API is asked, and how it answers."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from msgspec import Struct, field

from llm_mcp_hub.testing.vendor_script import VendorReply, VendorRequest, pieces

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

Event = tuple[str, dict[str, object]]

INPUT_TOKENS, CACHE_CREATION_TOKENS, CACHE_READ_TOKENS, OUTPUT_TOKENS = 11, 7, 3, 20
"""The usage that every answer reports."""


class ToolCall(Struct, frozen=True):
    """A call of a tool that the model makes.

    Attributes:
        name: As the model sees it.
        arguments: Those it writes; a string is written as it is.
        pieces: In how many events they come.
    """

    name: str
    arguments: dict[str, Any] | str = {}
    pieces: int = 2


class Reply(VendorReply, frozen=True):
    """How one request is answered; see `VendorReply`.

    Attributes:
        thinking: Reasoning before the text.
        headers: Further response headers.
        stop_reason: In `message_delta`.
        calls: Tools that the model wants to call, after its text or instead of answering.
        then: Also `error event`: send one that says `overloaded`.
        drop: Close the connection instead of answering.
    """

    thinking: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    stop_reason: str = "end_turn"
    calls: tuple[ToolCall, ...] = ()
    then: Literal["go on", "cut", "error event"] = "go on"
    drop: bool = False


class Request(VendorRequest):
    """One recorded `POST /v1/messages`."""

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
    def conversation(self) -> list[tuple[str, list[dict[str, Any]]]]:
        """`turns` without what the tool says of its surroundings."""
        return [turn for turn in self.turns if turn[0] != "system"]

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


def said(parts: Iterable[str]) -> list[Event]:
    """The events of a block of text."""
    deltas = [{"type": "text_delta", "text": part} for part in parts]
    return [
        ("content_block_start", {"content_block": {"type": "text", "text": ""}}),
        *_deltas(deltas),
        ("content_block_stop", {}),
    ]


def thinking(text: str) -> list[Event]:
    """The events of a block of reasoning."""
    start = {"type": "thinking", "thinking": "", "signature": ""}
    return [
        ("content_block_start", {"content_block": start}),
        ("content_block_delta", {"delta": {"type": "thinking_delta", "thinking": text}}),
        ("content_block_delta", {"delta": {"type": "signature_delta", "signature": "c2ln"}}),
        ("content_block_stop", {}),
    ]


def tool_use(call: ToolCall, call_id: str) -> list[Event]:
    """The events of a call of a tool."""
    start = {"type": "tool_use", "id": call_id, "name": call.name, "input": {}}
    written = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
    deltas = [
        {"type": "input_json_delta", "partial_json": piece}
        for piece in pieces(written, call.pieces)
    ]
    return [
        ("content_block_start", {"content_block": start}),
        *_deltas(deltas),
        ("content_block_stop", {}),
    ]


def breakable(fields: Mapping[str, object]) -> bool:
    """Whether an event is a piece that a script can hold or break off before."""
    delta = fields.get("delta")
    return isinstance(delta, dict) and delta["type"] in ("text_delta", "input_json_delta")


def _deltas(deltas: Iterable[dict[str, str]]) -> list[Event]:
    return [("content_block_delta", {"delta": delta}) for delta in deltas]
