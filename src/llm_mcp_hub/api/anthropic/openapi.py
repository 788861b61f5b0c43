"""Anthropic's dialect in the OpenAPI document: its schemas are the structs that it decodes with."""

from typing import Any

import msgspec
from litestar import Litestar
from litestar.openapi.spec import (
    OpenAPIMediaType,
    Operation,
    PathItem,
    RequestBody,
    SecurityScheme,
)

from llm_mcp_hub.api.anthropic.messages import COUNT_PATH, PATH
from llm_mcp_hub.api.anthropic.objects import MessageError, MessageEvent, MessageObject
from llm_mcp_hub.api.anthropic.schemas import MessagesRequest
from llm_mcp_hub.api.gate import SECURITY_WITH_HEADER, TOKEN_HEADER
from llm_mcp_hub.api.openapi import REF, failures, reference, turn_parameters, turn_responses

COUNT_ERRORS = (400, 401, 403, 404, 405, 413, 500, 503)


def document_messages(app: Litestar, base: str) -> None:
    """Add the routes below `base` to the application's OpenAPI document, if it has one."""
    if app.openapi_config is None:
        return
    document = app.openapi_schema
    if document.paths is None or document.components.schemas is None:
        return
    document.components.schemas.update(_schemas())
    document.paths[f"{base}{PATH}"] = PathItem(post=_messages_operation())
    document.paths[f"{base}{COUNT_PATH}"] = PathItem(post=_count_operation())
    schemes = document.components.security_schemes or {}
    document.components.security_schemes = schemes
    schemes["AccessTokenHeader"] = SecurityScheme(
        type="apiKey",
        name=TOKEN_HEADER.decode(),
        security_scheme_in="header",
        description="The same access token, where some of Anthropic's clients put it",
    )


def _schemas() -> dict[str, Any]:
    (_, _, events), components = msgspec.json.schema_components(
        [MessagesRequest, MessageObject, MessageEvent], ref_template=REF
    )
    return components | {"MessageEvent": events}


def _messages_operation() -> Operation:
    return Operation(
        tags=["chat"],
        security=[*SECURITY_WITH_HEADER],
        operation_id="CreateMessage",
        summary="Answer a conversation, in Anthropic's dialect",
        request_body=RequestBody(
            required=True,
            content={"application/json": OpenAPIMediaType(schema=reference("MessagesRequest"))},
        ),
        parameters=turn_parameters(),
        responses=turn_responses(
            "The answer, whole or as server-sent events",
            {
                "application/json": OpenAPIMediaType(schema=reference("MessageObject")),
                "text/event-stream": OpenAPIMediaType(schema=reference("MessageEvent")),
            },
            error=MessageError.__name__,
        ),
    )


def _count_operation() -> Operation:
    return Operation(
        tags=["chat"],
        security=[*SECURITY_WITH_HEADER],
        operation_id="CountMessageTokens",
        summary="Always 404: the hub can't count the tokens of what is not sent",
        responses=failures(COUNT_ERRORS, MessageError.__name__),
    )
