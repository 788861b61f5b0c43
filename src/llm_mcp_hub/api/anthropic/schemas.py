"""Requests of `POST /v1/messages` as Anthropic's clients write them (API reference of 2026).

Requests are tolerant: a field that is not listed here is ignored, `cache_control` above all, which
says where the vendor may cache: its programs decide that by themselves.
"""

from typing import Any, Literal

from msgspec import Struct


class TextBlock(Struct, frozen=True, tag="text", tag_field="type"):
    """Text."""

    text: str


class Base64Source(Struct, frozen=True, tag="base64", tag_field="type"):
    """Data by value."""

    media_type: str
    data: str


class UrlSource(Struct, frozen=True, tag="url", tag_field="type"):
    """Data by its address."""

    url: str


class FileSource(Struct, frozen=True, tag="file", tag_field="type"):
    """A file that was uploaded to Anthropic; refused."""


class TextSource(Struct, frozen=True, tag="text", tag_field="type"):
    """A document that is plain text."""

    data: str


class ContentSource(Struct, frozen=True, tag="content", tag_field="type"):
    """A document made of blocks; refused."""


class ImageBlock(Struct, frozen=True, tag="image", tag_field="type"):
    """An image: png, jpeg, gif or webp."""

    source: Base64Source | UrlSource | FileSource


class DocumentBlock(Struct, frozen=True, tag="document", tag_field="type"):
    """A document, of which the hub takes plain text."""

    source: Base64Source | UrlSource | FileSource | TextSource | ContentSource
    title: str | None = None
    context: str | None = None


class SearchResultBlock(Struct, frozen=True, tag="search_result", tag_field="type"):
    """A passage to be cited; refused."""


class ToolReferenceBlock(Struct, frozen=True, tag="tool_reference", tag_field="type"):
    """A tool that a search has found; refused."""


class ToolUseBlock(Struct, frozen=True, tag="tool_use", tag_field="type"):
    """A call of the client's tool that the model made earlier."""

    id: str
    name: str
    input: dict[str, Any] = {}


class ToolResultBlock(Struct, frozen=True, tag="tool_result", tag_field="type"):
    """What the client's tool answered."""

    tool_use_id: str
    content: (
        str
        | list[TextBlock | ImageBlock | DocumentBlock | SearchResultBlock | ToolReferenceBlock]
        | None
    ) = None
    is_error: bool | None = None


class ThinkingBlock(Struct, frozen=True, tag="thinking", tag_field="type"):
    """Reasoning of an earlier answer. Without effect: vendors' programs keep their own."""

    thinking: str = ""


class RedactedThinkingBlock(Struct, frozen=True, tag="redacted_thinking", tag_field="type"):
    """The same, not readable. Without effect."""


class ServerToolUseBlock(Struct, frozen=True, tag="server_tool_use", tag_field="type"):
    """A call of a tool of Anthropic's own; refused."""


class WebSearchResultBlock(Struct, frozen=True, tag="web_search_tool_result", tag_field="type"):
    """What Anthropic's own search found; refused."""


class WebFetchResultBlock(Struct, frozen=True, tag="web_fetch_tool_result", tag_field="type"):
    """What Anthropic itself fetched; refused."""


class ContainerUploadBlock(Struct, frozen=True, tag="container_upload", tag_field="type"):
    """A file for Anthropic's own machines; refused."""


ContentBlock = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ToolUseBlock
    | ToolResultBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ServerToolUseBlock
    | WebSearchResultBlock
    | WebFetchResultBlock
    | ContainerUploadBlock
)


class InputMessage(Struct, frozen=True):
    """One message of the conversation. `system` stands for instructions, wherever it is."""

    role: Literal["user", "assistant", "system"]
    content: str | list[ContentBlock]


class ClientTool(Struct, frozen=True):
    """A tool of the client's; one with another `type` than `custom` is Anthropic's own: refused."""

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    strict: bool | None = None
    input_examples: list[Any] | None = None


class AutoChoice(Struct, frozen=True, tag="auto", tag_field="type"):
    """The model decides whether to call a tool."""

    disable_parallel_tool_use: bool = False


class AnyChoice(Struct, frozen=True, tag="any", tag_field="type"):
    """The model must call a tool."""

    disable_parallel_tool_use: bool = False


class NamedChoice(Struct, frozen=True, tag="tool", tag_field="type"):
    """The model must call this tool."""

    name: str
    disable_parallel_tool_use: bool = False


class NoChoice(Struct, frozen=True, tag="none", tag_field="type"):
    """The model must not call a tool."""


ToolChoiceParam = AutoChoice | AnyChoice | NamedChoice | NoChoice


class ThinkingEnabled(Struct, frozen=True, tag="enabled", tag_field="type"):
    """Think, with so many tokens at most."""

    budget_tokens: int
    display: Literal["summarized", "omitted"] | None = None


class ThinkingAdaptive(Struct, frozen=True, tag="adaptive", tag_field="type"):
    """Think as much as the model finds right."""

    display: Literal["summarized", "omitted"] | None = None


class ThinkingBetweenTools(Struct, frozen=True, tag="between_tools", tag_field="type"):
    """Think between calls of tools."""


class ThinkingDisabled(Struct, frozen=True, tag="disabled", tag_field="type"):
    """Do not think."""


class JsonFormat(Struct, frozen=True):
    """The answer is JSON that fits a schema."""

    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(Struct, frozen=True):
    """How the answer should be made."""

    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None


class MessagesRequest(Struct, frozen=True):
    """`POST /v1/messages`."""

    model: str
    max_tokens: int
    messages: list[InputMessage]
    system: str | list[TextBlock] | None = None
    stream: bool | None = None
    tools: list[ClientTool] | None = None
    tool_choice: ToolChoiceParam | None = None
    thinking: (
        ThinkingEnabled | ThinkingAdaptive | ThinkingBetweenTools | ThinkingDisabled | None
    ) = None
    output_config: OutputConfig | None = None
    output_format: JsonFormat | None = None
    metadata: Any = None
    stop_sequences: list[str] | None = None
    container: Any = None
    mcp_servers: list[Any] | None = None
    context_management: Any = None
    compaction: Any = None
    fallbacks: list[Any] | None = None
    prefill: Any = None
    thread: Any = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    cache_control: Any = None
    diagnostics: Any = None
    inference_geo: str | None = None
    service_tier: str | None = None
    speed: str | None = None
