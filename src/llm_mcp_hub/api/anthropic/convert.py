"""From a request of Anthropic's dialect to a command of the hub's; pure.

Guarantee: a request is either understood or refused. What changes the answer and can't be
honoured is refused by name; what merely tunes it is accepted and named in `ignored`.
"""

from msgspec import Struct

from llm_mcp_hub.api.anthropic.content import conversation
from llm_mcp_hub.api.anthropic.schemas import (
    MessagesRequest,
    ThinkingAdaptive,
    ThinkingBetweenTools,
    ThinkingDisabled,
    ThinkingEnabled,
)
from llm_mcp_hub.api.anthropic.tools import client_tools, response_format, tool_choice
from llm_mcp_hub.domain.chat import Effort, TurnOptions
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter
from llm_mcp_hub.services.command import ChatCommand

IGNORED = (
    "temperature",
    "top_p",
    "top_k",
    "cache_control",
    "diagnostics",
    "inference_geo",
    "service_tier",
    "speed",
)
"""Accepted without effect: the vendors' tools have no such setting."""

REFUSED = (
    "stop_sequences",
    "container",
    "mcp_servers",
    "compaction",
    "fallbacks",
    "prefill",
    "thread",
)
"""Refused unless empty: the answer would not be what was asked for."""

THINKING_EDIT = "clear_thinking_"
"""Edits of the context that only say which reasoning is sent on; the hub sends none on."""

BUDGETS = ((2048, Effort.LOW), (8192, Effort.MEDIUM), (24576, Effort.HIGH))
"""Up to how many tokens of thinking which effort is meant; more is `xhigh`."""


class Converted(Struct, frozen=True):
    """A request in the hub's words.

    Attributes:
        command: What is asked for, without what the headers say.
        ignored: Names of fields that have no effect.
        show_thinking: Whether the client wants to see the model's reasoning.
    """

    command: ChatCommand
    ignored: tuple[str, ...]
    show_thinking: bool


def convert_request(request: MessagesRequest) -> Converted:
    """Convert a request.

    Raises:
        InvalidRequest: A value makes no sense; `param` names it.
        UnsupportedParameter: A field can't be honoured; `param` names it.
    """
    _refuse_unsupported(request)
    if request.max_tokens < 1:
        raise InvalidRequest("`max_tokens` must be at least 1.", param="max_tokens")
    said = conversation(request.messages)
    config = request.output_config
    form = config.format if config is not None and config.format else request.output_format
    command = ChatCommand(
        model=request.model,
        messages=said.messages,
        system=_system(request, said.instructions),
        options=TurnOptions(max_tokens=request.max_tokens, effort=_effort(request)),
        tools=client_tools(request.tools or ()),
        tool_choice=tool_choice(request.tool_choice),
        parallel_tool_calls=not getattr(request.tool_choice, "disable_parallel_tool_use", False),
        response_format=response_format(form),
    )
    ignored = [name for name in IGNORED if getattr(request, name) is not None]
    if request.context_management:
        ignored.append("context_management")
    if any(tool.input_examples for tool in request.tools or ()):
        ignored.append("tools.input_examples")
    if said.thinking_dropped:
        ignored.append("messages.content.thinking")
    thinking = request.thinking
    shown = isinstance(thinking, ThinkingEnabled | ThinkingAdaptive | ThinkingBetweenTools)
    return Converted(
        command=command,
        ignored=tuple(ignored),
        show_thinking=shown and getattr(thinking, "display", None) != "omitted",
    )


def _refuse_unsupported(request: MessagesRequest) -> None:
    for name in REFUSED:
        if getattr(request, name):
            raise UnsupportedParameter(
                f"`{name}` is not supported: the answer would not be what you asked for. "
                "Leave it out.",
                param=name,
            )
    edits = request.context_management
    if edits and not _only_thinking(edits):
        raise UnsupportedParameter(
            "`context_management` is not supported, but for edits that clear thinking: the model "
            "sees the whole conversation. Leave it out.",
            param="context_management",
        )


def _only_thinking(context_management: object) -> bool:
    if not isinstance(context_management, dict) or set(context_management) - {"edits"}:
        return False
    edits = context_management.get("edits")
    return isinstance(edits, list) and all(
        isinstance(edit, dict) and str(edit.get("type", "")).startswith(THINKING_EDIT)
        for edit in edits
    )


def _system(request: MessagesRequest, instructions: tuple[str, ...]) -> str | None:
    texts: list[str] = []
    if isinstance(request.system, str):
        texts.append(request.system)
    elif request.system is not None:
        texts += [block.text for block in request.system]
    elif not instructions:
        return None
    return "\n\n".join(text for text in (*texts, *instructions) if text)


def _effort(request: MessagesRequest) -> Effort | None:
    """`output_config.effort`; otherwise what the thinking amounts to."""
    wanted = request.output_config.effort if request.output_config is not None else None
    if wanted is not None:
        return Effort.XHIGH if wanted == "max" else Effort(wanted)
    thinking = request.thinking
    if isinstance(thinking, ThinkingDisabled):
        return Effort.NONE
    if isinstance(thinking, ThinkingEnabled):
        if thinking.budget_tokens < 1:
            raise InvalidRequest(
                "`thinking.budget_tokens` must be at least 1.", param="thinking.budget_tokens"
            )
        fitting = (effort for most, effort in BUDGETS if thinking.budget_tokens <= most)
        return next(fitting, Effort.XHIGH)
    return None
