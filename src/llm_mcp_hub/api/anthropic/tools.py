"""From Anthropic's tools to the hub's; pure."""

import re
from collections.abc import Iterable

from llm_mcp_hub.api.anthropic.schemas import ClientTool
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")


def client_tools(tools: Iterable[ClientTool]) -> tuple[Tool, ...]:
    """The tools of a request.

    Raises:
        InvalidRequest: A tool makes no sense; `param` names it.
        UnsupportedParameter: It is one of Anthropic's own, which run at Anthropic.
    """
    converted: list[Tool] = []
    names: set[str] = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        if tool.type not in (None, "custom"):
            raise UnsupportedParameter(
                f"{where}: a tool of the type `{tool.type}` runs at Anthropic, or is built into "
                "its models, and can't be used here. Offer tools of your own: `name`, "
                "`description` and `input_schema`.",
                param=f"{where}.type",
            )
        if _NAME.match(tool.name) is None:
            raise InvalidRequest(
                f"{where}.name: a tool's name is 1 to 128 of A-Z a-z 0-9 _ -", param=f"{where}.name"
            )
        if tool.name in names:
            raise InvalidRequest(
                f"{where}.name: there are two tools named {tool.name!r}.", param=f"{where}.name"
            )
        names.add(tool.name)
        converted.append(_tool(tool, where))
    return tuple(converted)


def _tool(tool: ClientTool, where: str) -> Tool:
    schema = tool.input_schema
    if schema is None or schema.get("type") != "object":
        raise InvalidRequest(
            f"{where}.input_schema: give a JSON Schema with the `type` `object`.",
            param=f"{where}.input_schema",
        )
    return Tool(tool.name, tool.description or "", schema, strict=bool(tool.strict))
