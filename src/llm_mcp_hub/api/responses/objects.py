"""What clients of the Responses API get (API reference of 2026, "The response object")."""

from typing import Any, Literal

from msgspec import Struct, field

Status = Literal["completed", "incomplete", "failed", "in_progress", "cancelled"]
ItemStatus = Literal["in_progress", "completed", "incomplete"]


class OutputText(Struct, frozen=True, tag="output_text", tag_field="type"):
    """Text of the answer."""

    text: str
    annotations: list[Any] = []
    logprobs: list[Any] = []


class OutputRefusal(Struct, frozen=True, tag="refusal", tag_field="type"):
    """Why the model does not answer in the form that was asked for."""

    refusal: str


class OutputMessage(Struct, frozen=True, tag="message", tag_field="type"):
    """What the model says."""

    id: str
    content: list[OutputText | OutputRefusal]
    status: ItemStatus
    role: Literal["assistant"] = "assistant"


class SummaryText(Struct, frozen=True):
    """Reasoning, as far as the vendor's tool shows it."""

    text: str
    type: Literal["summary_text"] = "summary_text"


class OutputReasoning(Struct, frozen=True, tag="reasoning", tag_field="type"):
    """What the model thought before it went on."""

    id: str
    summary: list[SummaryText]


class OutputCall(Struct, frozen=True, tag="function_call", tag_field="type"):
    """A call that the model makes; `arguments` is the text of a JSON object."""

    id: str
    call_id: str
    name: str
    arguments: str
    status: ItemStatus


OutputItem = OutputMessage | OutputReasoning | OutputCall


class ResponseError(Struct, frozen=True):
    """Why there is no answer, in the few codes that the reference has."""

    code: Literal["server_error", "rate_limit_exceeded", "invalid_prompt"]
    message: str


class IncompleteDetails(Struct, frozen=True):
    """Why the answer ends early."""

    reason: Literal["max_output_tokens", "content_filter"]


class InputTokensDetails(Struct, frozen=True):
    """Of the input tokens, those read from a cache; what was written to it is not known."""

    cached_tokens: int
    cache_write_tokens: int = 0


class OutputTokensDetails(Struct, frozen=True):
    """Of the output tokens, those spent on reasoning."""

    reasoning_tokens: int


class ResponseUsage(Struct, frozen=True):
    """Token counts of a turn."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class Echo(Struct, frozen=True):
    """What an answer repeats of its request, with the defaults that hold here."""

    background: bool = False
    conversation: dict[str, str] | None = None
    instructions: str | list[dict[str, Any]] | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    metadata: dict[str, str] = {}
    parallel_tool_calls: bool = True
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None
    reasoning: dict[str, str | None] = field(
        default_factory=lambda: {"effort": None, "summary": None}
    )
    safety_identifier: str | None = None
    service_tier: str = "default"
    store: bool = True
    temperature: float | None = None
    text: dict[str, Any] = field(default_factory=lambda: {"format": {"type": "text"}})
    tool_choice: Any = "auto"
    tools: list[dict[str, Any]] = []
    top_logprobs: int = 0
    top_p: float | None = None
    truncation: str = "disabled"
    user: str | None = None


class ResponseObject(Echo, frozen=True, kw_only=True):
    """An answer. `created_at` is Unix seconds; `model` is `provider/name`."""

    id: str
    created_at: int
    model: str
    status: Status
    output: list[OutputItem]
    object: Literal["response"] = "response"
    error: ResponseError | None = None
    incomplete_details: IncompleteDetails | None = None
    usage: ResponseUsage | None = None


class ResponseEvent(Struct, frozen=True):
    """One event of a streamed answer; what else it has depends on `type`."""

    type: str
    sequence_number: int


class DeletedResponse(Struct, frozen=True):
    """An answer that the hub does not keep any more."""

    id: str
    deleted: bool = True
    object: Literal["response"] = "response"


class ResponseItemList(Struct, frozen=True):
    """What was said to the model."""

    data: list[dict[str, Any]]
    first_id: str | None
    last_id: str | None
    has_more: bool
    object: Literal["list"] = "list"
