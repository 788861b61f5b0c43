"""The contract of a dialect that carries many conversations in one worker.

As for `dialect.Dialect`: it is told what to do, is fed the lines that the worker wrote, answers
with events and with bytes to send, does no I/O, keeps no time, and gives the same events whatever
the batching of the lines. An event either concerns the worker or names its conversation.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from msgspec import Struct

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.dialect import Event, Pong, Ready


class Opened(Struct, frozen=True):
    """A conversation exists, and nothing has been said in it.

    Attributes:
        ticket: What `open` returned.
        conversation: Its name, in all that follows.
        models: The models it can be held with, the default one first; empty if it does not say.
    """

    ticket: int
    conversation: str
    models: tuple[ModelCard, ...] = ()


class NotOpened(Struct, frozen=True):
    """No conversation was opened for `ticket`."""

    ticket: int
    error: HubError


class StartFailed(Struct, frozen=True):
    """Answer to `probe`: the tool can't be used."""

    error: HubError


class Said(Struct, frozen=True):
    """An event of one conversation's turn."""

    conversation: str
    event: Event


class Over(Struct, frozen=True):
    """Nothing is generated for the conversation any more: its turn ended, in whatever way."""

    conversation: str


class Suspended(Struct, frozen=True):
    """A turn ended with calls, and the tool generates nothing before it has their results.

    What it had begun is still under way: it is over (`Over`) after a later turn, or when it is
    interrupted.
    """

    conversation: str


class Lost(Struct, frozen=True):
    """A conversation can't go on, though its worker can."""

    conversation: str
    error: HubError


OfOne = Said | Over | Suspended | Lost
"""What concerns one conversation alone."""
SharedEvent = Ready | StartFailed | Pong | Opened | NotOpened | OfOne


class Note(Struct, frozen=True):
    """A file that the tool must find before the turn of `conversation` can go on.

    Attributes:
        path: Relative to the worker's private directory.
    """

    conversation: str
    path: str
    content: bytes


class SharedDialect(Protocol):
    """See the module. One instance belongs to one worker for the worker's whole life."""

    def listen(self, deliver: Callable[[Sequence[SharedEvent]], None]) -> None:
        """Have `deliver` told of what comes by another way than the worker's lines.

        Whoever is told looks for bytes to send and notes to write, as after `receive`.
        """
        ...

    def probe(self) -> None:
        """Ask for a sign of life that spends nothing, and for what must come before all else."""
        ...

    def open(self) -> int:
        """Ask for a new conversation; the ticket that its answer names."""
        ...

    def begin(self, conversation: str, request: TurnRequest, *, continued: bool) -> None:
        """Begin a turn in a conversation that has none.

        Args:
            conversation: Its name.
            request: The turn.
            continued: As for `Dialect.begin`: whether the conversation holds the history. One
                that is suspended is then given the results that it waits for, and nothing else.
        """
        ...

    def notes(self) -> list[Note]:
        """Files to write; each is returned once. `noted` tells that it is there."""
        ...

    def noted(self, conversation: str) -> None:
        """The file for `conversation` has been written."""
        ...

    def interrupt(self, conversation: str) -> None:
        """Ask the tool to stop generating for it. No more is said, and `Over` comes in the end.

        A suspended one is interrupted like one that generates.
        """
        ...

    def close(self, conversation: str) -> Sequence[str]:
        """Forget a conversation that is over.

        Returns:
            Patterns of the files that are left of it, relative to the worker's private directory.
        """
        ...

    def ping(self) -> bool:
        """Ask for a `Pong`, as `Dialect.ping`; False if the protocol has no such thing."""
        ...

    def receive(self, lines: Sequence[bytes]) -> list[SharedEvent]:
        """Take the next lines and return what they mean.

        Raises:
            WorkerGarbled: A line breaks the protocol.
            LoginRequired: The tool asks for a login where it should speak the protocol.
        """
        ...

    def data_to_send(self) -> bytes:
        """The bytes to write next, empty if there are none. Each is returned once."""
        ...
