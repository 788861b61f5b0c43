"""From a request of the Responses API to the hub's words; pure.

Guarantee: a request is either understood or refused. What changes the answer and can't be
honoured is refused by name; what merely tunes it is accepted and named in `ignored`.
"""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from llm_mcp_hub.api.responses.input_items import converted, parsed_items, said
from llm_mcp_hub.api.responses.objects import Echo
from llm_mcp_hub.api.responses.schemas import (
    AllowedTools,
    FunctionTool,
    InputItem,
    NamedTool,
    ResponseRequest,
    ResponseTextFormat,
)
from llm_mcp_hub.domain.chat import Effort, TurnOptions
from llm_mcp_hub.domain.response_format import TEXT, ResponseFormat
from llm_mcp_hub.domain.tool import Tool, ToolChoice
from llm_mcp_hub.errors import HubError, InvalidRequest, UnsupportedParameter

MAX_METADATA = 16

_REFUSED = {
    "prompt": "the hub keeps no prompts: send `instructions` and `input`",
    "context_management": "the hub shortens no conversation",
    "moderation": "the hub has no moderation",
    "top_logprobs": "the vendors' tools tell no probabilities",
}
_IGNORED = ("temperature", "top_p", "max_tool_calls")


class Converted(Struct, frozen=True):
    """A request in the hub's words, but for what is in its input.

    Attributes:
        instructions: Empty without any.
        conversation: The session that `conversation` names.
        ignored: Names of fields that have no effect.
    """

    items: tuple[InputItem, ...]
    instructions: str
    conversation: str | None
    options: TurnOptions
    tools: tuple[Tool, ...]
    tool_choice: ToolChoice
    response_format: ResponseFormat
    ignored: tuple[str, ...]


def convert_request(request: ResponseRequest) -> Converted:
    """Convert a request.

    Raises:
        InvalidRequest: A value makes no sense; `param` names it.
        UnsupportedParameter: A field can't be honoured; `param` names it.
    """
    _refuse_unsupported(request)
    conversation = request.conversation
    if conversation is not None and request.previous_response_id is not None:
        raise InvalidRequest(
            "Send `previous_response_id` or `conversation`, not both.", param="conversation"
        )
    return Converted(
        items=parsed_items(request.input, "input"),
        instructions=_instructions(request.instructions),
        conversation=conversation
        if conversation is None or isinstance(conversation, str)
        else conversation.id,
        options=TurnOptions(max_tokens=_max_tokens(request), effort=_effort(request)),
        tools=_tools(request.tools or ()),
        tool_choice=_tool_choice(request.tool_choice),
        response_format=_response_format(request.text.format if request.text else None),
        ignored=tuple(_ignored(request)),
    )


def echo(request: ResponseRequest, conversation: str | None, *, store: bool) -> Echo:
    """What the answer repeats of the request.

    Args:
        request: The request.
        conversation: The session's id, if the request names a conversation.
        store: Whether the answer is kept.
    """
    reasoning, text = request.reasoning, request.text
    shown: dict[str, Any] = {"format": _format_echo(text.format if text else None)}
    if text is not None and text.verbosity is not None:
        shown["verbosity"] = text.verbosity
    return Echo(
        background=bool(request.background),
        conversation={"id": conversation} if conversation is not None else None,
        instructions=request.instructions,
        max_output_tokens=request.max_output_tokens,
        max_tool_calls=request.max_tool_calls,
        metadata=request.metadata or {},
        parallel_tool_calls=request.parallel_tool_calls is not False,
        previous_response_id=request.previous_response_id,
        prompt_cache_key=request.prompt_cache_key,
        reasoning={
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        safety_identifier=request.safety_identifier,
        store=store,
        temperature=request.temperature,
        text=shown,
        tool_choice=request.tool_choice if request.tool_choice is not None else "auto",
        tools=[{"description": None, "strict": None, **tool} for tool in request.tools or ()],
        top_p=request.top_p,
        truncation=request.truncation or "disabled",
        user=request.user,
    )


def _refuse_unsupported(request: ResponseRequest) -> None:
    for name, why in _REFUSED.items():
        if getattr(request, name):
            raise UnsupportedParameter(
                f"`{name}` is not supported: {why}. Leave it out.", param=name
            )
    if "message.output_text.logprobs" in (request.include or ()):
        raise UnsupportedParameter(
            "`include`: the vendors' tools tell no probabilities.", param="include"
        )
    if request.background and request.store is False:
        raise InvalidRequest(
            "`background` needs `store`: otherwise nobody could fetch the answer.", param="store"
        )
    if len(request.metadata or ()) > MAX_METADATA:
        raise InvalidRequest(f"`metadata` has at most {MAX_METADATA} entries.", param="metadata")


def _ignored(request: ResponseRequest) -> list[str]:
    names = [name for name in _IGNORED if getattr(request, name) is not None]
    if request.include:
        names.append("include")
    if request.truncation == "auto":
        names.append("truncation")
    if request.service_tier not in (None, "auto", "default"):
        names.append("service_tier")
    if request.text is not None and request.text.verbosity is not None:
        names.append("text.verbosity")
    if any(tool.get("strict") is True for tool in request.tools or ()):
        names.append("tools[].strict")
    return names


def _instructions(instructions: str | Sequence[dict[str, Any]] | None) -> str:
    if instructions is None or isinstance(instructions, str):
        return instructions or ""
    told = said(parsed_items(instructions, "instructions"), {}, "instructions")
    return "\n\n".join([*told.system, *(message.text for message in told.messages)])


def _max_tokens(request: ResponseRequest) -> int | None:
    if request.max_output_tokens is not None and request.max_output_tokens < 1:
        raise InvalidRequest("`max_output_tokens` must be at least 1.", param="max_output_tokens")
    return request.max_output_tokens


def _effort(request: ResponseRequest) -> Effort | None:
    if request.reasoning is None or request.reasoning.effort is None:
        return None
    try:
        return Effort(request.reasoning.effort)
    except ValueError:
        known = ", ".join(effort.value for effort in Effort)
        raise InvalidRequest(
            f"`reasoning.effort` is one of {known}.", param="reasoning.effort"
        ) from None


def _tools(tools: Sequence[dict[str, Any]]) -> tuple[Tool, ...]:
    found: list[Tool] = []
    for index, value in enumerate(tools):
        where = f"tools[{index}]"
        if value.get("type") != "function":
            raise UnsupportedParameter(
                f"{where}: tools of the type {str(value.get('type'))!r} are not supported: the hub "
                "runs no tools of its own. Offer a `function`.",
                param=f"{where}.type",
            )
        tool: FunctionTool = converted(value, FunctionTool, where)
        offered = Tool(tool.name, tool.description or "", strict=bool(tool.strict))
        if tool.parameters:
            # Some clients leave the type out, which can be but one.
            offered = replace(offered, parameters={"type": "object"} | tool.parameters)
        found.append(offered)
    return tuple(found)


def _tool_choice(choice: Any) -> ToolChoice:
    if choice is None or choice in ("auto", "none", "required"):
        return ToolChoice(choice or "auto")
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind == "function":
        named: NamedTool = converted(choice, NamedTool, "tool_choice")
        return ToolChoice("required", (named.name,))
    if kind == "allowed_tools":
        allowed: AllowedTools = converted(choice, AllowedTools, "tool_choice")
        for tool in allowed.tools:
            if tool.type != "function":
                raise _no_such_choice(tool.type)
        return ToolChoice(allowed.mode, tuple(tool.name for tool in allowed.tools))
    raise _no_such_choice(kind)


def _no_such_choice(kind: Any) -> HubError:
    if not isinstance(kind, str):
        return InvalidRequest(
            "`tool_choice` is `auto`, `none`, `required`, a `function` or `allowed_tools`.",
            param="tool_choice",
        )
    return UnsupportedParameter(
        f"`tool_choice`: tools of the type {kind!r} are not supported.", param="tool_choice"
    )


def _response_format(wanted: ResponseTextFormat | None) -> ResponseFormat:
    if wanted is None or wanted.type == "text":
        return TEXT
    if wanted.type == "json_object":
        return ResponseFormat("json_object")
    return ResponseFormat(
        "json_schema",
        name=wanted.name,
        description=wanted.description or "",
        schema=wanted.schema_ or {},
        strict=bool(wanted.strict),
    )


def _format_echo(wanted: ResponseTextFormat | None) -> dict[str, Any]:
    if wanted is None or wanted.type != "json_schema":
        return {"type": wanted.type if wanted is not None else "text"}
    return {
        "type": wanted.type,
        "name": wanted.name,
        "description": wanted.description,
        "schema": wanted.schema_ or {},
        "strict": bool(wanted.strict),
    }
