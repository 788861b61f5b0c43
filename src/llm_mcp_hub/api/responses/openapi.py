"""The Responses API in the OpenAPI document: its schemas are the structs that it decodes with."""

from typing import Any

from litestar import Litestar
from litestar.openapi.spec import Operation, Schema
from litestar.openapi.spec.enums import OpenAPIType

from llm_mcp_hub.api.gate import SECURITY
from llm_mcp_hub.api.openapi import (
    Operations,
    extend_document,
    parameter,
    schemas_of,
    turn_operation,
    turn_responses,
)
from llm_mcp_hub.api.responses.create import PATH
from llm_mcp_hub.api.responses.manage import DOCUMENTED_PATH
from llm_mcp_hub.api.responses.objects import ResponseEvent, ResponseObject
from llm_mcp_hub.api.responses.schemas import ResponseRequest


def document_responses(app: Litestar, base: str) -> None:
    """Add the routes below `base` to the application's OpenAPI document, if it has one."""
    create = turn_operation(
        "CreateResponse",
        "Answer a conversation, and keep the answer",
        request=ResponseRequest.__name__,
        whole=ResponseObject.__name__,
        event=ResponseEvent.__name__,
        tag="responses",
    )
    operations: Operations = {
        ("post", f"{base}{PATH}"): create,
        ("get", f"{base}{DOCUMENTED_PATH}"): _get_operation(),
    }
    extend_document(app, schemas(), operations)


def schemas() -> dict[str, Any]:
    """The dialect's schemas, by name."""
    return schemas_of(ResponseRequest, ResponseObject, ResponseEvent)


def _get_operation() -> Operation:
    return Operation(
        tags=["responses"],
        security=[*SECURITY],
        operation_id="GetResponse",
        summary="A response that is kept: as it is now, or its events",
        parameters=[
            parameter(
                "path",
                "response_id",
                "`id` of the response",
                Schema(type=OpenAPIType.STRING),
            ),
            parameter(
                "query",
                "stream",
                "Its events, also those that are still to come",
                Schema(type=OpenAPIType.BOOLEAN),
            ),
            parameter(
                "query",
                "starting_after",
                "The `sequence_number` of the last event that has come",
                Schema(type=OpenAPIType.INTEGER, minimum=0),
            ),
        ],
        responses=turn_responses(
            "The response, or its events",
            whole=ResponseObject.__name__,
            event=ResponseEvent.__name__,
        ),
    )
