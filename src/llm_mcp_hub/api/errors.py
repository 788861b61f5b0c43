"""Errors on the wire: one table, one body, one place that turns exceptions into responses.

Guarantee: every failing path, 404 and 405 included, answers with the same body and with
`x-should-retry`; nothing of an error's `detail` leaves the hub.
"""

import math
import re
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.datastructures import ResponseHeader
from litestar.exceptions import (
    HTTPException,
    MethodNotAllowedException,
    NotFoundException,
    ValidationException,
)
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct

from llm_mcp_hub import errors
from llm_mcp_hub.errors import HubError

_BODY = "data"
"""What Litestar calls the body; its callers never see that name."""
_FIELD = re.compile(r" field `(.*)`\Z", re.DOTALL)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

STATUS: dict[type[HubError], tuple[int, str]] = {
    errors.HubError: (500, "api_error"),
    errors.BadRequest: (400, "invalid_request_error"),
    errors.InvalidRequest: (400, "invalid_request_error"),
    errors.UnsupportedParameter: (400, "invalid_request_error"),
    errors.ContextTooLong: (400, "invalid_request_error"),
    errors.RequestTooLarge: (413, "invalid_request_error"),
    errors.BodyEncoded: (415, "invalid_request_error"),
    errors.KeyReused: (422, "invalid_request_error"),
    errors.NoPreviousResponse: (400, "invalid_request_error"),
    errors.NotAuthenticated: (401, "authentication_error"),
    errors.NotPermitted: (403, "permission_error"),
    errors.NotFound: (404, "not_found_error"),
    errors.RouteNotFound: (404, "not_found_error"),
    errors.MethodNotAllowed: (405, "invalid_request_error"),
    errors.UnknownModel: (404, "not_found_error"),
    errors.UnknownProvider: (404, "not_found_error"),
    errors.UnknownSession: (404, "not_found_error"),
    errors.UnknownTurn: (404, "not_found_error"),
    errors.UnknownResponse: (404, "not_found_error"),
    errors.UnknownAccessToken: (404, "not_found_error"),
    errors.Conflict: (409, "conflict_error"),
    errors.SessionBusy: (409, "conflict_error"),
    errors.SessionChanged: (409, "conflict_error"),
    errors.SessionEnded: (409, "conflict_error"),
    errors.NameTaken: (409, "conflict_error"),
    errors.ProviderConfigured: (409, "conflict_error"),
    errors.LastAdminToken: (409, "conflict_error"),
    errors.LimitReached: (429, "rate_limit_error"),
    errors.RateLimited: (429, "rate_limit_error"),
    errors.QuotaExhausted: (429, "rate_limit_error"),
    errors.TooManyTurns: (429, "rate_limit_error"),
    errors.QueueFull: (429, "rate_limit_error"),
    errors.ProviderRateLimited: (429, "rate_limit_error"),
    errors.WorkerError: (502, "api_error"),
    errors.WorkerStartFailed: (502, "api_error"),
    errors.WorkerDied: (502, "api_error"),
    errors.WorkerHung: (502, "api_error"),
    errors.WorkerGarbled: (502, "api_error"),
    errors.WorkerLimitExceeded: (502, "api_error"),
    errors.ProviderError: (502, "api_error"),
    errors.ProviderFailed: (502, "api_error"),
    errors.ProviderOverloaded: (503, "api_error"),
    errors.ProviderStreamCut: (502, "api_error"),
    errors.NotHonoured: (502, "api_error"),
    errors.ToolChoiceNotHonoured: (502, "api_error"),
    errors.FormatNotHonoured: (502, "api_error"),
    errors.Unavailable: (503, "api_error"),
    errors.ProviderUnavailable: (503, "api_error"),
    errors.ProviderDraining: (503, "api_error"),
    errors.LoginRequired: (503, "api_error"),
    errors.QueueTimeout: (503, "api_error"),
    errors.MemoryShort: (503, "api_error"),
    errors.Draining: (503, "api_error"),
    errors.StateUnavailable: (503, "api_error"),
    errors.MountUnavailable: (503, "api_error"),
    errors.TurnTimeout: (504, "api_error"),
    errors.TurnCancelled: (410, "api_error"),
    errors.TurnLost: (502, "api_error"),
    errors.ConfigError: (500, "api_error"),
    errors.InternalError: (500, "api_error"),
}
"""HTTP status and OpenAI error type of every error."""


class ErrorObject(Struct, frozen=True):
    """What went wrong, in the shape OpenAI clients expect."""

    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(Struct, frozen=True):
    """The body of every error."""

    error: ErrorObject


def status_of(error: HubError) -> int:
    """The HTTP status of an error."""
    return _row(error)[0]


def error_object(error: HubError) -> ErrorObject:
    """An error as clients see it."""
    return ErrorObject(error.message, _row(error)[1], error.param, error.code)


def error_body(error: HubError) -> bytes:
    """The JSON body of an error."""
    return msgspec.json.encode(ErrorBody(error_object(error)))


def error_headers(error: HubError) -> dict[str, str]:
    """Headers that tell a client whether and when to try again."""
    headers = {"x-should-retry": "true" if error.retryable else "false"}
    if error.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, errors.NotAuthenticated):
        headers["www-authenticate"] = "Bearer"
    return headers


def as_hub_error(error: Exception) -> HubError:
    """Any exception as one of the tree; what is unknown is logged and becomes `InternalError`."""
    if isinstance(error, HubError):
        return error
    if isinstance(error, MethodNotAllowedException):
        return errors.MethodNotAllowed("This path does not take that method; see `GET /schema`.")
    if isinstance(error, NotFoundException):
        return errors.RouteNotFound("There is nothing at this path; see `GET /schema`.")
    if isinstance(error, ValidationException):
        return _invalid(error)
    if isinstance(error, HTTPException) and error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return errors.RequestTooLarge(error.detail)
        return errors.InvalidRequest(error.detail)
    log.error("api.crashed", exc_info=error)
    return errors.InternalError("The hub failed; its log has the details.")


def _row(error: HubError) -> tuple[int, str]:
    """The row of the error's class, or of its nearest base: plugins have classes of their own."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def handle_error(_request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Litestar's exception handler for everything."""
    failure = as_hub_error(error)
    if failure.detail:
        log.warning("api.failed", code=failure.code, detail=failure.detail)
    headers = error_headers(failure)
    if isinstance(error, MethodNotAllowedException) and error.headers:
        headers |= {name.lower(): value for name, value in error.headers.items()}
    return Response(
        error_body(failure),
        status_code=status_of(failure),
        headers=headers,
        media_type="application/json",
    )


def error_responses(*statuses: int) -> dict[int, ResponseSpec]:
    """For `responses=`: the canonical body under each status, beside those any route may give."""
    always = (400, 401, 403, 404, 405, 500, 503)
    return {
        status: ResponseSpec(
            ErrorBody, description=HTTPStatus(status).phrase, generate_examples=False
        )
        for status in sorted({*always, *statuses})
    }


ERROR_HEADERS = [ResponseHeader(name="x-should-retry", documentation_only=True)]


def _invalid(error: ValidationException) -> errors.InvalidRequest:
    extra = error.extra if isinstance(error.extra, list) and error.extra else []
    first = extra[0] if extra and isinstance(extra[0], dict) else {}
    key = first.get("key")
    message = str(first.get("message") or error.detail)
    if key != _BODY:
        return errors.InvalidRequest(f"{key}: {message}" if key else message, param=key)
    if message == f"'{_BODY}'":
        return errors.InvalidRequest("The request needs a body.")
    field = _FIELD.search(message)
    return errors.InvalidRequest(f"The body: {message}", param=field.group(1) if field else None)
