"""Tools of the client's that a model may call.

The hub never runs a tool. It shows the model what the client offers, gives the client the model's
calls, and the model the client's results.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Literal

import msgspec
from msgspec import Struct

NO_TOOLS = ""
"""The digest of no tools at all."""

_encode = msgspec.json.Encoder(order="deterministic").encode


class Tool(Struct, frozen=True):
    """A function of the client's.

    Attributes:
        name: As the client knows it. Calls name it so, whatever a vendor's program makes of it.
        parameters: The JSON Schema of its arguments, which are an object.
        strict: The client relies on arguments that fit the schema exactly.
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )
    strict: bool = False


class ToolChoice(Struct, frozen=True):
    """Whether the model may, must or must not call a tool.

    Attributes:
        names: Only these tools may be called; None for any of them.
    """

    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] | None = None

    def among(self, tools: Sequence[Tool]) -> tuple[Tool, ...]:
        """Those of the client's tools that the model is to see."""
        if self.mode == "none":
            return ()
        return tuple(tool for tool in tools if self.names is None or tool.name in self.names)


def tools_digest(tools: Sequence[Tool]) -> str:
    """Two lists of tools have the same digest exactly when they are the same to a model."""
    if not tools:
        return NO_TOOLS
    return blake2b(_encode(tuple(tools)), digest_size=16).hexdigest()
