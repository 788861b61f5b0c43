"""Errors for MCP: the second table of the error tree.

A failure inside a tool is a result with `isError`, so that the model can read it and react. What
the caller did wrong with the protocol, or may not do at all, is a JSON-RPC error.
Codes: JSON-RPC 2.0, section 5.1; -32002 is MCP's own for a resource that does not exist.
"""

from llm_mcp_hub import errors
from llm_mcp_hub.errors import HubError

INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
RESOURCE_NOT_FOUND = -32002

TOOL_RESULT = None
"""Not a protocol error: reported in the tool's result."""

CODES: dict[type[HubError], int | None] = {
    errors.HubError: INTERNAL_ERROR,
    errors.BadRequest: TOOL_RESULT,
    errors.InvalidRequest: TOOL_RESULT,
    errors.UnsupportedParameter: TOOL_RESULT,
    errors.ContextTooLong: TOOL_RESULT,
    errors.RequestTooLarge: TOOL_RESULT,
    errors.BodyEncoded: TOOL_RESULT,
    errors.KeyReused: TOOL_RESULT,
    errors.NoPreviousResponse: TOOL_RESULT,
    errors.NotAuthenticated: INVALID_REQUEST,
    errors.NotPermitted: INVALID_REQUEST,
    errors.NotFound: RESOURCE_NOT_FOUND,
    errors.RouteNotFound: METHOD_NOT_FOUND,
    errors.MethodNotAllowed: METHOD_NOT_FOUND,
    errors.UnknownModel: TOOL_RESULT,
    errors.UnknownProvider: TOOL_RESULT,
    errors.UnknownSession: TOOL_RESULT,
    errors.UnknownTurn: TOOL_RESULT,
    errors.UnknownResponse: TOOL_RESULT,
    errors.UnknownAccessToken: TOOL_RESULT,
    errors.Conflict: TOOL_RESULT,
    errors.SessionBusy: TOOL_RESULT,
    errors.SessionChanged: TOOL_RESULT,
    errors.SessionEnded: TOOL_RESULT,
    errors.NameTaken: TOOL_RESULT,
    errors.ProviderConfigured: TOOL_RESULT,
    errors.LastAdminToken: TOOL_RESULT,
    errors.LimitReached: TOOL_RESULT,
    errors.RateLimited: TOOL_RESULT,
    errors.QuotaExhausted: TOOL_RESULT,
    errors.TooManyTurns: TOOL_RESULT,
    errors.QueueFull: TOOL_RESULT,
    errors.ProviderRateLimited: TOOL_RESULT,
    errors.WorkerError: TOOL_RESULT,
    errors.WorkerStartFailed: TOOL_RESULT,
    errors.WorkerDied: TOOL_RESULT,
    errors.WorkerHung: TOOL_RESULT,
    errors.WorkerGarbled: TOOL_RESULT,
    errors.WorkerLimitExceeded: TOOL_RESULT,
    errors.ProviderError: TOOL_RESULT,
    errors.ProviderFailed: TOOL_RESULT,
    errors.ProviderOverloaded: TOOL_RESULT,
    errors.ProviderStreamCut: TOOL_RESULT,
    errors.NotHonoured: TOOL_RESULT,
    errors.ToolChoiceNotHonoured: TOOL_RESULT,
    errors.FormatNotHonoured: TOOL_RESULT,
    errors.Unavailable: TOOL_RESULT,
    errors.ProviderUnavailable: TOOL_RESULT,
    errors.ProviderDraining: TOOL_RESULT,
    errors.LoginRequired: TOOL_RESULT,
    errors.QueueTimeout: TOOL_RESULT,
    errors.MemoryShort: TOOL_RESULT,
    errors.Draining: TOOL_RESULT,
    errors.StateUnavailable: TOOL_RESULT,
    errors.MountUnavailable: TOOL_RESULT,
    errors.TurnTimeout: TOOL_RESULT,
    errors.TurnCancelled: TOOL_RESULT,
    errors.TurnLost: TOOL_RESULT,
    errors.ConfigError: INTERNAL_ERROR,
    errors.InternalError: INTERNAL_ERROR,
}
"""The JSON-RPC code of every error, or `TOOL_RESULT`."""

ADVICE: dict[type[HubError], str] = {
    errors.UnknownModel: "The tool list_models has the ids of all models.",
    errors.UnknownProvider: "The tool list_providers has their names.",
    errors.UnknownSession: "Leave session_id out to begin a new session.",
    errors.UnknownTurn: "If the turn had a session, get_session has its answer.",
    errors.SessionBusy: "Wait for the turn that runs, or leave session_id out for a new session.",
    errors.SessionChanged: "Look at it with get_session, then send the message again.",
    errors.ContextTooLong: "Begin a new session, and tell it in short what matters.",
    errors.LoginRequired: "Until then, list_providers says which providers are available.",
    errors.ProviderUnavailable: "The tool list_providers says which providers are available.",
    errors.ProviderRateLimited: "Another model may answer: see list_models.",
    errors.TurnTimeout: "A shorter question, or another model, may do.",
}
"""What to do next in terms of the tools, beside what the message says for everybody."""


def rpc_code(error: HubError) -> int | None:
    """The JSON-RPC code, or `TOOL_RESULT` if the error belongs into a tool's result."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def advice(error: HubError) -> str:
    """What to do next, or nothing if the message says it all."""
    return next((ADVICE[kind] for kind in type(error).__mro__ if kind in ADVICE), "")


def resource_code(error: HubError, *, handshake: bool) -> int:
    """The JSON-RPC code of an error where there is no result to put it in.

    Args:
        error: The error.
        handshake: Whether the client speaks a revision with a handshake. Those have a code of
            their own for a resource that does not exist (specification 2025-11-25, "Resources");
            2026-07-28 uses -32602.
    """
    if isinstance(error, errors.NotFound):
        return RESOURCE_NOT_FOUND if handshake else INVALID_PARAMS
    if isinstance(error, errors.BadRequest):
        return INVALID_PARAMS
    return rpc_code(error) or INTERNAL_ERROR
