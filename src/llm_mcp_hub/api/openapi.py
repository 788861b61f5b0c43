"""The place in the OpenAPI document of the routes that stream.

Litestar documents the handlers it parses requests for; these are bare ASGI handlers, so their
schemas come from the same structs that they decode with.
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
from llm_mcp_hub.api.openai.limits import NAMES as LIMIT_HEADERS
from llm_mcp_hub.api.openai.schemas import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
)
from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.domain.event import EventName, HubEvent
from llm_mcp_hub.domain.ids import IDEMPOTENCY_KEY_PATTERN, SESSION_ID_PATTERN, TURN_ID_PATTERN

CHAT_ERRORS = (400, 401, 403, 404, 405, 409, 410, 413, 422, 429, 500, 502, 503, 504)
REF = "#/components/schemas/{name}"


def document_streams(
    app: Litestar, chat_path: str, events_path: str, feed_path: str, usage_path: str
) -> None:
    """Add the streaming routes to the application's OpenAPI document, if it has one.

    And the second form of the usage report, and what `api.gate.SECURITY` refers to.
    """
    if app.openapi_config is None:
        return
    document = app.openapi_schema
    if document.paths is None or document.components.schemas is None:
        return
    schemas = document.components.schemas
    for name, schema in _schemas().items():
        schemas.setdefault(name, schema)
    document.paths[chat_path] = PathItem(post=_chat_operation())
    document.paths[events_path] = PathItem(get=_events_operation())
    document.paths[feed_path] = PathItem(get=_feed_operation())
    _document_csv(document.paths[usage_path])
    schemes = document.components.security_schemes or {}
    document.components.security_schemes = schemes
    schemes["AccessToken"] = SecurityScheme(
        type="http", scheme="bearer", description="An access token of the hub's own, `hub-…`"
    )


def _document_csv(item: PathItem) -> None:
    responses = item.get.responses if item.get is not None else None
    answer = (responses or {}).get("200")
    if isinstance(answer, OpenAPIResponse) and answer.content is not None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        answer.content = {**answer.content, "text/csv": text}


def _schemas() -> dict[str, Any]:
    _, components = msgspec.json.schema_components(
        [ChatCompletionRequest, ChatCompletion, ChatCompletionChunk, ErrorBody, HubEvent],
        ref_template=REF,
    )
    return components


def _chat_operation() -> Operation:
    return Operation(
        tags=["chat"],
        security=[*SECURITY],
        operation_id="CreateChatCompletion",
        summary="Answer a conversation",
        request_body=RequestBody(
            required=True,
            content={
                "application/json": OpenAPIMediaType(schema=reference("ChatCompletionRequest"))
            },
        ),
        parameters=turn_parameters(),
        responses=turn_responses(
            "The answer, whole or as server-sent events",
            {
                "application/json": OpenAPIMediaType(schema=reference("ChatCompletion")),
                "text/event-stream": OpenAPIMediaType(schema=reference("ChatCompletionChunk")),
            },
        ),
    )


def turn_parameters() -> list[Parameter | Reference]:
    """The headers of a request for an answer, in any dialect."""
    return [
        _header(
            "X-Session-ID",
            "The session to go on with, or `none` to have nothing remembered",
            Schema(type=OpenAPIType.STRING, pattern=SESSION_ID_PATTERN),
        ),
        _header(
            "Idempotency-Key",
            "All requests with the same key, which must be the same request, are one turn",
            Schema(type=OpenAPIType.STRING, pattern=IDEMPOTENCY_KEY_PATTERN),
        ),
        _header(
            "X-Priority",
            "`batch` lets the requests of others go first",
            Schema(type=OpenAPIType.STRING, enum=[one.value for one in Priority]),
        ),
    ]


def _events_operation() -> Operation:
    return Operation(
        tags=["turns"],
        security=[*SECURITY],
        operation_id="GetTurnEvents",
        summary="The rest of a streamed answer, or the whole of it again",
        parameters=[
            Parameter(
                name="turn_id",
                param_in="path",
                required=True,
                description="`X-Turn-ID` of the answer",
                schema=Schema(type=OpenAPIType.STRING, pattern=TURN_ID_PATTERN),
            ),
            Parameter(
                name="owner",
                param_in="query",
                required=False,
                description="To look on at another principal's turn; needs the scope `admin`",
                schema=Schema(type=OpenAPIType.STRING),
            ),
            _header(
                "Last-Event-ID",
                "The id of the last event that has come; without it, all are sent",
                Schema(type=OpenAPIType.INTEGER, minimum=0, maximum=10**12 - 1),
            ),
        ],
        responses=turn_responses(
            "The events, also those that are still to come",
            {"text/event-stream": OpenAPIMediaType(schema=reference("ChatCompletionChunk"))},
        ),
    )


def _feed_operation() -> Operation:
    ok = OpenAPIResponse(
        description="The events, until the client leaves or the hub stops",
        content={"text/event-stream": OpenAPIMediaType(schema=reference("HubEvent"))},
    )
    names = Schema(type=OpenAPIType.STRING, enum=[name.value for name in EventName])
    return Operation(
        tags=["hub"],
        security=[*SECURITY],
        operation_id="GetEvents",
        summary="What happens in this hub, as it happens",
        parameters=[
            Parameter(
                name="event",
                param_in="query",
                required=False,
                description="Only events of these names; all without it",
                schema=Schema(type=OpenAPIType.ARRAY, items=names),
            )
        ],
        responses={"200": ok, **failures((400, 401, 403, 404, 405, 500, 503))},
    )


def _header(name: str, description: str, schema: Schema) -> Parameter:
    return Parameter(
        name=name, param_in="header", required=False, description=description, schema=schema
    )


def turn_responses(
    description: str, content: dict[str, OpenAPIMediaType], error: str = "ErrorBody"
) -> dict[str, OpenAPIResponse | Reference]:
    """The responses to a request for an answer; `error` is the schema of its errors."""
    string = Schema(type=OpenAPIType.STRING)
    texts = {
        "X-Session-ID": "The session of this turn",
        "X-Turn-ID": "The id of this turn",
        "X-Hub-Ignored": "Fields of the request that have no effect",
        "Idempotent-Replayed": "`true` if an earlier request with the key has made the answer",
        **dict.fromkeys(LIMIT_HEADERS, "What the access token has left; see the limits"),
    }
    headers: dict[str, OpenAPIHeader | Reference] = {
        name: OpenAPIHeader(schema=string, description=text) for name, text in texts.items()
    }
    responses: dict[str, OpenAPIResponse | Reference] = {
        "200": OpenAPIResponse(description=description, headers=headers, content=content)
    }
    return responses | failures(CHAT_ERRORS, error)


def failures(
    statuses: tuple[int, ...], error: str = "ErrorBody"
) -> dict[str, OpenAPIResponse | Reference]:
    """The responses with these statuses; `error` is the schema of their bodies."""
    body = {"application/json": OpenAPIMediaType(schema=reference(error))}
    return {
        str(status): OpenAPIResponse(description="See `error.code`", content=body)
        for status in statuses
    }


def reference(name: str) -> Reference:
    """To a schema of the document's."""
    return Reference(ref=REF.format(name=name))
