"""The Gemini CLI's failures as the hub's errors; pure.

Guarantee: every failure becomes a `HubError` that says what to do; the vendor's own words go to
`detail` and never to the caller.

The Gemini CLI 0.61.0 answers a failed prompt with the back end's HTTP status as the code, but 500
for 404 and for a connection that was cut; and a session that can't be opened, for whatever reason,
with -32000. What happened is then in the text alone.
"""

import re

from llm_mcp_hub.errors import (
    ContextTooLong,
    HubError,
    InvalidRequest,
    LoginRequired,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    RequestTooLarge,
    UnknownModel,
)
from llm_mcp_hub_acp.errors import Failure, finished, stream_cut
from llm_mcp_hub_acp.lines import AUTH_REQUIRED
from llm_mcp_hub_gemini.credentials import REMEDY

SOON_SECONDS = 60.0
"""A limit that ends later than this is nothing a client should wait for by itself."""

NOT_ENTITLED = (
    "Google no longer serves this login through the Gemini CLI: since June 2026 it is for Gemini "
    "Code Assist Standard and Enterprise only, and no longer for individuals (free, AI Pro, AI "
    "Ultra). Log in with an account that has such a licence: run `llm-mcp-hub setup gemini`; or "
    "turn this provider off: `enabled = false`."
)

_RESET = re.compile(r"reset after ((?:\d+(?:\.\d+)?[dhms]\s*)+)", re.IGNORECASE)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)([dhms])", re.IGNORECASE)
_SECONDS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_TOO_LONG = ("token count", "context window", "context length", "too many tokens")
_LOST = ("premature close", "socket hang up", "econnreset", "fetch failed", "enotfound", "network")
_ABOUT_LOGIN = ("login", "credential", "token", "permission", "unauthenticated", "authenti")


def to_hub_error(failure: Failure) -> HubError:
    """The error for a reply that is one."""
    return finished(_classify(failure), failure)


def reset_seconds(text: str) -> float | None:
    """Seconds until a quota is renewed, from `… will reset after 11h22m.`; None without it."""
    match = _RESET.search(text)
    if match is None:
        return None
    return sum(float(n) * _SECONDS[unit.lower()] for n, unit in _PIECE.findall(match.group(1)))


def _classify(failure: Failure) -> HubError:
    code, text = failure.error.code, failure.error.message.lower()
    if "no longer supported" in text and "individuals" in text:
        return ProviderUnavailable(NOT_ENTITLED)
    if "invalid_grant" in text or code == 401:
        return LoginRequired(f"Google refused the login: it has expired or was revoked. {REMEDY}")
    if code == 403:
        return LoginRequired(
            f"Google refused the login (403): it lacks the right to use this model or project. "
            f"Check the licence and `project`, or log in with another account. {REMEDY}"
        )
    if code == AUTH_REQUIRED:
        return _not_opened(text)
    if code == 404 or "not found" in text or "not_found" in text:
        return UnknownModel(
            "Gemini does not offer this model to this login. `GET /v1/models` lists those it "
            "offers.",
            param="model",
        )
    if code == 429:
        return _rate_limited(failure.error.message)
    if any(mark in text for mark in _TOO_LONG):
        return ContextTooLong(
            "The conversation is longer than the model's context window. Send fewer messages or "
            "start a new session.",
            param="messages",
        )
    return _by_status(failure, code, text)


def _by_status(failure: Failure, code: int, text: str) -> HubError:
    if code == 413:
        return RequestTooLarge(
            "The conversation with its images is larger than Gemini takes in one request. Send "
            "fewer or smaller images."
        )
    if code == 400:
        return InvalidRequest(
            "Gemini refused the request as invalid. Check images and the order of messages; the "
            "hub's log has Gemini's own words under the turn's id."
        )
    if code == 503:
        return ProviderOverloaded("Gemini is overloaded. Try again in a moment.")
    if failure.said:
        return stream_cut("Gemini")
    if any(mark in text for mark in _LOST):
        return ProviderFailed(
            "The connection to Gemini failed. Check the network of the hub's machine and try again."
        )
    return ProviderFailed("Gemini failed to answer. Try again in a moment.")


def _not_opened(text: str) -> HubError:
    if any(mark in text for mark in _ABOUT_LOGIN):
        return LoginRequired(f"Google did not accept the login. {REMEDY}")
    return ProviderUnavailable(
        "Google's Code Assist did not let a conversation begin. Try again in a moment; if it stays "
        f"so, log in anew. {REMEDY}"
    )


def _rate_limited(text: str) -> ProviderRateLimited:
    wait = reset_seconds(text)
    if wait is not None:
        return ProviderRateLimited(
            f"The quota of this Gemini model is used up for another {_spoken(wait)}. Try again "
            "then, or use another model or provider.",
            retry_after=max(1.0, wait),
            retryable=wait <= SOON_SECONDS,
        )
    if "daily" in text.lower() or "per day" in text.lower():
        return ProviderRateLimited(
            "The daily quota of this Gemini model is used up. Try again tomorrow, or use another "
            "model or provider.",
            retryable=False,
        )
    return ProviderRateLimited(
        "Gemini is limiting requests for a moment. Try again shortly.", retry_after=SOON_SECONDS
    )


def _spoken(seconds: float) -> str:
    if seconds < 60:
        return f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
