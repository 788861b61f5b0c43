"""The Responses API in the OpenAPI document: its schemas are the structs that it decodes with."""

from typing import Any

import msgspec
from litestar import Litestar
from litestar.openapi.spec import (
    OpenAPIMediaType,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from llm_mcp_hub.api.gate import SECURITY
from llm_mcp_hub.api.openapi import REF, reference, turn_parameters, turn_responses
from llm_mcp_hub.api.responses.create import PATH
from llm_mcp_hub.api.responses.manage import DOCUMENTED_PATH
from llm_mcp_hub.api.responses.objects import ResponseEvent, ResponseObject
from llm_mcp_hub.api.responses.schemas import ResponseRequest


def document_responses(app: Litestar, base: str) -> None:
    """Add the routes below `base` to the application's OpenAPI document, if it has one."""
    if app.openapi_config is None:
        return
    document = app.openapi_schema
    if document.paths is None or document.components.schemas is None:
        return
    document.components.schemas.update(_schemas())
    document.paths[f"{base}{PATH}"] = PathItem(post=_create_operation())
    document.paths[f"{base}{DOCUMENTED_PATH}"].get = _get_operation()


def _schemas() -> dict[str, Any]:
    _, components = msgspec.json.schema_components(
        [ResponseRequest, ResponseObject, ResponseEvent], ref_template=REF
    )
    return components


def _content() -> dict[str, OpenAPIMediaType]:
    return {
        "application/json": OpenAPIMediaType(schema=reference("ResponseObject")),
        "text/event-stream": OpenAPIMediaType(schema=reference("ResponseEvent")),
    }


def _create_operation() -> Operation:
    body = OpenAPIMediaType(schema=reference("ResponseRequest"))
    return Operation(
        tags=["responses"],
        security=[*SECURITY],
        operation_id="CreateResponse",
        summary="Answer a conversation, and keep the answer",
        request_body=RequestBody(required=True, content={"application/json": body}),
        parameters=turn_parameters(),
        responses=turn_responses("The answer, whole or as server-sent events", _content()),
    )


def _get_operation() -> Operation:
    return Operation(
        tags=["responses"],
        security=[*SECURITY],
        operation_id="GetResponse",
        summary="A response that is kept: as it is now, or its events",
        parameters=[
            Parameter(
                name="response_id",
                param_in="path",
                required=True,
                description="`id` of the response",
                schema=Schema(type=OpenAPIType.STRING),
            ),
            Parameter(
                name="stream",
                param_in="query",
                required=False,
                description="Its events, also those that are still to come",
                schema=Schema(type=OpenAPIType.BOOLEAN),
            ),
            Parameter(
                name="starting_after",
                param_in="query",
                required=False,
                description="The `sequence_number` of the last event that has come",
                schema=Schema(type=OpenAPIType.INTEGER, minimum=0),
            ),
        ],
        responses=turn_responses("The response, or its events", _content()),
    )
