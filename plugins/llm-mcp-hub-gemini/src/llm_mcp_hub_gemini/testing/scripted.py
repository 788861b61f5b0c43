"""What the fake Code Assist is asked, and how it answers."""

import json
from typing import Any, Literal

from msgspec import field

from llm_mcp_hub.testing.vendor_script import VendorReply, VendorRequest

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
INPUT_TOKENS, OUTPUT_TOKENS = 31, 17
"""The usage that every answer reports."""


class Reply(VendorReply, frozen=True):
    """How one request is answered; see `VendorReply`.

    Attributes:
        thought: Reasoning before the text.
        details: `details` of an error body.
        finish: `finishReason` of the last event; empty: there is none.
        tool: Name of a tool that the model wants to call instead of answering.
        arguments: Of that call.
        calls: Names and arguments of tools that the model calls at once, after the text if there is
            any.
    """

    thought: str = ""
    pieces: int = 4
    details: tuple[dict[str, Any], ...] = ()
    finish: str = "STOP"
    tool: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    then: Literal["go on", "cut"] = "go on"

    @property
    def error_body(self) -> dict[str, Any]:
        """The body of an error."""
        name = STATUS_NAMES.get(self.status, "UNKNOWN")
        error = {"code": self.status, "message": self.error, "status": name}
        return {"error": {**error, "details": list(self.details)}}


class Request(VendorRequest):
    """One recorded `streamGenerateContent`."""

    @property
    def model(self) -> str:
        """The model that is asked."""
        return str(self.body["model"])

    @property
    def system(self) -> str:
        """The system instruction."""
        parts = self.body["request"].get("systemInstruction", {}).get("parts", [])
        return "".join(part.get("text", "") for part in parts)

    @property
    def declarations(self) -> dict[str, dict[str, Any]]:
        """The functions that the model is told of, by name."""
        tools = self.body["request"].get("tools", [])
        found = [one for tool in tools for one in tool.get("functionDeclarations", [])]
        return {one["name"]: one for one in found}

    @property
    def turns(self) -> list[tuple[str, list[Any]]]:
        """The conversation as pairs of role and parts; a text stands for itself.

        What the tool itself puts before it, its `<session_context>`, is left out.
        """
        turns = []
        for content in self.body["request"]["contents"]:
            parts = [part["text"] if set(part) == {"text"} else part for part in content["parts"]]
            parts = [p for p in parts if not (isinstance(p, str) and p.startswith("<session_c"))]
            if parts:
                turns.append((content["role"], parts))
        return turns

    @property
    def last_user_text(self) -> str:
        """The last text that a user said, or what a tool answered."""
        for role, parts in reversed(self.turns):
            if role == "user":
                last = parts[-1]
                return last if isinstance(last, str) else json.dumps(last)
        return ""


def event(request: Request, parts: list[dict[str, Any]], finish: str = "") -> dict[str, Any]:
    """One event of a stream; the one with a finish has the usage."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    usage = {"promptTokenCount": INPUT_TOKENS}
    if finish:
        candidate["finishReason"] = finish
        usage["candidatesTokenCount"] = OUTPUT_TOKENS
    usage["totalTokenCount"] = sum(usage.values())
    response = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": request.model}
    return {"response": response, "traceId": "fake"}
