"""Errors in Anthropic's words: its type for each HTTP status, and its body; pure.

The status is that of the one table of the REST API (`api.errors`), and so are the headers.
"""

import msgspec

from llm_mcp_hub import errors
from llm_mcp_hub.api.anthropic.objects import (
    MessageError,
    MessageErrorDetails,
    MessageErrorObject,
)
from llm_mcp_hub.api.errors import status_of
from llm_mcp_hub.errors import HubError

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    410: "api_error",
    413: "request_too_large",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    500: "api_error",
    502: "api_error",
    503: "api_error",
    504: "timeout_error",
}
"""Anthropic's type of an error with each status."""

OVERLOADED = (
    errors.ProviderOverloaded,
    errors.QueueTimeout,
    errors.MemoryShort,
    errors.Draining,
)
"""What `overloaded_error` says better: there is too much to do now, later is fine."""


CODES = {"thread": "thread_unsupported_request"}
"""Codes of Anthropic's own for a parameter that is not supported, where its libraries act on them.

With this one they send the whole conversation again, without `thread` (SDK 2.14).
"""


def error_type(error: HubError) -> str:
    """Anthropic's type of an error."""
    return "overloaded_error" if isinstance(error, OVERLOADED) else TYPES[status_of(error)]


def message_error(error: HubError, turn_id: str | None = None) -> MessageError:
    """An error as Anthropic's clients see it."""
    code = error.code
    if isinstance(error, errors.UnsupportedParameter):
        code = CODES.get(error.param or "", code)
    details = MessageErrorDetails(code, error.param)
    return MessageError(MessageErrorObject(error_type(error), error.message, details), turn_id)


def error_body(error: HubError) -> bytes:
    """The JSON body of a request that fails."""
    return msgspec.json.encode(message_error(error))
