"""Every failure the hub reports to a caller, as one tree.

    HubError
    ├── BadRequest              what was sent can't be served; sending it again won't help
    │   ├── InvalidRequest
    │   ├── UnsupportedParameter
    │   ├── ContextTooLong
    │   ├── RequestTooLarge
    │   ├── BodyEncoded         the body is compressed
    │   ├── KeyReused           the Idempotency-Key came with another request before
    │   └── NoPreviousResponse  the answer to go on from is not kept
    ├── NotAuthenticated        no access token, or one the hub does not know
    ├── NotPermitted            the access token lacks the scope
    ├── NotFound
    │   ├── RouteNotFound
    │   ├── MethodNotAllowed
    │   ├── UnknownModel
    │   ├── UnknownProvider
    │   ├── UnknownSession
    │   ├── UnknownTurn
    │   ├── UnknownResponse     no answer of that id is kept
    │   └── UnknownAccessToken
    ├── Conflict
    │   ├── SessionBusy         another turn runs on the session
    │   ├── SessionChanged      the session moved on, or was deleted, while the turn ran
    │   ├── SessionEnded        the session was deleted, and so its turn was interrupted
    │   ├── NameTaken
    │   ├── ProviderConfigured  a provider of the configuration file can't be removed
    │   └── LastAdminToken      nobody could administer the hub over REST any more
    ├── LimitReached
    │   ├── RateLimited         the access token's requests per minute
    │   ├── QuotaExhausted      the access token's requests or tokens of the day
    │   ├── TooManyTurns        the access token's turns at once
    │   ├── QueueFull           the hub's own bounded queue
    │   └── ProviderRateLimited the vendor's limit, with its reset time
    ├── WorkerError             the child process failed
    │   ├── WorkerStartFailed
    │   ├── WorkerDied
    │   ├── WorkerHung          it gives no sign of life, and was stopped
    │   ├── WorkerGarbled
    │   └── WorkerLimitExceeded it took more memory, CPU time, … than it may
    ├── ProviderError           the vendor's back end failed
    │   ├── ProviderFailed
    │   ├── ProviderOverloaded
    │   └── ProviderStreamCut
    ├── NotHonoured             the model did not answer as asked, not even when told what is wrong
    │   ├── ToolChoiceNotHonoured
    │   └── FormatNotHonoured
    ├── Unavailable
    │   ├── ProviderUnavailable
    │   │   └── ProviderDraining    an administrator has it take no new turn
    │   ├── LoginRequired       the vendor's tool is not logged in; says what to do
    │   ├── QueueTimeout        waited for a worker as long as allowed
    │   ├── MemoryShort         the machine has no memory for a worker
    │   ├── Draining
    │   ├── StateUnavailable    the state store can't be reached
    │   └── MountUnavailable    a plugin's application could not be opened
    ├── TurnTimeout             one of the turn's deadlines passed
    ├── TurnCancelled           its caller left and did not come back
    ├── TurnLost                the hub that ran it ended
    ├── ConfigError             the hub can't start with this configuration
    └── InternalError

An error says what happened and what to do next. It carries no HTTP status: `api.errors` and
`mcp.errors` each hold one table, and a test requires a row in both for every class here.
Details for the operator (a stderr tail, a path) go to `detail`, which is logged and never sent.
Over 300 lines because one tree is read in one place.
"""

from typing import ClassVar, Self


class HubError(Exception):
    """Base of all errors the hub reports.

    Attributes:
        code: Stable, machine-readable name of the situation.
        retryable: Whether the same request may succeed later, without costing a second
            generation. Sent as `x-should-retry`.
        message: What happened and what to do next, for the person who reads it.
        param: The request field at fault, if one is.
        retry_after: Seconds to wait before trying again, if known.
        detail: For the log only.
    """

    code: ClassVar[str] = "hub_error"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        retry_after: float | None = None,
        retryable: bool | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after = retry_after
        self.detail = detail
        if retryable is not None:
            self.retryable = retryable

    def again(self) -> Self:
        """The same error anew, to be raised a second time with a traceback of its own."""
        return type(self)(
            self.message,
            param=self.param,
            retry_after=self.retry_after,
            retryable=self.retryable,
            detail=self.detail,
        )


class BadRequest(HubError):
    """The request can't be served as it is."""

    code = "bad_request"


class InvalidRequest(BadRequest):
    """Malformed, of the wrong type, or self-contradictory."""

    code = "invalid_request"


class UnsupportedParameter(BadRequest):
    """A field that would change the answer and can't be honoured."""

    code = "unsupported_parameter"


class ContextTooLong(BadRequest):
    """The conversation exceeds the model's context window."""

    code = "context_length_exceeded"


class RequestTooLarge(BadRequest):
    """The body, or one prompt, is larger than the hub or the vendor takes."""

    code = "request_too_large"


class BodyEncoded(BadRequest):
    """The body is compressed, or otherwise encoded."""

    code = "unsupported_media_type"


class KeyReused(BadRequest):
    """The `Idempotency-Key` names another request of this principal's."""

    code = "idempotency_key_reused"


class NoPreviousResponse(BadRequest):
    """There is no answer of that id to go on from, or none yet; the code is OpenAI's."""

    code = "previous_response_not_found"


class NotAuthenticated(HubError):
    """No access token, or an unknown, expired or revoked one."""

    code = "not_authenticated"


class NotPermitted(HubError):
    """A known caller without the right to do this."""

    code = "not_permitted"


class NotFound(HubError):
    """The thing named does not exist, or not for this principal."""

    code = "not_found"


class RouteNotFound(NotFound):
    """No such path."""

    code = "route_not_found"


class MethodNotAllowed(NotFound):
    """The path exists, the method does not."""

    code = "method_not_allowed"


class UnknownModel(NotFound):
    """No provider offers the model."""

    code = "model_not_found"


class UnknownProvider(NotFound):
    """No provider of that name is configured."""

    code = "provider_not_found"


class UnknownSession(NotFound):
    """The principal has no such session, or it has expired."""

    code = "session_not_found"


class UnknownTurn(NotFound):
    """The principal has no such turn, or its journal has expired."""

    code = "turn_not_found"


class UnknownResponse(NotFound):
    """There is no answer of that id, it has expired, or it was not to be kept."""

    code = "response_not_found"


class UnknownAccessToken(NotFound):
    """No access token of that name."""

    code = "access_token_not_found"


class Conflict(HubError):
    """The request and the present state exclude each other."""

    code = "conflict"


class SessionBusy(Conflict):
    """Another turn runs on the session; nothing was spent."""

    code = "session_busy"
    retryable = True


class SessionChanged(Conflict):
    """The session moved on, or was deleted, while the turn ran."""

    code = "session_changed"


class SessionEnded(Conflict):
    """The session was deleted while the turn ran, and the turn was interrupted for that."""

    code = "session_ended"


class NameTaken(Conflict):
    """Something of that name exists already."""

    code = "name_taken"


class ProviderConfigured(Conflict):
    """The provider comes from the configuration or a plugin, and can't be removed at run time."""

    code = "provider_configured"


class LastAdminToken(Conflict):
    """Without this access token nobody could administer the hub over REST any more."""

    code = "last_admin_token"


class LimitReached(HubError):
    """A limit was reached; later is fine."""

    code = "limit_reached"
    retryable = True


class RateLimited(LimitReached):
    """The access token has had its requests of the minute; `retry_after` is when one is free."""

    code = "rate_limit_exceeded"


class QuotaExhausted(LimitReached):
    """The access token has had its requests or tokens of the day. Client libraries should not wait.

    `retry_after` is the time until the day ends.
    """

    code = "quota_exhausted"
    retryable = False


class TooManyTurns(LimitReached):
    """As many turns of the access token run as may at once."""

    code = "too_many_turns"


class QueueFull(LimitReached):
    """The queue before a provider's workers is full; refused at once."""

    code = "queue_full"


class ProviderRateLimited(LimitReached):
    """The vendor's rate or plan limit; `retry_after` comes from its reset time."""

    code = "provider_rate_limited"


class WorkerError(HubError):
    """The child process that should answer failed."""

    code = "worker_error"


class WorkerStartFailed(WorkerError):
    """No worker became ready."""

    code = "worker_start_failed"
    retryable = True


class WorkerDied(WorkerError):
    """The worker ended while it answered."""

    code = "worker_died"


class WorkerHung(WorkerError):
    """The worker did not answer when it was asked for a sign of life, and was stopped."""

    code = "worker_hung"


class WorkerGarbled(WorkerError):
    """The worker's output broke its protocol, or a line exceeded the limit."""

    code = "worker_garbled"


class WorkerLimitExceeded(WorkerError):
    """The worker took more than one may, and was stopped; the message names the limit.

    Not retryable: the turn may have been paid for, and the same request would go the same way.
    """

    code = "worker_limit_exceeded"


class ProviderError(HubError):
    """The vendor's back end failed."""

    code = "provider_error"


class ProviderFailed(ProviderError):
    """The vendor reported an error of its own."""

    code = "provider_failed"
    retryable = True


class ProviderOverloaded(ProviderError):
    """The vendor is overloaded."""

    code = "provider_overloaded"
    retryable = True


class ProviderStreamCut(ProviderError):
    """The vendor's stream broke after text had been sent; nothing was repeated."""

    code = "provider_stream_cut"


class NotHonoured(HubError):
    """The model did not answer as asked, not even when it was told what is wrong.

    Not retryable: two answers have been paid for.
    """

    code = "not_honoured"


class ToolChoiceNotHonoured(NotHonoured):
    """The model was to call a tool and did not."""

    code = "tool_choice_not_honoured"


class FormatNotHonoured(NotHonoured):
    """The answer does not have the form that `response_format` asks for."""

    code = "response_format_not_honoured"


class Unavailable(HubError):
    """Can't be served now."""

    code = "unavailable"
    retryable = True


class ProviderUnavailable(Unavailable):
    """The provider can't take requests; the message says why and what to do."""

    code = "provider_unavailable"
    retryable = False


class ProviderDraining(ProviderUnavailable):
    """An administrator drains or removes the provider; turns that run go on."""

    code = "provider_draining"


class LoginRequired(Unavailable):
    """The vendor's tool is not logged in, or its login was refused."""

    code = "login_required"
    retryable = False


class QueueTimeout(Unavailable):
    """No worker became free within the queue time."""

    code = "queue_timeout"


class MemoryShort(Unavailable):
    """There is too little memory to start a worker, and none that could give any back."""

    code = "memory_short"


class Draining(Unavailable):
    """The hub is shutting down, or the provider was removed while it answered."""

    code = "draining"


class StateUnavailable(Unavailable):
    """The state store can't be reached."""

    code = "state_unavailable"


class MountUnavailable(Unavailable):
    """An application that a plugin mounts, such as the dashboard, could not be opened."""

    code = "mount_unavailable"


class TurnTimeout(HubError):
    """A deadline of the turn passed; the message names it."""

    code = "turn_timeout"


class TurnCancelled(HubError):
    """The turn was ended before its answer was complete, because nobody waited for it."""

    code = "turn_cancelled"


class TurnLost(HubError):
    """The hub that ran the turn ended before the answer was complete."""

    code = "turn_lost"


class ConfigError(HubError):
    """The configuration is wrong; the message names the path in it."""

    code = "config_error"


class InternalError(HubError):
    """A defect of the hub."""

    code = "internal_error"
