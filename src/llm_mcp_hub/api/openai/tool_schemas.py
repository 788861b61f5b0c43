"""Tools, the choice among them, and the form of an answer, as OpenAI's clients ask for them.

API reference of 2026, "Create chat completion".
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

MAX_TOOLS = 128
Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class FunctionDefinition(Struct, frozen=True):
    """A function of the client's; `parameters` is a JSON Schema of an object."""

    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Struct, frozen=True, tag="function", tag_field="type"):
    """A function that the model may call."""

    function: FunctionDefinition


class CustomTool(Struct, frozen=True, tag="custom", tag_field="type"):
    """A tool whose input is no JSON; refused."""


Tools = Annotated[list[FunctionTool | CustomTool], Meta(max_length=MAX_TOOLS)]


class NamedFunction(Struct, frozen=True):
    """A function, by its name."""

    name: str


class FunctionChoice(Struct, frozen=True, tag="function", tag_field="type"):
    """The model must call this one."""

    function: NamedFunction


class AllowedFunction(Struct, frozen=True):
    """One that may be called."""

    function: NamedFunction
    type: Literal["function"] = "function"


class AllowedTools(Struct, frozen=True):
    """A part of the tools, of which the model may or must call one."""

    mode: Literal["auto", "required"]
    tools: list[AllowedFunction]


class AllowedChoice(Struct, frozen=True, tag="allowed_tools", tag_field="type"):
    """Only some of the tools may be called."""

    allowed_tools: AllowedTools


class CustomChoice(Struct, frozen=True, tag="custom", tag_field="type"):
    """The model must call a tool whose input is no JSON; refused."""


ToolChoice = Literal["none", "auto", "required"] | FunctionChoice | AllowedChoice | CustomChoice


class TextFormat(Struct, frozen=True, tag="text", tag_field="type"):
    """Any text."""


class JsonObjectFormat(Struct, frozen=True, tag="json_object", tag_field="type"):
    """A JSON object, any."""


class JsonSchema(Struct, frozen=True):
    """A schema, and what it is called and for."""

    name: Name = "answer"
    description: str | None = None
    schema_: dict[str, Any] | None = field(default=None, name="schema")
    strict: bool | None = None


class JsonSchemaFormat(Struct, frozen=True, tag="json_schema", tag_field="type"):
    """A JSON value that fits a schema."""

    json_schema: JsonSchema


Format = TextFormat | JsonObjectFormat | JsonSchemaFormat
