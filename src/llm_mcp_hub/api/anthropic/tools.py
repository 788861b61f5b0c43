"""From Anthropic's tools, the choice among them and the form of the answer to the hub's; pure.

Whether they make sense is checked for all dialects at one place, `services.tool_checks`.
"""

from collections.abc import Iterable

from llm_mcp_hub.api.anthropic.schemas import (
    AnyChoice,
    ClientTool,
    JsonFormat,
    NamedChoice,
    NoChoice,
    ToolChoiceParam,
)
from llm_mcp_hub.domain.response_format import TEXT, ResponseFormat
from llm_mcp_hub.domain.tool import Tool, ToolChoice
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter


def client_tools(tools: Iterable[ClientTool]) -> tuple[Tool, ...]:
    """The tools of a request.

    Raises:
        InvalidRequest: A tool has no schema; `param` names it.
        UnsupportedParameter: It is one of Anthropic's own.
    """
    return tuple(_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools))


def _tool(tool: ClientTool, where: str) -> Tool:
    if tool.type not in (None, "custom"):
        raise UnsupportedParameter(
            f"{where}: a tool of the type `{tool.type}` runs at Anthropic, or is built into its "
            "models, and can't be used here. Offer tools of your own: `name`, `description` and "
            "`input_schema`.",
            param=f"{where}.type",
        )
    if tool.input_schema is None:
        raise InvalidRequest(
            f"{where}.input_schema: give a JSON Schema with the `type` `object`.",
            param=f"{where}.input_schema",
        )
    return Tool(tool.name, tool.description or "", tool.input_schema, strict=bool(tool.strict))


def tool_choice(choice: ToolChoiceParam | None) -> ToolChoice:
    """Whether the model may, must or must not call a tool."""
    if isinstance(choice, NoChoice):
        return ToolChoice("none")
    if isinstance(choice, AnyChoice):
        return ToolChoice("required")
    if isinstance(choice, NamedChoice):
        return ToolChoice("required", (choice.name,))
    return ToolChoice()


def response_format(wanted: JsonFormat | None) -> ResponseFormat:
    """The form of the answer."""
    if wanted is None:
        return TEXT
    return ResponseFormat("json_schema", schema=wanted.schema, strict=True)
