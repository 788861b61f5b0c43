"""Chat completions as OpenAI's clients write and read them (API reference of 2026).

Requests are tolerant: a field that is not listed here is ignored.
"""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType, field

from llm_mcp_hub.api.openai.tool_schemas import Format, ToolChoice, Tools


class TextContent(Struct, frozen=True, tag="text", tag_field="type"):
    """Text."""

    text: str


class ImageUrl(Struct, frozen=True):
    """Where an image is: a `data:` URL, or one that the hub may fetch."""

    url: str


class ImageContent(Struct, frozen=True, tag="image_url", tag_field="type"):
    """An image."""

    image_url: ImageUrl


class RefusalContent(Struct, frozen=True, tag="refusal", tag_field="type"):
    """A refusal of the model's, sent back as history."""

    refusal: str


class AudioContent(Struct, frozen=True, tag="input_audio", tag_field="type"):
    """Audio; refused."""


class FileData(Struct, frozen=True):
    """A PDF, as a `data:` URL. `file_id` is refused: the hub keeps no files."""

    file_data: str | None = None
    filename: str | None = None
    file_id: str | None = None


class FileContent(Struct, frozen=True, tag="file", tag_field="type"):
    """A file."""

    file: FileData


ContentPart = TextContent | ImageContent | RefusalContent | AudioContent | FileContent
Content = str | list[ContentPart] | None


class FunctionCall(Struct, frozen=True):
    """The function a model called, with its arguments as JSON text."""

    name: str
    arguments: str = "{}"


class ToolCall(Struct, frozen=True):
    """A tool call in an assistant's message."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class SystemMessage(Struct, frozen=True, tag="system", tag_field="role"):
    """Instructions."""

    content: Content = None


class DeveloperMessage(Struct, frozen=True, tag="developer", tag_field="role"):
    """Instructions, by their newer name."""

    content: Content = None


class UserMessage(Struct, frozen=True, tag="user", tag_field="role"):
    """What the user says."""

    content: Content = None


class AssistantMessage(Struct, frozen=True, tag="assistant", tag_field="role"):
    """What the model said earlier."""

    content: Content = None
    tool_calls: list[ToolCall] | None = None
    function_call: Any = None
    refusal: str | None = None
    audio: Any = None


class ToolMessage(Struct, frozen=True, tag="tool", tag_field="role"):
    """What a tool answered: text, or parts that are text and images."""

    tool_call_id: str
    content: Content = None


class FunctionMessage(Struct, frozen=True, tag="function", tag_field="role"):
    """The predecessor of `tool`; refused."""


ChatMessage = (
    SystemMessage
    | DeveloperMessage
    | UserMessage
    | AssistantMessage
    | ToolMessage
    | FunctionMessage
)


class StreamOptions(Struct, frozen=True):
    """What a stream should carry beside the answer."""

    include_usage: bool = False


class ChatCompletionRequest(Struct, frozen=True):
    """`POST /v1/chat/completions`. Without a model, the session's or the default one is meant."""

    messages: list[ChatMessage]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    reasoning_effort: str | None = None
    user: str | None = None
    n: int | None = None
    stop: str | list[str] | None = None
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None
    functions: list[Any] | None = None
    function_call: Any = None
    response_format: Format | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    modalities: list[str] | None = None
    audio: Any = None
    web_search_options: Any = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: Any = None
    seed: int | None = None
    parallel_tool_calls: bool | None = None
    prediction: Any = None
    service_tier: str | None = None
    store: bool | None = None
    metadata: Any = None
    verbosity: str | None = None


class PromptTokensDetails(Struct, frozen=True):
    """Of the prompt's tokens, those read from a cache."""

    cached_tokens: int


class CompletionTokensDetails(Struct, frozen=True):
    """Of the completion's tokens, those spent on reasoning."""

    reasoning_tokens: int


class CompletionUsage(Struct, frozen=True):
    """Token counts of a turn."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails


class ToolCallObject(Struct, frozen=True):
    """A call that the model makes. `function.arguments` is the text of a JSON object."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"


class CompletionMessage(Struct, frozen=True):
    """The model's answer. `reasoning_content` is there if the model showed its reasoning."""

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: str | None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallObject] | UnsetType = UNSET


class Choice(Struct, frozen=True):
    """The one answer."""

    message: CompletionMessage
    finish_reason: str
    index: int = 0
    logprobs: None = None


class ChatCompletion(Struct, frozen=True):
    """A whole answer. `created` is Unix seconds."""

    id: str
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    object: Literal["chat.completion"] = "chat.completion"


class FunctionDelta(Struct, frozen=True):
    """What a chunk adds to a call: its name, once, or more of its arguments."""

    name: str | UnsetType = UNSET
    arguments: str = ""


class ToolCallDelta(Struct, frozen=True):
    """What a chunk adds to one of the answer's calls; its id and type come once."""

    index: int
    function: FunctionDelta
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class Delta(Struct, frozen=True):
    """What a chunk adds."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class ChunkChoice(Struct, frozen=True):
    """The one answer, in pieces."""

    delta: Delta
    index: int = 0
    logprobs: None = None
    finish_reason: str | None = None


class ChatCompletionChunk(Struct, frozen=True):
    """One event of a streamed answer."""

    id: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | UnsetType | None = UNSET
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"


class ModelObject(Struct, frozen=True):
    """A model, as OpenAI's clients read it and as Anthropic's do.

    Attributes:
        owned_by: Its provider; an alias is the hub's, and `stands_for` says what is asked for it.
        created: Unix seconds, 0 where the vendor does not say; `created_at` is the same (RFC 3339).
    """

    id: str
    owned_by: str
    display_name: str
    created: int = 0
    created_at: str = "1970-01-01T00:00:00Z"
    object: Literal["model"] = "model"
    stands_for: tuple[str, ...] | UnsetType = UNSET
    type: Literal["model"] = "model"
    lifecycle: Literal["active"] = "active"


class ModelList(Struct, frozen=True):
    """`GET /v1/models`: all of them on one page."""

    data: list[ModelObject] = field(default_factory=list)
    first_id: str | None = None
    last_id: str | None = None
    has_more: Literal[False] = False
    object: Literal["list"] = "list"
