"""The tools: what there is, and calling one.

Guarantee: what fails inside a tool is a result with `isError`; a JSON-RPC error says that there
is no such tool, that the caller may not, or that the hub is broken.
"""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import msgspec
import structlog
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, Tool, ToolAnnotations
from msgspec import Struct

from llm_mcp_hub.errors import HubError, InvalidRequest
from llm_mcp_hub.mcp import asking, looking, schemas
from llm_mcp_hub.mcp.call import Call
from llm_mcp_hub.mcp.errors import INTERNAL_ERROR, INVALID_PARAMS, TOOL_RESULT, rpc_code
from llm_mcp_hub.mcp.json_schema import json_schema
from llm_mcp_hub.mcp.results import failed

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class ToolKind(Struct, frozen=True):
    """One tool.

    Attributes:
        asks: Whether it spends a model's answer, and may change a session.
    """

    name: str
    title: str
    description: str
    takes: type[Struct]
    gives: type[Struct]
    run: Callable[[Call, Any], Awaitable[CallToolResult]]
    asks: bool = False

    @property
    def tool(self) -> Tool:
        """As clients see it."""
        return Tool(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=json_schema(self.takes),
            output_schema=json_schema(self.gives),
            annotations=ToolAnnotations(
                title=self.title,
                read_only_hint=not self.asks,
                destructive_hint=False,
                idempotent_hint=not self.asks,
                open_world_hint=self.asks,
            ),
        )


TOOLS = (
    ToolKind(
        "chat",
        "Chat with a model",
        "Ask a model of a provider, such as Claude or Gemini, and get its answer. Conversations "
        "are remembered: pass the session_id of an earlier result to go on with one.",
        schemas.ChatArguments,
        schemas.ChatResult,
        asking.chat,
        asks=True,
    ),
    ToolKind(
        "ask_all",
        "Ask several models",
        "Ask several models the same question at once, and get their answers side by side. Each "
        "answer has a session of its own to go on with by chat.",
        schemas.AskAllArguments,
        schemas.AskAllResult,
        asking.ask_all,
        asks=True,
    ),
    ToolKind(
        "get_turn",
        "Fetch an answer",
        "Fetch the answer of a turn that took longer than its call could wait, by its turn_id. "
        "Costs nothing: the model is not asked again.",
        schemas.GetTurnArguments,
        schemas.ChatResult,
        asking.get_turn,
    ),
    ToolKind(
        "list_models",
        "List the models",
        "List the models that chat and ask_all can use, by id.",
        schemas.ListModelsArguments,
        schemas.ModelsResult,
        looking.list_models,
    ),
    ToolKind(
        "list_providers",
        "List the providers",
        "List the providers: whether each is available, how its login stands, and what to do if "
        "something is wrong.",
        schemas.ListProvidersArguments,
        schemas.ProvidersResult,
        looking.list_providers,
    ),
    ToolKind(
        "get_session",
        "Read a session",
        "Read a conversation that the hub remembers, by its session_id. Only your own.",
        schemas.GetSessionArguments,
        schemas.SessionResult,
        looking.get_session,
    ),
)
"""In the order clients are shown them."""

_BY_NAME = {kind.name: kind for kind in TOOLS}


@cache
def tool_list() -> list[Tool]:
    """All tools, as clients see them."""
    return [kind.tool for kind in TOOLS]


@cache
def input_schema(name: str) -> dict[str, Any] | None:
    """What a tool takes; None if there is none of that name."""
    return next((tool.input_schema for tool in tool_list() if tool.name == name), None)


async def call_tool(call: Call, name: str, arguments: dict[str, Any] | None) -> CallToolResult:
    """Run a tool.

    Raises:
        MCPError: See the module.
    """
    kind = _BY_NAME.get(name)
    if kind is None:
        known = ", ".join(_BY_NAME)
        raise MCPError(INVALID_PARAMS, f"There is no tool {name!r}. There are: {known}.")
    try:
        return await kind.run(call, _arguments(kind, arguments or {}))
    except HubError as error:
        if error.detail:
            log.warning("mcp.tool_failed", tool=name, code=error.code, detail=error.detail)
        code = rpc_code(error)
        if code is TOOL_RESULT:
            return failed(error)
        raise MCPError(code, error.message) from None
    except Exception:
        log.exception("mcp.tool_crashed", tool=name)
        raise MCPError(INTERNAL_ERROR, "The hub failed; its log has the details.") from None


def _arguments(kind: ToolKind, given: dict[str, Any]) -> Struct:
    try:
        converted: Struct = msgspec.convert(given, kind.takes)
    except msgspec.ValidationError as error:
        problem, _, at = str(error).partition(" - at `$")
        where = at.rstrip("`").lstrip(".")
        raise InvalidRequest(
            f"{where or 'The arguments'}: {problem}. See the input schema of {kind.name}.",
            param=where or None,
        ) from None
    return converted
