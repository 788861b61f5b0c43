"""One conversation as the dialect sees it: how far its turn has come. Pure."""

from collections.abc import Sequence
from enum import Enum, auto

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message, TurnRequest
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub_acp.calls import Calls
from llm_mcp_hub_acp.prompt import GO_ON, Block, blocks_of, opening


class Phase(Enum):
    """How far a turn has come."""

    IDLE = auto()
    NOTING = auto()
    """The file with the history is being written."""
    LOADING = auto()
    """The agent reads it."""
    OPENING = auto()
    """The agent opens a session with the client's tools."""
    LISTING = auto()
    """The session is there, and the agent has yet to ask for the tools."""
    CHOOSING = auto()
    """The agent is told the model."""
    TALKING = auto()
    """The agent answers."""
    WAITING = auto()
    """The agent waits for the results of calls."""


class Talk:
    """See the module.

    Attributes:
        name: What the hub calls the conversation.
        session: What the agent calls it now.
        calls: What becomes of the client's tools; None if it has none.
        model: The model the agent would answer with; None if that is not known.
        stopping: Whether nobody wants to hear the rest.
        echoes: So many messages of a history are still to be told again.
        loaded: Whether the reply to `session/load` came.
        said: Whether any text was passed on.
        usage: What has been counted since the prompt.
        charged: What of that turns before this one have been charged with.
    """

    __slots__ = (
        "_known",
        "_split",
        "calls",
        "charged",
        "echoes",
        "loaded",
        "model",
        "name",
        "phase",
        "request",
        "said",
        "session",
        "stopping",
        "usage",
    )

    def __init__(self, name: str, model: str | None) -> None:
        self.name = self.session = name
        self.calls: Calls | None = None
        self.model = model
        self.phase = Phase.IDLE
        self.request: TurnRequest | None = None
        self.stopping = False
        self.echoes = 0
        self.loaded = False
        self.said = False
        self.usage = Usage()
        self.charged = Usage()
        self._known = 0
        self._split = 0

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """A turn begins."""
        known = request.prior if continued else 0
        ahead = transcript.history_length(request.messages[known:])
        if ahead:
            # An answer that the session does not know can't be put into it: it is told anew.
            known = 0
        self._known = known
        self._split = known or _history_length(request.messages)
        self.request = request
        self.stopping = False
        self.loaded = False
        self.echoes = 0
        self.said = False
        self.usage = Usage()
        self.charged = Usage()

    def charge(self) -> Usage:
        """What this turn has used, and the one that goes on from it has not.

        Most agents count when a prompt is over: the last turn of a chain has all of it then.
        """
        usage = self.uncharged
        self.charged += usage
        return usage

    @property
    def uncharged(self) -> Usage:
        """What this turn has used, as far as it has been counted."""
        return self.usage.beyond(self.charged)

    @property
    def history(self) -> Sequence[Message]:
        """What the agent must be told before the new messages."""
        return self._whole[self._known : self._split]

    def prompt(self) -> list[Block]:
        """The blocks of `session/prompt`."""
        request = self.request
        if request is None:
            return []
        # What was loaded, or is known, has the system prompt in it already.
        known = self._known or self.loaded
        before = [] if known else opening(request.system, self.history)
        new = blocks_of(self._whole[self._split :])
        return before + (new or [{"type": "text", "text": GO_ON}])

    def resume(self, request: TurnRequest) -> None:
        """A turn goes on where the last one ended with calls."""
        self.request = request
        self.phase = Phase.TALKING
        self.said = False

    @property
    def _whole(self) -> Sequence[Message]:
        return self.request.messages if self.request is not None else ()


def _history_length(messages: Sequence[Message]) -> int:
    """How many messages are history: results of calls are, with the calls."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role != "user":
            return index + 1
    return 0
