"""What the official conformance suite expects a server to have, beside what the hub has.

The suite asks for tools, resources and prompts of given names and behaviour
(`conformance list`, the description of each scenario). They exist in tests only.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    AudioContent,
    BlobResourceContents,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    EmbeddedResource,
    EmptyResult,
    GetPromptRequestParams,
    GetPromptResult,
    ImageContent,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    Tool,
    UnsubscribeRequestParams,
)

from . import conformance_input

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)
SOUND = base64.b64encode(
    b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\2\0\0\0\0\0"
).decode()
SCHEME = "test://"

ANYTHING: dict[str, Any] = {"type": "object", "properties": {}}
Run = Callable[[Any, CallToolRequestParams], Awaitable[Any]]


def said(*content: Any, is_error: bool = False) -> CallToolResult:
    return CallToolResult(
        content=[text(one) if isinstance(one, str) else one for one in content], is_error=is_error
    )


def text(words: str) -> TextContent:
    return TextContent(type="text", text=words)


def image() -> ImageContent:
    return ImageContent(type="image", data=PIXEL, mime_type="image/png")


def embedded(uri: str, media_type: str, words: str) -> EmbeddedResource:
    contents = TextResourceContents(uri=uri, mime_type=media_type, text=words)
    return EmbeddedResource(type="resource", resource=contents)


def always(*content: Any, is_error: bool = False) -> Run:
    async def run(_context: Any, _params: CallToolRequestParams) -> CallToolResult:
        return said(*content, is_error=is_error)

    return run


async def with_logging(context: Any, _params: CallToolRequestParams) -> CallToolResult:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await context.session.send_log_message("info", words, related_request_id=context.request_id)
    return said("Tool with logging executed successfully")


async def with_progress(context: Any, _params: CallToolRequestParams) -> CallToolResult:
    for step in (0, 50, 100):
        await context.session.report_progress(step, 100, f"Completed step {step} of 100")
    return said("done")


async def with_sampling(context: Any, params: CallToolRequestParams) -> CallToolResult:
    asked = SamplingMessage(role="user", content=text(str((params.arguments or {})["prompt"])))
    answer = await context.session.create_message(
        [asked], max_tokens=100, related_request_id=context.request_id
    )
    return said(f"LLM response: {answer.content.text}")


def eliciting(schema: Mapping[str, Any], words: str) -> Run:
    async def run(context: Any, params: CallToolRequestParams) -> CallToolResult:
        message = str((params.arguments or {}).get("message", words))
        answer = await context.session.elicit_form(
            message, dict(schema), related_request_id=context.request_id
        )
        content = json.dumps(answer.content or {})
        return said(f"User response: action={answer.action}, content={content}")

    return run


def titled(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"const": const, "title": title} for const, title in pairs]


RESPONSE = {
    "type": "object",
    "properties": {"response": {"type": "string", "description": "User's response"}},
    "required": ["response"],
}
DEFAULTS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {
            "type": "string",
            "enum": ["active", "inactive", "pending"],
            "default": "active",
        },
        "verified": {"type": "boolean", "default": True},
    },
    "required": [],
}
ENUMS = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": titled(("value1", "First"), ("value2", "Second"), ("value3", "Third")),
        },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["One", "Two", "Three"],
        },
        "untitledMulti": {
            "type": "array",
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]},
        },
        "titledMulti": {
            "type": "array",
            "items": {
                "anyOf": titled(("value1", "First"), ("value2", "Second"), ("value3", "Third"))
            },
        },
    },
    "required": [],
}
SCHEMA_2020: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}
IN_A_HEADER = {
    "type": "object",
    "properties": {"region": {"type": "string", "x-mcp-header": "Region"}},
}


def taking(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


TOOLS: dict[str, tuple[dict[str, Any], Run]] = {
    "test_simple_text": (ANYTHING, always("This is a simple text response for testing.")),
    "test_image_content": (ANYTHING, always(image())),
    "test_audio_content": (
        ANYTHING,
        always(AudioContent(type="audio", data=SOUND, mime_type="audio/wav")),
    ),
    "test_embedded_resource": (
        ANYTHING,
        always(embedded("test://embedded-resource", "text/plain", "An embedded resource.")),
    ),
    "test_multiple_content_types": (
        ANYTHING,
        always(
            "Multiple content types test:",
            image(),
            embedded("test://mixed-content-resource", "application/json", '{"test": "data"}'),
        ),
    ),
    "test_tool_with_logging": (ANYTHING, with_logging),
    "test_tool_with_progress": (ANYTHING, with_progress),
    "test_error_handling": (
        ANYTHING,
        always("This tool intentionally returns an error for testing", is_error=True),
    ),
    "test_sampling": (taking("prompt"), with_sampling),
    "test_elicitation": (taking("message"), eliciting(RESPONSE, "")),
    "test_elicitation_sep1034_defaults": (ANYTHING, eliciting(DEFAULTS, "Please review")),
    "test_elicitation_sep1330_enums": (ANYTHING, eliciting(ENUMS, "Please select")),
    "json_schema_2020_12_tool": (SCHEMA_2020, always("called")),
    "test_x_mcp_header": (IN_A_HEADER, always("called")),
    "test_streaming_elicitation": (ANYTHING, with_progress),
    "test_logging_tool": (ANYTHING, with_logging),
    **{name: (ANYTHING, run) for name, run in conformance_input.TOOLS.items()},
}

RESOURCES: dict[str, TextResourceContents | BlobResourceContents] = {
    "test://static-text": TextResourceContents(
        uri="test://static-text",
        mime_type="text/plain",
        text="This is the content of the static text resource.",
    ),
    "test://static-binary": BlobResourceContents(
        uri="test://static-binary", mime_type="image/png", blob=PIXEL
    ),
    "test://watched-resource": TextResourceContents(
        uri="test://watched-resource", mime_type="text/plain", text="Watched"
    ),
}
TEMPLATE = "test://template/{id}/data"

PROMPTS = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    conformance_input.PROMPT: (),
}


def read(uri: str) -> TextResourceContents | BlobResourceContents:
    if uri in RESOURCES:
        return RESOURCES[uri]
    parts = uri.removeprefix(SCHEME).split("/")
    if len(parts) == 3 and (parts[0], parts[2]) == ("template", "data"):
        words = json.dumps({"id": parts[1], "templateTest": True, "data": f"Data for {parts[1]}"})
        return TextResourceContents(uri=uri, mime_type="application/json", text=words)
    raise MCPError(code=INVALID_PARAMS, message="Resource not found", data={"uri": uri})


def prompt(name: str, given: Mapping[str, str]) -> list[PromptMessage]:
    content: list[Any] = {
        "test_simple_prompt": lambda: [text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments": lambda: [
            text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'")
        ],
        "test_prompt_with_embedded_resource": lambda: [
            embedded(given["resourceUri"], "text/plain", "Embedded resource content."),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image": lambda: [image(), text("Please analyze the image above.")],
    }[name]()
    return [PromptMessage(role="user", content=one) for one in content]


def add_fixtures(server: Server[Any]) -> None:
    """Put the fixtures beside what the server has."""

    def real(method: str) -> Callable[[Any, Any], Awaitable[Any]] | None:
        entry = server.get_request_handler(method)
        return None if entry is None else entry.handler

    def listing(method: str, kind: type[Any], field: str, more: list[Any]) -> None:
        before = real(method)

        async def run(context: Any, params: Any) -> Any:
            result = kind(**{field: []}) if before is None else await before(context, params)
            return result.model_copy(update={field: [*getattr(result, field), *more]})

        server.add_request_handler(method, PaginatedRequestParams, run)

    def answering(
        method: str, kind: type[Any], ours: Callable[[Any], bool], own: Callable[[Any, Any], Any]
    ) -> None:
        before = real(method)

        async def run(context: Any, params: Any) -> Any:
            if ours(params) or before is None:
                return await own(context, params)
            return await before(context, params)

        server.add_request_handler(method, kind, run)

    async def call_tool(context: Any, params: CallToolRequestParams) -> Any:
        return await TOOLS[params.name][1](context, params)

    async def get_prompt(_context: Any, params: GetPromptRequestParams) -> Any:
        if params.name == conformance_input.PROMPT:
            return conformance_input.prompt(params)
        return GetPromptResult(messages=prompt(params.name, params.arguments or {}))

    async def read_resource(_context: Any, params: ReadResourceRequestParams) -> ReadResourceResult:
        return ReadResourceResult(contents=[read(str(params.uri))])

    async def complete(_context: Any, _params: CompleteRequestParams) -> CompleteResult:
        return CompleteResult(completion=Completion(values=[], total=0, has_more=False))

    async def nothing(_context: Any, _params: Any) -> EmptyResult:
        return EmptyResult()

    listing(
        "tools/list",
        ListToolsResult,
        "tools",
        [Tool(name=name, description=name, input_schema=one[0]) for name, one in TOOLS.items()],
    )
    listing(
        "resources/list",
        ListResourcesResult,
        "resources",
        [Resource(uri=uri, name=uri, mime_type=one.mime_type) for uri, one in RESOURCES.items()],
    )
    listing(
        "resources/templates/list",
        ListResourceTemplatesResult,
        "resource_templates",
        [ResourceTemplate(uri_template=TEMPLATE, name="template")],
    )
    listing(
        "prompts/list",
        ListPromptsResult,
        "prompts",
        [
            Prompt(
                name=name,
                description=name,
                arguments=[PromptArgument(name=one, required=True) for one in arguments],
            )
            for name, arguments in PROMPTS.items()
        ],
    )
    answering("tools/call", CallToolRequestParams, lambda one: one.name in TOOLS, call_tool)
    answering("prompts/get", GetPromptRequestParams, lambda one: one.name in PROMPTS, get_prompt)
    answering("resources/read", ReadResourceRequestParams, is_ours, read_resource)
    answering("resources/subscribe", SubscribeRequestParams, is_ours, nothing)
    answering("resources/unsubscribe", UnsubscribeRequestParams, is_ours, nothing)
    answering(
        "completion/complete",
        CompleteRequestParams,
        lambda one: (
            getattr(one.ref, "name", "") in PROMPTS or getattr(one.ref, "uri", "") == TEMPLATE
        ),
        complete,
    )
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, nothing)
    schema_of = server.get_tool_input_schema

    def input_schema(name: str) -> Mapping[str, Any] | None:
        if name in TOOLS:
            return TOOLS[name][0]
        return None if schema_of is None else schema_of(name)

    server.get_tool_input_schema = input_schema


def is_ours(params: Any) -> bool:
    return str(params.uri).startswith(SCHEME)
