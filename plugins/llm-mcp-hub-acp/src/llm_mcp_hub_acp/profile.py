"""What tells one agent from another: everything the dialect must know of it beside the protocol.

A profile is data and pure functions. A plugin for one agent, such as the Gemini CLI's, makes one;
for any other agent it is made from the settings.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.errors import HubError
from llm_mcp_hub_acp.errors import Failure, to_hub_error

ModelSwitch = Literal["none", "set_model", "set_config_option"]
Noise = Literal["garbled", "ignore", "login"]


class Restoration(Struct, frozen=True):
    """A history as a file from which the agent's `session/load` brings it back.

    Attributes:
        path: Relative to the worker's private directory.
        echoes: So many messages the agent tells again while it loads them (`session/update`), some
            after its reply. They are no part of an answer.
    """

    path: str
    content: bytes
    echoes: int


class AgentProfile(Struct, frozen=True):
    """See the module.

    Attributes:
        title: The agent's name for people.
        remedy: What to do about its login, as a sentence.
        authentication: `methodId` of `authenticate`, called before anything else; empty: not.
        model_switch: How another model is chosen in a session.
        model_option: The option that `set_config_option` sets.
        session_mode: Mode to put each new session into; empty leaves it.
        usage: Where the token counts are; see `usage.py`.
        noise: What a line that is no JSON means: the program is broken, nothing, or that it asks
            for a login on its standard output.
        pings: Whether it answers a request it does not know, as JSON-RPC wants; then that is its
            sign of life.
        counts_prove_an_end: Whether an answer that ends without counts was cut by something the
            agent does not tell.
        to_error: A failed reply as the hub's error; None for the common rules.
        restore: A session's id, the system prompt and a history as a file; None if the agent's own
            files are not known.
        client_call: Whether the `toolCallId` of an update is that of a call of the client's tool;
            None if that can't be told from it.
        leftovers: Patterns of the files that a session leaves behind.
    """

    title: str
    remedy: str = "Log in with the agent's own program."
    authentication: str = ""
    model_switch: ModelSwitch = "none"
    model_option: str = "model"
    session_mode: str = ""
    usage: str = "result.usage"
    noise: Noise = "garbled"
    pings: bool = True
    counts_prove_an_end: bool = False
    to_error: Callable[[Failure], HubError] | None = None
    restore: Callable[[str, str, Sequence[Message]], Restoration] | None = None
    client_call: Callable[[str], bool] | None = None
    leftovers: Callable[[str], tuple[str, ...]] = lambda _: ()

    def error_of(self, failure: Failure) -> HubError:
        """The error for a failed reply."""
        if self.to_error is not None:
            return self.to_error(failure)
        return to_hub_error(failure, self.title, self.remedy)
