"""What an agent reports as failed, as the hub's errors; pure.

Guarantee: every failure becomes a `HubError` that says what to do; the agent's own words go to
`detail` and never to the caller. After text was given nothing is retryable, for a repetition would
be paid for.
"""

from msgspec import Struct

from llm_mcp_hub.errors import (
    HubError,
    InvalidRequest,
    LoginRequired,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderStreamCut,
    UnknownModel,
    UnsupportedParameter,
    WorkerDied,
    WorkerGarbled,
    WorkerStartFailed,
)
from llm_mcp_hub_acp.lines import AUTH_REQUIRED, METHOD_NOT_FOUND, RpcError

DETAIL_CHARACTERS = 2000


class Failure(Struct, frozen=True):
    """A reply that is an error.

    Attributes:
        step: What had been asked, such as `session/prompt`.
        said: Whether a part of the answer had been given already.
    """

    error: RpcError
    step: str
    said: bool = False

    @property
    def words(self) -> str:
        """For the log."""
        return f"{self.step}: {self.error.code} {self.error.message}"[:DETAIL_CHARACTERS]


def finished(error: HubError, failure: Failure) -> HubError:
    """An error with what is the same for all of them."""
    error.detail = failure.words
    if failure.said:
        error.retryable = False
    return error


def to_hub_error(failure: Failure, title: str, remedy: str) -> HubError:
    """The error for any agent's failure: by its code alone, for the words are the agent's own."""
    return finished(_classify(failure, title, remedy), failure)


def _classify(failure: Failure, title: str, remedy: str) -> HubError:
    code = failure.error.code
    if code in (AUTH_REQUIRED, 401, 403):
        return LoginRequired(f"{title} is not logged in, or its login was refused. {remedy}")
    if code == METHOD_NOT_FOUND:
        return WorkerGarbled(
            f"{title} does not know a step that its settings say it knows. Correct "
            "`model_switch`, `session_mode` or `authentication` of the provider."
        )
    if code == 404:
        return UnknownModel(f"{title} does not offer this model to this login.", param="model")
    if code == 429:
        return ProviderRateLimited(f"{title} is limiting requests. Try again later.")
    if code == 400:
        return InvalidRequest(f"{title} refused the request as invalid.")
    if code in (503, 529):
        return ProviderOverloaded(f"{title} is overloaded. Try again in a moment.")
    if failure.said:
        return stream_cut(title)
    return ProviderFailed(f"{title} failed to answer. Try again in a moment.")


def stream_cut(title: str) -> ProviderStreamCut:
    """The error for an answer that broke off."""
    return ProviderStreamCut(
        f"The answer of {title} broke off in the middle. Ask again to get a whole one."
    )


def own_tool(title: str) -> ProviderFailed:
    """The error for an agent that did something by itself."""
    return ProviderFailed(
        f"{title} used a tool of its own, which the hub does not allow; the turn was stopped. Turn "
        "its tools off in its settings.",
        retryable=False,
    )


def takes_no_tools(title: str) -> UnsupportedParameter:
    """The error for tools that an agent can't be given."""
    return UnsupportedParameter(
        f"{title} can't be given tools: it knows no MCP servers over HTTP. Leave `tools` out, or "
        "ask another provider.",
        param="tools",
    )


def tools_not_listed(title: str) -> WorkerStartFailed:
    """The error for an agent that would have gone on without the tools, silently."""
    return WorkerStartFailed(
        f"{title} did not take the tools of the request. Ask again; if it stays so, run "
        "`llm-mcp-hub doctor` to see whether its version fits."
    )


def call_given_up(title: str) -> WorkerDied:
    """The error for a conversation that no longer waits for results."""
    return WorkerDied(f"{title} no longer waits for the results of its calls.")


def nothing_said(title: str) -> ProviderFailed:
    """The error for an answer without a word."""
    return ProviderFailed(
        f"{title} ended the turn without an answer: it was blocked or broke off. Ask differently.",
        retryable=False,
    )
