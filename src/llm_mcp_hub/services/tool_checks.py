"""What a caller asks for with its tools makes sense, and the model's provider can do it."""

import re
from collections.abc import Sequence
from itertools import chain
from operator import attrgetter

from llm_mcp_hub.domain.chat import FilePart, ToolCallPart, TurnRequest
from llm_mcp_hub.domain.model import Capability
from llm_mcp_hub.domain.tool import Tool, ToolChoice
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.services.json_depth import depth_of

MAX_TOOLS = 128
MAX_DEPTH = 64
"""How deep a JSON Schema may be nested."""
MAX_CHARACTERS = 300
_parts = attrgetter("parts")
_DRAFTS = frozenset(
    {
        *(f"http://json-schema.org/draft-{number}/schema" for number in ("04", "06", "07")),
        *(f"https://json-schema.org/draft/{date}/schema" for date in ("2019-09", "2020-12")),
    }
)
_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")


def check_tools(tools: Sequence[Tool], choice: ToolChoice) -> None:
    """Check the tools and the choice among them.

    Raises:
        InvalidRequest: What is wrong; `param` is `tools[…]` or `tool_choice`.
    """
    if len(tools) > MAX_TOOLS:
        raise InvalidRequest(f"There may be {MAX_TOOLS} tools, not {len(tools)}.", param="tools")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        where = f"tools[{index}]"
        if not _NAME.fullmatch(tool.name):
            raise InvalidRequest(
                f"{where}: the name of a tool is 1 to 128 of A-Z a-z 0-9 _ -", param=where
            )
        if tool.name in names:
            raise InvalidRequest(f"{where}: there are two tools {tool.name}.", param=where)
        names.add(tool.name)
        if tool.parameters.get("type") != "object":
            raise InvalidRequest(
                f"{where}: the parameters of {tool.name} are a JSON Schema with "
                '`"type": "object"`.',
                param=where,
            )
        if depth_of(tool.parameters)[0] > MAX_DEPTH:
            raise InvalidRequest(
                f"{where}: the parameters of {tool.name} are nested more than {MAX_DEPTH} deep.",
                param=where,
            )
        _check_schema(tool, where)
    unknown = [name for name in choice.names or () if name not in names]
    if unknown:
        raise InvalidRequest(
            f"tool_choice: there is no tool {', '.join(unknown)} among `tools`.",
            param="tool_choice",
        )
    if choice.mode == "required" and not choice.among(tools):
        raise InvalidRequest(
            "tool_choice: without `tools` there is nothing to call.", param="tool_choice"
        )


def _check_schema(tool: Tool, where: str) -> None:
    """Refuse what is no JSON Schema: a vendor's program may leave out tools because of it."""
    import jsonschema_rs  # noqa: PLC0415  # 10 MB, and only those who offer tools need it

    schema = tool.parameters
    if str(schema.get("$schema", "")).rstrip("#") not in _DRAFTS:
        # Of any other it would be fetched what that is.
        schema = {name: value for name, value in schema.items() if name != "$schema"}
    try:
        jsonschema_rs.meta.validate(schema)
    except jsonschema_rs.ValidationError as error:
        path = ".".join(map(str, error.instance_path))
        raise InvalidRequest(
            f"{where}: the parameters of {tool.name} are no JSON Schema, at `{path or '#'}`: "
            f"{error.message[:MAX_CHARACTERS]}.",
            param=where,
        ) from None


def check_capabilities(provider: Provider, request: TurnRequest) -> None:
    """Check that the provider can do what the turn asks for.

    Raises:
        UnsupportedParameter: It can't call tools, and some are offered or have been called; or it
            can't read files, and there are some.
    """
    kinds = set(map(type, chain.from_iterable(map(_parts, request.messages))))
    if FilePart in kinds and Capability.FILES not in provider.capabilities:
        raise UnsupportedParameter(
            f"The models of {provider.name} can't read files here, and the conversation has one. "
            "Leave it out, or ask a provider that `GET /v1/providers` lists with the capability "
            "`files`.",
            param="messages",
        )
    if Capability.TOOLS in provider.capabilities:
        return
    if request.tools or ToolCallPart in kinds:
        raise UnsupportedParameter(
            f"The models of {provider.name} can't call tools here. Leave `tools` and earlier calls "
            "out, or ask a provider that `GET /v1/providers` lists with the capability `tools`.",
            param="tools" if request.tools else "messages",
        )
