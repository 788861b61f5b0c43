"""From OpenAI's words for tools and for the form of an answer to the hub's; pure.

Whether they make sense together is for `services` to say, which every dialect goes through.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from llm_mcp_hub.api.openai import tool_schemas
from llm_mcp_hub.api.openai.tool_schemas import (
    AllowedChoice,
    CustomChoice,
    CustomTool,
    Format,
    FunctionChoice,
    FunctionTool,
    JsonObjectFormat,
    JsonSchemaFormat,
)
from llm_mcp_hub.domain.response_format import TEXT, ResponseFormat
from llm_mcp_hub.domain.tool import Tool, ToolChoice
from llm_mcp_hub.errors import UnsupportedParameter

STRICT = "tools[].function.strict"
"""Named as ignored: a vendor's tool can't be told to."""


def convert_tools(tools: Sequence[FunctionTool | CustomTool] | None) -> tuple[Tool, ...]:
    """The client's tools.

    Raises:
        UnsupportedParameter: One is a custom tool.
    """
    converted: list[Tool] = []
    for index, tool in enumerate(tools or ()):
        if isinstance(tool, CustomTool):
            raise UnsupportedParameter(
                f"tools[{index}]: tools of the type `custom` are not supported; "
                "offer a `function` with one parameter of the type string.",
                param=f"tools[{index}].type",
            )
        function = tool.function
        wanted = Tool(function.name, function.description or "", strict=bool(function.strict))
        if function.parameters:
            # Some clients leave the type out, which can be but one.
            parameters = {"type": "object"} | function.parameters
            wanted = replace(wanted, parameters=parameters)
        converted.append(wanted)
    return tuple(converted)


def convert_choice(choice: tool_schemas.ToolChoice | None) -> ToolChoice:
    """Which of them may or must be called.

    Raises:
        UnsupportedParameter: A custom tool.
    """
    if choice is None:
        return ToolChoice()
    if isinstance(choice, CustomChoice):
        raise UnsupportedParameter(
            "tool_choice: tools of the type `custom` are not supported.", param="tool_choice"
        )
    if isinstance(choice, FunctionChoice):
        return ToolChoice("required", (choice.function.name,))
    if isinstance(choice, AllowedChoice):
        names = tuple(tool.function.name for tool in choice.allowed_tools.tools)
        return ToolChoice(choice.allowed_tools.mode, names)
    return ToolChoice(choice)


def convert_format(wanted: Format | None) -> ResponseFormat:
    """The form of the answer."""
    if isinstance(wanted, JsonSchemaFormat):
        schema = wanted.json_schema
        return ResponseFormat(
            "json_schema",
            name=schema.name,
            description=schema.description or "",
            schema=schema.schema_ or {},
            strict=bool(schema.strict),
        )
    return ResponseFormat("json_object") if isinstance(wanted, JsonObjectFormat) else TEXT
