"""The place in the OpenAPI document of the routes that Litestar does not document by itself.

It documents the handlers that it parses requests for; those that stream are bare ASGI handlers.
What their documentation has in common is here; each API says in its own `openapi` what is its own,
and its schemas come from the same structs that it decodes with.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

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

from llm_mcp_hub.api.errors import STATUS
from llm_mcp_hub.api.gate import SECURITY
from llm_mcp_hub.api.model_headers import NAMES as MODEL_HEADERS
from llm_mcp_hub.api.openai.limits import NAMES as LIMIT_HEADERS
from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.domain.ids import IDEMPOTENCY_KEY_PATTERN, SESSION_ID_PATTERN

Operations = dict[tuple[Literal["get", "post"], str], Operation]
"""By method and path."""

_REF = "#/components/schemas/{name}"


def extend_document(
    app: Litestar,
    schemas: Mapping[str, Any],
    operations: Operations,
    schemes: Mapping[str, SecurityScheme] | None = None,
) -> None:
    """Add to the application's OpenAPI document, if it has one.

    Args:
        app: The application.
        schemas: By name, also in the place of what Litestar makes of the same structs.
        operations: In the place of what Litestar says about them, if it says anything.
        schemes: How to present an access token, by name.
    """
    if app.openapi_config is None:
        return
    document = app.openapi_schema
    components = document.components
    if document.paths is None or components.schemas is None:
        return
    components.schemas = {**components.schemas, **schemas}
    components.security_schemes = {**(components.security_schemes or {}), **(schemes or {})}
    for (method, path), operation in operations.items():
        setattr(document.paths.setdefault(path, PathItem()), method, operation)


def schemas_of(*structs: type[msgspec.Struct], **others: Any) -> dict[str, Any]:
    """The schemas of structs, of other types under a name, and of what all are made of."""
    given, components = msgspec.json.schema_components(
        [*structs, *others.values()], ref_template=_REF
    )
    return components | dict(zip(others, given[len(structs) :], strict=True))


def turn_operation(
    operation_id: str,
    summary: str,
    *,
    request: str,
    whole: str,
    event: str,
    tag: str = "chat",
    error: str = "ErrorBody",
    security: list[dict[str, list[str]]] = SECURITY,
) -> Operation:
    """A route that has a model answer, in some dialect.

    Args:
        operation_id: Its name in the document.
        summary: What it does.
        request: The schema of its requests.
        whole: That of a whole answer.
        event: That of an event of a streamed one.
        tag: The group of routes it belongs to.
        error: The schema of its errors.
        security: How an access token can be presented.
    """
    return Operation(
        tags=[tag],
        security=[*security],
        operation_id=operation_id,
        summary=summary,
        request_body=RequestBody(
            required=True,
            content={"application/json": OpenAPIMediaType(schema=reference(request))},
        ),
        parameters=[
            parameter(
                "header",
                "X-Session-ID",
                "The session to go on with, or `none` to have nothing remembered",
                Schema(type=OpenAPIType.STRING, pattern=SESSION_ID_PATTERN),
            ),
            parameter(
                "header",
                "Idempotency-Key",
                "All requests with the same key, which must be the same request, are one turn",
                Schema(type=OpenAPIType.STRING, pattern=IDEMPOTENCY_KEY_PATTERN),
            ),
            parameter(
                "header",
                "X-Priority",
                "`batch` lets the requests of others go first",
                Schema(type=OpenAPIType.STRING, enum=[one.value for one in Priority]),
            ),
        ],
        responses=turn_responses(
            "The answer, whole or as server-sent events", whole=whole, event=event, error=error
        ),
    )


def turn_responses(
    description: str, *, event: str, whole: str | None = None, error: str = "ErrorBody"
) -> dict[str, OpenAPIResponse | Reference]:
    """The responses of a route that tells of a turn; see `turn_operation`.

    Args:
        description: What a client gets.
        event: The schema of an event.
        whole: That of a whole answer; None if there are only events.
        error: That of an error.
    """
    string = Schema(type=OpenAPIType.STRING)
    texts = {
        "X-Session-ID": "The session of this turn",
        "X-Turn-ID": "The id of this turn",
        "X-Hub-Ignored": "Fields of the request that have no effect",
        "Idempotent-Replayed": "`true` if an earlier request with the key has made the answer",
        **dict.fromkeys(MODEL_HEADERS, "Who answers: the provider, and the model's id"),
        **dict.fromkeys(LIMIT_HEADERS, "What the access token has left; see the limits"),
    }
    headers: dict[str, OpenAPIHeader | Reference] = {
        name: OpenAPIHeader(schema=string, description=text) for name, text in texts.items()
    }
    content = {"text/event-stream": OpenAPIMediaType(schema=reference(event))}
    if whole is not None:
        content["application/json"] = OpenAPIMediaType(schema=reference(whole))
    responses: dict[str, OpenAPIResponse | Reference] = {
        "200": OpenAPIResponse(description=description, headers=headers, content=content)
    }
    statuses = sorted({status for status, _ in STATUS.values()})
    return responses | failures(statuses, error)


def failures(
    statuses: Iterable[int], error: str = "ErrorBody"
) -> dict[str, OpenAPIResponse | Reference]:
    """The responses with these statuses; `error` is the schema of their bodies."""
    body = {"application/json": OpenAPIMediaType(schema=reference(error))}
    return {
        str(status): OpenAPIResponse(description="See `error.code`", content=body)
        for status in statuses
    }


def parameter(
    place: Literal["path", "query", "header"], name: str, description: str, schema: Schema
) -> Parameter:
    """What a request has in its path, or may have elsewhere."""
    return Parameter(
        name=name,
        param_in=place,
        required=place == "path",
        description=description,
        schema=schema,
    )


def reference(name: str) -> Reference:
    """To a schema of the document's."""
    return Reference(ref=_REF.format(name=name))
