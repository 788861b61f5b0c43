"""What a turn needs of the member of a pool that it holds: one live conversation.

A conversation has a process of its own (`conversation.py`) or shares one with others
(`shared_conversation.py`); a turn does not see the difference.
"""

from typing import Protocol, TypeVar

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.dialect import Event
from llm_mcp_hub.workers.lease import Member


class TurnMember(Member, Protocol):
    """See the module. Blank until its first turn begins."""

    @property
    def unread(self) -> bool:
        """Whether anything has come that `receive` has not given yet."""
        ...

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """Begin a turn.

        Raises:
            HubError: The request can't be said in the tool's protocol.
        """
        ...

    async def receive(self) -> list[Event]:
        """The next events; may be empty.

        Raises:
            WorkerDied: The worker ended.
            WorkerHung: It was given up.
            WorkerGarbled: Its output broke the protocol.
            HubError: What `fail` was given.
        """
        ...

    def interrupt(self) -> None:
        """Ask the tool to stop generating; does not wait for it."""
        ...

    def ping(self) -> bool:
        """Ask the worker for a sign of life; whether there is a way to."""
        ...

    def hung(self, seconds: float) -> None:
        """Give up a worker that has not answered for so long, and kill it."""
        ...

    def fail(self, error: HubError) -> None:
        """Have `receive` raise `error` once what has come is given."""
        ...

    def lose(self, error: HubError) -> None:
        """Use the conversation no more: its worker broke off, or it did."""
        ...


T = TypeVar("T", bound=TurnMember)
