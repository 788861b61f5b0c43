"""What clients of the Responses API send (API reference of 2026, "Create a model response").

Requests are tolerant: a field that is not listed here is ignored. Items and tools are looked at one
by one in `input_items` and `convert`, so that what the hub does not have is refused by its name.
"""

from typing import Any, Literal

from msgspec import Struct, field


class TextPart(Struct, frozen=True, tag="input_text", tag_field="type"):
    """Text to the model."""

    text: str


class OutputTextPart(Struct, frozen=True, tag="output_text", tag_field="type"):
    """Text of the model's, sent back as history."""

    text: str


class RefusalPart(Struct, frozen=True, tag="refusal", tag_field="type"):
    """A refusal of the model's, sent back as history."""

    refusal: str


class ImagePart(Struct, frozen=True, tag="input_image", tag_field="type"):
    """An image."""

    image_url: str | None = None
    file_id: str | None = None


class FilePart(Struct, frozen=True, tag="input_file", tag_field="type"):
    """A PDF, as a `data:` URL."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None
    file_url: str | None = None


InputPart = TextPart | OutputTextPart | RefusalPart | ImagePart | FilePart
InputContent = str | list[dict[str, Any]] | None


class MessageItem(Struct, frozen=True, tag="message", tag_field="type"):
    """A message of any role."""

    role: Literal["user", "assistant", "system", "developer"]
    content: InputContent = None


class FunctionCallItem(Struct, frozen=True, tag="function_call", tag_field="type"):
    """A call that the model made; `arguments` is the text of a JSON object."""

    call_id: str
    name: str
    arguments: str = "{}"


class FunctionCallOutputItem(Struct, frozen=True, tag="function_call_output", tag_field="type"):
    """What the client's function answered."""

    call_id: str
    output: InputContent = None


class ReasoningItem(Struct, frozen=True, tag="reasoning", tag_field="type"):
    """Reasoning of the model's, sent back as history; it goes no further."""


class ReferenceItem(Struct, frozen=True, tag="item_reference", tag_field="type"):
    """An item of an answer that the hub keeps."""

    id: str


InputItem = MessageItem | FunctionCallItem | FunctionCallOutputItem | ReasoningItem | ReferenceItem


class FunctionTool(Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON Schema of an object."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(Struct, frozen=True):
    """A tool, by its name."""

    type: str
    name: str = ""


class AllowedTools(Struct, frozen=True):
    """A part of the tools, of which the model may or must call one."""

    mode: Literal["auto", "required"]
    tools: list[NamedTool]


class ResponseTextFormat(Struct, frozen=True):
    """The form of the answer's text; `schema` is a JSON Schema."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str = "answer"
    description: str | None = None
    schema_: dict[str, Any] | None = field(default=None, name="schema")
    strict: bool | None = None


class ResponseTextConfig(Struct, frozen=True):
    """What the answer's text should be like."""

    format: ResponseTextFormat | None = None
    verbosity: str | None = None


class ResponseReasoning(Struct, frozen=True):
    """How hard the model should think, and whether to tell what it thought."""

    effort: str | None = None
    summary: str | None = None


class ResponseConversation(Struct, frozen=True):
    """A conversation: here, a session of the hub's."""

    id: str


class ResponseStreamOptions(Struct, frozen=True):
    """What a stream should carry beside the answer; nothing here has an effect."""

    include_obfuscation: bool | None = None


class ResponseRequest(Struct, frozen=True):
    """`POST /v1/responses`. Without a model, the session's or the default one is meant."""

    input: str | list[dict[str, Any]]
    model: str | None = None
    instructions: str | list[dict[str, Any]] | None = None
    previous_response_id: str | None = None
    conversation: str | ResponseConversation | None = None
    store: bool | None = None
    background: bool | None = None
    stream: bool | None = None
    stream_options: ResponseStreamOptions | None = None
    max_output_tokens: int | None = None
    reasoning: ResponseReasoning | None = None
    text: ResponseTextConfig | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None
    metadata: dict[str, str] | None = None
    include: list[str] | None = None
    truncation: Literal["auto", "disabled"] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    max_tool_calls: int | None = None
    service_tier: str | None = None
    prompt: Any = None
    context_management: Any = None
    moderation: Any = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    user: str | None = None
