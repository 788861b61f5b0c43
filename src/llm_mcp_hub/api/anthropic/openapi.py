"""Anthropic's dialect in the OpenAPI document: its schemas are the structs that it decodes with."""

from typing import Any

from litestar import Litestar
from litestar.openapi.spec import Operation, SecurityScheme

from llm_mcp_hub.api.anthropic.messages import COUNT_PATH, PATH
from llm_mcp_hub.api.anthropic.objects import MessageError, MessageEvent, MessageObject
from llm_mcp_hub.api.anthropic.schemas import MessagesRequest
from llm_mcp_hub.api.gate import SECURITY_WITH_HEADER, TOKEN_HEADER
from llm_mcp_hub.api.openapi import extend_document, failures, schemas_of, turn_operation

COUNT_ERRORS = (400, 401, 403, 404, 405, 413, 500, 503)


def document_messages(app: Litestar, base: str) -> None:
    """Add the routes below `base` to the application's OpenAPI document, if it has one."""
    create = turn_operation(
        "CreateMessage",
        "Answer a conversation, in Anthropic's dialect",
        request=MessagesRequest.__name__,
        whole=MessageObject.__name__,
        event="MessageEvent",
        error=MessageError.__name__,
        security=SECURITY_WITH_HEADER,
    )
    scheme = SecurityScheme(
        type="apiKey",
        name=TOKEN_HEADER.decode(),
        security_scheme_in="header",
        description="The same access token, where some of Anthropic's clients put it",
    )
    extend_document(
        app,
        schemas(),
        {
            ("post", f"{base}{PATH}"): create,
            ("post", f"{base}{COUNT_PATH}"): _count_operation(),
        },
        {"AccessTokenHeader": scheme},
    )


def schemas() -> dict[str, Any]:
    """The dialect's schemas, by name."""
    return schemas_of(MessagesRequest, MessageObject, MessageEvent=MessageEvent)


def _count_operation() -> Operation:
    return Operation(
        tags=["chat"],
        security=[*SECURITY_WITH_HEADER],
        operation_id="CountMessageTokens",
        summary="Always 404: the hub can't count the tokens of what is not sent",
        responses=failures(COUNT_ERRORS, MessageError.__name__),
    )
