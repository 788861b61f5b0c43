"""From OpenAI's words to the hub's; pure.

Guarantee: a request is either understood or refused. What changes the answer and can't be
honoured is refused by name; what merely tunes it is accepted and named in `ignored`.
"""

import re
from operator import attrgetter

from msgspec import Struct

from llm_mcp_hub.api.documents import pdf_of_url
from llm_mcp_hub.api.openai.schemas import (
    AssistantMessage,
    ChatCompletionRequest,
    ChatMessage,
    Content,
    DeveloperMessage,
    FileContent,
    ImageContent,
    RefusalContent,
    SystemMessage,
    TextContent,
    ToolMessage,
    UserMessage,
)
from llm_mcp_hub.api.openai.tools import STRICT, convert_choice, convert_format, convert_tools
from llm_mcp_hub.domain.chat import (
    Effort,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    TurnOptions,
)
from llm_mcp_hub.domain.linked_image import linked_image
from llm_mcp_hub.domain.response_format import ResponseFormat
from llm_mcp_hub.domain.tool import Tool, ToolChoice
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter
from llm_mcp_hub.services.images import inline_image

IGNORED = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
    "prediction",
    "service_tier",
    "store",
    "metadata",
    "verbosity",
)
"""Accepted without effect: the vendors' tools have no such setting."""

_ignored = attrgetter(*IGNORED)
_DATA_URL = re.compile(r"data:(image/(?:png|jpeg|gif|webp));base64,")
_REFUSED = ("logprobs", "top_logprobs", "audio", "web_search_options", "stop")
_OBSOLETE = ("functions", "function_call")
_unsupported = attrgetter(*_REFUSED, *_OBSOLETE)


class Converted(Struct, frozen=True):
    """A request in the hub's words.

    Attributes:
        system: None if the request has no system or developer message.
        ignored: Names of fields that have no effect.
    """

    messages: tuple[Message, ...]
    system: str | None
    options: TurnOptions
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice
    parallel_tool_calls: bool
    response_format: ResponseFormat
    ignored: tuple[str, ...]


def convert_request(request: ChatCompletionRequest) -> Converted:
    """Convert a request.

    Raises:
        InvalidRequest: A value makes no sense; `param` names it.
        UnsupportedParameter: A field can't be honoured; `param` names it.
    """
    _refuse_unsupported(request)
    messages: list[Message] = []
    system: list[str] = []
    for index, message in enumerate(request.messages):
        where = f"messages[{index}]"
        if type(message) is SystemMessage or type(message) is DeveloperMessage:
            system.append(_text(message.content, f"{where}.content"))
        else:
            messages.append(_message(message, where))
    tools = convert_tools(request.tools)
    ignored = tuple(
        name for name, value in zip(IGNORED, _ignored(request), strict=True) if value is not None
    )
    return Converted(
        messages=tuple(messages),
        system="\n\n".join(text for text in system if text) if system else None,
        options=TurnOptions(max_tokens=_max_tokens(request), effort=_effort(request)),
        tools=tools,
        tool_choice=convert_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls is not False,
        response_format=convert_format(request.response_format),
        ignored=(*ignored, STRICT) if any(tool.strict for tool in tools) else ignored,
    )


def _refuse_unsupported(request: ChatCompletionRequest) -> None:
    for name, value in zip((*_REFUSED, *_OBSOLETE), _unsupported(request), strict=True):
        if value and name in _OBSOLETE:
            raise UnsupportedParameter(
                f"`{name}` is obsolete: use `tools` and `tool_choice`.", param=name
            )
        if value:
            raise UnsupportedParameter(
                f"`{name}` is not supported: the answer would not be what you asked for. "
                "Leave it out.",
                param=name,
            )
    if request.n not in (None, 1):
        raise UnsupportedParameter("`n` must be 1: ask again for another answer.", param="n")
    if request.modalities and set(request.modalities) != {"text"}:
        raise UnsupportedParameter("`modalities` must be `text`.", param="modalities")


def _max_tokens(request: ChatCompletionRequest) -> int | None:
    for name in ("max_completion_tokens", "max_tokens"):
        value: int | None = getattr(request, name)
        if value is not None:
            if value < 1:
                raise InvalidRequest(f"`{name}` must be at least 1.", param=name)
            return value
    return None


def _effort(request: ChatCompletionRequest) -> Effort | None:
    if request.reasoning_effort is None:
        return None
    try:
        return Effort(request.reasoning_effort)
    except ValueError:
        known = ", ".join(effort.value for effort in Effort)
        raise InvalidRequest(
            f"`reasoning_effort` is one of {known}.", param="reasoning_effort"
        ) from None


def _message(message: ChatMessage, where: str) -> Message:
    if isinstance(message, UserMessage):
        parts = _parts(message.content, f"{where}.content", files=True)
        if not parts:
            raise InvalidRequest(f"{where}: a user message needs content.", param=where)
        return Message("user", parts)
    if isinstance(message, AssistantMessage):
        if message.function_call:
            raise UnsupportedParameter(
                f"{where}.function_call is obsolete: use `tool_calls`.",
                param=f"{where}.function_call",
            )
        if message.audio is not None:
            raise UnsupportedParameter(
                f"{where}.audio: only text and images can be sent.", param=f"{where}.audio"
            )
        parts = _parts(message.content, f"{where}.content")
        if message.refusal and not parts:
            parts = (TextPart(message.refusal),)
        calls = tuple(
            ToolCallPart(call.id, call.function.name, call.function.arguments or "{}")
            for call in message.tool_calls or ()
        )
        return Message("assistant", parts + calls)
    if isinstance(message, ToolMessage):
        parts = _parts(message.content, f"{where}.content")
        text = "".join(part.text for part in parts if isinstance(part, TextPart))
        images = tuple(part for part in parts if isinstance(part, ImagePart))
        return Message("tool", (ToolResultPart(message.tool_call_id, text, images),))
    raise UnsupportedParameter(
        f"{where}: the role `function` is obsolete; use `tool`.", param=f"{where}.role"
    )


def _parts(content: Content, where: str, *, files: bool = False) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    parts: list[Part] = []
    for index, part in enumerate(content):
        if isinstance(part, TextContent):
            parts.append(TextPart(part.text))
        elif isinstance(part, ImageContent):
            parts.append(image_part(part.image_url.url, f"{where}[{index}].image_url.url"))
        elif isinstance(part, RefusalContent):
            parts.append(TextPart(part.refusal))
        elif isinstance(part, FileContent) and files:
            file = part.file
            at = f"{where}[{index}].file.file_data"
            parts.append(pdf_of_url(file.file_data or "", file.filename or "", at))
        else:
            can = "text, images and files" if files else "text and images"
            raise UnsupportedParameter(
                f"{where}[{index}]: only {can} can be sent.", param=f"{where}[{index}]"
            )
    return tuple(parts)


def _text(content: Content, where: str) -> str:
    parts = _parts(content, where)
    for part in parts:
        if not isinstance(part, TextPart):
            raise UnsupportedParameter(f"{where}: only text can stand here.", param=where)
    return "".join(part.text for part in parts if isinstance(part, TextPart))


def image_part(url: str, where: str) -> ImagePart:
    """An image from its `data:` URL; from another one, what is to be fetched.

    Raises:
        InvalidRequest: The `data:` URL is none of an image, or what it holds is none.
    """
    match = _DATA_URL.match(url)
    if match is None:
        if url[:5].lower() != "data:":
            return linked_image(url, where)
        raise InvalidRequest(
            f"{where}: a `data:` URL of an image is `data:image/png;base64,…` (png, jpeg, gif or "
            "webp).",
            param=where,
        )
    return inline_image(url[match.end() :], where)
