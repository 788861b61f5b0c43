"""The hub's own streaming routes in the OpenAPI document, and how to present an access token."""

from typing import Any

from litestar import Litestar
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.enums import OpenAPIType

from llm_mcp_hub.api.errors import ErrorBody
from llm_mcp_hub.api.gate import SECURITY
from llm_mcp_hub.api.hub.feed import FEED_PATH
from llm_mcp_hub.api.hub.turns import DOCUMENTED_EVENTS_PATH
from llm_mcp_hub.api.hub.usage import PATH as USAGE_PATH
from llm_mcp_hub.api.openapi import (
    Operations,
    extend_document,
    failures,
    parameter,
    reference,
    schemas_of,
    turn_responses,
)
from llm_mcp_hub.domain.event import EventName, HubEvent
from llm_mcp_hub.domain.ids import TURN_ID_PATTERN


def document_hub(app: Litestar, base: str) -> None:
    """Add the routes below `base` to the application's OpenAPI document, if it has one.

    And the second form of the usage report, and what `api.gate.SECURITY` refers to.
    """
    operations: Operations = {
        ("get", f"{base}{DOCUMENTED_EVENTS_PATH}"): _events_operation(),
        ("get", f"{base}{FEED_PATH}"): _feed_operation(),
    }
    scheme = SecurityScheme(
        type="http", scheme="bearer", description="An access token of the hub's own, `hub-…`"
    )
    extend_document(app, schemas(), operations, {"AccessToken": scheme})
    _document_csv(app, f"{base}{USAGE_PATH}")


def schemas() -> dict[str, Any]:
    """The schemas of these routes, by name."""
    return schemas_of(ErrorBody, HubEvent)


def _document_csv(app: Litestar, path: str) -> None:
    if app.openapi_config is None or app.openapi_schema.paths is None:
        return
    report = app.openapi_schema.paths[path].get
    responses = report.responses if report is not None else None
    answer = (responses or {}).get("200")
    if isinstance(answer, OpenAPIResponse) and answer.content is not None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        answer.content = {**answer.content, "text/csv": text}


def _events_operation() -> Operation:
    return Operation(
        tags=["turns"],
        security=[*SECURITY],
        operation_id="GetTurnEvents",
        summary="The rest of a streamed answer, or the whole of it again",
        parameters=[
            parameter(
                "path",
                "turn_id",
                "`X-Turn-ID` of the answer",
                Schema(type=OpenAPIType.STRING, pattern=TURN_ID_PATTERN),
            ),
            parameter(
                "query",
                "owner",
                "To look on at another principal's turn; needs the scope `admin`",
                Schema(type=OpenAPIType.STRING),
            ),
            parameter(
                "header",
                "Last-Event-ID",
                "The id of the last event that has come; without it, all are sent",
                Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=10**12 - 1),
            ),
        ],
        responses=turn_responses(
            "The events, also those that are still to come", event="ChatCompletionChunk"
        ),
    )


def _feed_operation() -> Operation:
    ok = OpenAPIResponse(
        description="The events, until the client leaves or the hub stops",
        content={"text/event-stream": OpenAPIMediaType(schema=reference(HubEvent.__name__))},
    )
    names = Schema(type=OpenAPIType.STRING, enum=[name.value for name in EventName])
    return Operation(
        tags=["hub"],
        security=[*SECURITY],
        operation_id="GetEvents",
        summary="What happens in this hub, as it happens",
        parameters=[
            parameter(
                "query",
                "event",
                "Only events of these names; all without it",
                Schema(type=OpenAPIType.ARRAY, items=names),
            )
        ],
        responses={"200": ok, **failures((400, 401, 403, 404, 405, 500, 503))},
    )
