"""The chat route's place in the OpenAPI document.

Litestar documents the handlers it parses requests for; the chat route is a bare ASGI handler, so
its schemas come from the same structs that it decodes with.
"""

from typing import Any

import msgspec
from litestar import Litestar
from litestar.openapi.spec import (
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType

from llm_mcp_hub.api.errors import ErrorBody
from llm_mcp_hub.api.gate import SECURITY
from llm_mcp_hub.api.openai.schemas import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
)
from llm_mcp_hub.domain.ids import SESSION_ID_PATTERN

CHAT_ERRORS = (400, 401, 403, 404, 405, 409, 413, 429, 500, 502, 503, 504)
_REF = "#/components/schemas/{name}"


def document_chat(app: Litestar, path: str) -> None:
    """Add the chat route to the application's OpenAPI document, if it has one.

    And what `api.gate.SECURITY` refers to.
    """
    if app.openapi_config is None:
        return
    document = app.openapi_schema
    if document.paths is None or document.components.schemas is None:
        return
    schemas = document.components.schemas
    for name, schema in _schemas().items():
        schemas.setdefault(name, schema)
    document.paths[path] = PathItem(post=_operation())
    schemes = document.components.security_schemes or {}
    document.components.security_schemes = schemes
    schemes["AccessToken"] = SecurityScheme(
        type="http", scheme="bearer", description="An access token of the hub's own, `hub-…`"
    )


def _schemas() -> dict[str, Any]:
    _, components = msgspec.json.schema_components(
        [ChatCompletionRequest, ChatCompletion, ChatCompletionChunk, ErrorBody],
        ref_template=_REF,
    )
    return components


def _operation() -> Operation:
    string = Schema(type=OpenAPIType.STRING)
    headers = {
        "X-Session-ID": OpenAPIHeader(schema=string, description="The session of this turn"),
        "X-Turn-ID": OpenAPIHeader(schema=string, description="The id of this turn"),
        "X-Hub-Ignored": OpenAPIHeader(
            schema=string, description="Fields of the request that have no effect"
        ),
    }
    responses: dict[str, OpenAPIResponse | Reference] = {
        "200": OpenAPIResponse(
            description="The answer, whole or as server-sent events",
            headers=dict(headers),
            content={
                "application/json": OpenAPIMediaType(schema=_reference("ChatCompletion")),
                "text/event-stream": OpenAPIMediaType(schema=_reference("ChatCompletionChunk")),
            },
        )
    }
    for status in CHAT_ERRORS:
        responses[str(status)] = OpenAPIResponse(
            description="See `error.code`",
            content={"application/json": OpenAPIMediaType(schema=_reference("ErrorBody"))},
        )
    return Operation(
        tags=["chat"],
        security=[*SECURITY],
        operation_id="CreateChatCompletion",
        summary="Answer a conversation",
        request_body=RequestBody(
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=_reference("ChatCompletionRequest"))
            },
        ),
        parameters=[
            Parameter(
                name="X-Session-ID",
                param_in="header",
                required=False,
                description="The session to go on with, or `none` to have nothing remembered",
                schema=Schema(type=OpenAPIType.STRING, pattern=SESSION_ID_PATTERN),
            )
        ],
        responses=responses,
    )


def _reference(name: str) -> Reference:
    return Reference(ref=_REF.format(name=name))
