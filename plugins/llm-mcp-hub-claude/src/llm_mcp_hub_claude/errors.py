"""Claude Code's failures as the hub's errors: one pure function.

Guarantee: every failure becomes a `HubError` that says what to do; the vendor's own words go to
`detail` and never to the caller.

Claude Code 2.1.329 reports a failed turn as a `result` with `is_error` and `subtype: "success"`;
what happened is in `api_error_status` and in the `error` of the synthetic `assistant` line.
"""

from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.status import QuotaWindow
from llm_mcp_hub.errors import (
    ContextTooLong,
    HubError,
    InvalidRequest,
    LoginRequired,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderStreamCut,
    RequestTooLarge,
    TurnTimeout,
    UnknownModel,
    WorkerGarbled,
)
from llm_mcp_hub_claude.account import REMEDY
from llm_mcp_hub_claude.lines import LimitInfo

SOON_SECONDS = 60.0
"""A plan limit that ends later than this is nothing a client should wait for by itself."""

WINDOW_NAMES = {"five_hour": "5-hour", "seven_day": "7-day"}

_TOO_LONG = ("prompt is too long", "context window", "context limit", "context length")


class Failure(Struct, frozen=True):
    """What is known about a turn that failed.

    Attributes:
        status: `api_error_status` of the `result`: the HTTP status, if there was one.
        kind: `error` of the `assistant` line.
        cause: `api_error` of that line.
        error_type: `api_error_type` of the `result`.
        text: The vendor's own words.
        limits: The last `rate_limit_event` of the turn.
        retry_delay: Seconds the tool last waited before trying again.
        said: Whether a part of the answer had been given already.
    """

    status: int | None = None
    kind: str | None = None
    cause: str | None = None
    error_type: str | None = None
    text: str = ""
    limits: LimitInfo | None = None
    retry_delay: float | None = None
    said: bool = False


def to_hub_error(failure: Failure, now: float) -> HubError:
    """The error for a failed turn.

    Args:
        failure: What is known.
        now: Unix seconds, to tell how long a limit still holds.
    """
    error = _classify(failure, now)
    words = f"status {failure.status}, {failure.kind}, {failure.cause}: {failure.text}"
    error.detail = words[:2000]
    if failure.said:
        # Trying again would pay for the same answer a second time.
        error.retryable = False
    return error


MODEL_REFUSALS = {
    "not_found": Failure(404, "model_not_found"),
    "auth_failed": Failure(401, "authentication_failed"),
    "rate_limit": Failure(429, "rate_limit"),
    "check_server_error": Failure(500, "server_error"),
}
"""`error_code` of a refused `set_model`, as the failure of a turn that it stands for."""


def model_refused(code: str | None, text: str) -> HubError:
    """The error for a model that the tool tried out, and did not take."""
    failure = MODEL_REFUSALS.get(code or "", Failure())
    return to_hub_error(msgspec.structs.replace(failure, text=text), 0.0)


def model_replaced(asked: str, chosen: str) -> UnknownModel:
    """The error for a model in whose place the tool chose another."""
    return UnknownModel(
        f"Claude Code would answer with {chosen!r} instead of {asked!r}. Ask for the model you "
        "want; `GET /v1/models` lists those there are.",
        param="model",
    )


def step_refused(step: str, text: str | None) -> WorkerGarbled:
    """The error for a control request that the tool should know, and does not."""
    return WorkerGarbled(
        "Claude Code refused a step of its own protocol. Run `llm-mcp-hub doctor` to see whether "
        "its version fits.",
        detail=f"{step}: {text}",
    )


def stream_cut() -> ProviderStreamCut:
    """The error for an answer that the tool begins again after some of it was passed on."""
    return ProviderStreamCut(
        "Claude's answer was cut and began again from the start; the hub does not repeat text. "
        "Ask again to get a whole answer."
    )


def line_garbled(line: bytes, why: Exception) -> WorkerGarbled:
    """The error for a line that breaks the protocol."""
    return WorkerGarbled(
        "Claude Code wrote something that the hub does not understand. Run `llm-mcp-hub doctor` "
        "to see whether its version fits.",
        detail=f"{why}: {line[:200]!r}",
    )


def call_garbled() -> ProviderFailed:
    """The error for a call of a tool whose arguments can't be given to anybody."""
    return ProviderFailed("Claude called a tool with arguments that are no JSON object. Ask again.")


def went_on() -> WorkerGarbled:
    """The error for a tool that does not wait for the result of a call."""
    return WorkerGarbled(
        "Claude Code went on before it had the results of the tools it called. Run "
        "`llm-mcp-hub doctor` to see whether its version fits."
    )


def _classify(failure: Failure, now: float) -> HubError:
    status, kind = failure.status, failure.kind
    if status in (401, 403) or kind == "authentication_failed":
        return _login(status)
    if status == 404 or kind == "model_not_found":
        return UnknownModel(
            "Claude does not offer this model to this subscription. `GET /v1/models` lists those "
            "it offers.",
            param="model",
        )
    if status == 413 or failure.error_type == "request_too_large":
        return RequestTooLarge(
            "The conversation with its images is larger than Claude takes in one request "
            "(32 MB). Send fewer or smaller images."
        )
    if status == 429 or kind == "rate_limit":
        return _rate_limited(failure, now)
    if any(mark in failure.text.lower() for mark in _TOO_LONG):
        return ContextTooLong(
            "The conversation is longer than the model's context window. Send fewer messages or "
            "start a new session.",
            param="messages",
        )
    if status == 400 or kind == "invalid_request":
        return InvalidRequest(
            "Claude refused the request as invalid. Check images and the order of messages; the "
            "hub's log has Claude's own words under the turn's id."
        )
    if status == 529 or failure.error_type == "overloaded_error":
        return ProviderOverloaded("Claude is overloaded. Try again in a moment.")
    if status is None and kind == "server_error":
        return _no_answer(failure)
    return ProviderFailed("Claude failed to answer. Try again in a moment.")


def _login(status: int | None) -> LoginRequired:
    if status is None:
        return LoginRequired(f"Claude Code is not logged in. {REMEDY}")
    return LoginRequired(
        f"Claude refused the login ({status}): it has expired, was revoked or lacks the right to "
        f"use models. {REMEDY}"
    )


def _no_answer(failure: Failure) -> HubError:
    if failure.said:
        return ProviderStreamCut(
            "The connection to Claude was lost in the middle of the answer. Ask again to get a "
            "whole one."
        )
    if failure.cause is None and "timed out" in failure.text.lower():
        return TurnTimeout("Claude did not answer in time. Try again, or ask for less at once.")
    return ProviderFailed(
        "The connection to Claude failed. Check the network of the hub's machine and try again."
    )


def _rate_limited(failure: Failure, now: float) -> ProviderRateLimited:
    limits = failure.limits
    if limits is None or limits.resets_at is None or limits.status != "rejected":
        return ProviderRateLimited(
            "Claude is limiting requests for a moment; the subscription's own limit is not used "
            "up. Try again shortly.",
            retry_after=failure.retry_delay,
        )
    wait = max(1.0, limits.resets_at - now)
    return ProviderRateLimited(
        f"The subscription's {window_title(limits.rate_limit_type)} limit is used up until "
        f"{utc(limits.resets_at)}. Try again then, or use another model or provider.",
        retry_after=wait,
        retryable=wait <= SOON_SECONDS,
    )


def window_title(name: str | None) -> str:
    """A usage window's name for people: `5-hour` for `five_hour`."""
    if not name:
        return "usage"
    return WINDOW_NAMES.get(name, name.replace("_", " "))


def utc(seconds: float) -> str:
    """Unix seconds as `2026-11-20 17:50 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def quota_windows(limits: LimitInfo) -> tuple[QuotaWindow, ...]:
    """The usage windows that a `rate_limit_event` mentions; empty for one that names none."""
    windows = tuple(
        QuotaWindow(name, window.utilization, window.resets_at, window.status)
        for name, window in limits.unified_windows.items()
    )
    if windows or limits.rate_limit_type is None:
        return windows
    return (QuotaWindow(limits.rate_limit_type, None, limits.resets_at, limits.status),)
