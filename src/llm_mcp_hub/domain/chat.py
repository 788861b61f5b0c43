"""What is said in a conversation, and what a turn asks for.

Parts and messages can't be in a reference cycle, and there are many: `gc=False` spares the garbage
collector from looking at each of them again and again.
"""

from enum import StrEnum
from typing import Literal

from msgspec import Struct

from llm_mcp_hub.domain.tool import Tool


class TextPart(Struct, frozen=True, gc=False, tag="text", tag_field="type"):
    """Text."""

    text: str


class ImagePart(Struct, frozen=True, gc=False, tag="image", tag_field="type"):
    """An image by value.

    Attributes:
        media_type: An IANA type such as `image/png`.
        data: The image, base64.
    """

    media_type: str
    data: str


class FilePart(Struct, frozen=True, gc=False, omit_defaults=True, tag="file", tag_field="type"):
    """A document by value.

    Attributes:
        media_type: An IANA type such as `application/pdf`.
        data: The document, base64.
        name: What the client calls it; empty if it does not say.
    """

    media_type: str
    data: str
    name: str = ""


class ToolCallPart(Struct, frozen=True, gc=False, tag="tool_call", tag_field="type"):
    """A call the model made to a tool of the client's.

    Attributes:
        arguments: The arguments as the JSON text that the model wrote.
    """

    id: str
    name: str
    arguments: str


class ToolResultPart(
    Struct, frozen=True, gc=False, omit_defaults=True, tag="tool_result", tag_field="type"
):
    """What the client's tool answered to the call `call_id`.

    Attributes:
        images: What it answered beside the text.
        is_error: The tool failed, and `text` says how. Clients of OpenAI's dialect have no way to
            say so.
    """

    call_id: str
    text: str
    images: tuple[ImagePart, ...] = ()
    is_error: bool = False


Part = TextPart | ImagePart | FilePart | ToolCallPart | ToolResultPart
Role = Literal["user", "assistant", "tool"]


class Message(Struct, frozen=True, gc=False, omit_defaults=True):
    """One message: a role and its parts, in order. System prompts are not messages."""

    role: Role
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """All text parts, joined."""
        # By type: `isinstance` costs ten times as much where it is false.
        return "".join([part.text for part in self.parts if type(part) is TextPart])


class Effort(StrEnum):
    """How hard a reasoning model should think."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"


class Priority(StrEnum):
    """Which requests get a worker first."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class TurnOptions(Struct, frozen=True):
    """How the answer should be made. `None` leaves the choice to the provider.

    Attributes:
        max_tokens: Upper bound of generated tokens.
    """

    max_tokens: int | None = None
    effort: Effort | None = None


class TurnRequest(Struct, frozen=True):
    """One turn, ready for a provider.

    Attributes:
        model: The provider's own name of the model, without `provider/`.
        messages: The whole conversation, oldest first; the last is from the user or a tool.
        prior: How many of `messages` were part of the conversation before this turn.
        prior_digest: `domain.transcript` digest of those, which names the conversation state
            that a parked worker must be in to continue it.
        digest: Digest of all of `messages`.
        tools: What the model is to be shown of the client's tools; only to providers that take
            any, see `Capability`.
        parallel_tool_calls: Whether one answer may have more than one call.
        priority: Its place in the queue before the provider's workers.
    """

    turn_id: str
    principal: str
    model: str
    messages: tuple[Message, ...]
    prior: int
    prior_digest: str
    digest: str
    system: str = ""
    options: TurnOptions = TurnOptions()
    tools: tuple[Tool, ...] = ()
    parallel_tool_calls: bool = True
    priority: Priority = Priority.INTERACTIVE
