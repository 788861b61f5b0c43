"""The sans-I/O machine that speaks one vendor tool's protocol over one worker.

A dialect is told what to do (`probe`, `inspect`, `begin`, `ping`, `interrupt`), is fed the lines
that the worker wrote, and answers with events and with bytes to send. It does no I/O, keeps no
time, and gives the same events whatever the batching of the lines.

This is the contract of a dialect that carries one conversation in one worker.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, Usage
from llm_mcp_hub.domain.model import Capability, ModelCard
from llm_mcp_hub.domain.status import QuotaWindow
from llm_mcp_hub.errors import HubError


class Ready(Struct, frozen=True):
    """Answer to `probe`: the worker speaks the protocol.

    Attributes:
        capabilities: What it says it can do; None if it does not say.
    """

    version: str | None
    capabilities: frozenset[Capability] | None = None


class Inspected(Struct, frozen=True):
    """Answer to `inspect`: what the tool says of itself.

    Attributes:
        models: The models it offers; empty if it does not say.
        refusal: Why the hub must not use this login, or None.
    """

    models: tuple[ModelCard, ...]
    refusal: HubError | None = None


class QuotaSeen(Struct, frozen=True):
    """The vendor's usage windows, mentioned in passing."""

    windows: tuple[QuotaWindow, ...]


class UsageSeen(Struct, frozen=True):
    """What the turn has used so far, all in all: what is known of one that gets no further.

    The last one counts, unless the turn finishes: then its `FinishChunk` does.
    """

    usage: Usage


class Pong(Struct, frozen=True):
    """Answer to `ping`: the worker lives. No part of any turn."""


class TurnFailed(Struct, frozen=True):
    """The turn ended with an error. Nothing more comes for it; the worker is not used again.

    What it has used was told before, by `UsageSeen`.
    """

    error: HubError


Event = Chunk | Ready | Inspected | QuotaSeen | UsageSeen | Pong | TurnFailed


class Dialect(Protocol):
    """See the module. One instance belongs to one worker for the worker's whole life."""

    def probe(self) -> None:
        """Ask for a sign of life that spends nothing and leaves the worker blank."""
        ...

    def inspect(self) -> None:
        """Ask for models and login. The worker may not be blank afterwards."""
        ...

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """Begin a turn.

        Args:
            request: The turn.
            continued: The worker's conversation is `request.messages[:request.prior]` already,
                under the same system prompt and model. Otherwise the worker is blank and the
                dialect brings that history in.
        """
        ...

    def ping(self) -> bool:
        """Ask for a `Pong`, whatever else is going on; False if the protocol has no such thing.

        It spends nothing, is answered at once even while the tool waits for its vendor, and
        leaves a blank worker blank and a turn as it is.
        """
        ...

    def interrupt(self) -> None:
        """Ask the tool to stop generating."""
        ...

    def receive(self, lines: Sequence[bytes]) -> Iterable[Event]:
        """Take the next lines and return what they mean.

        A generator is given all lines that have come, and what it has yielded when it raises is not
        lost. Any other method is given one line at a time, so that the same is true of it; that
        costs more, which matters where lines come by the thousand a second.

        Raises:
            WorkerGarbled: A line breaks the protocol.
        """
        ...

    def data_to_send(self) -> bytes:
        """The bytes to write next, empty if there are none. Each is returned once."""
        ...
