"""The time limits of a turn.

Guarantee: whichever limit passes first ends the turn with an error that names it. Watching costs
one timer per turn, not one per chunk: the timer is left to fire early and set again.
"""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from llm_mcp_hub.errors import TurnTimeout


class Deadlines(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds.

    Attributes:
        start: Until a fresh worker is ready.
        first_chunk: From the request, once a worker has it, to the first chunk.
        idle: Between chunks.
        total: For the whole turn, waiting for a worker included.
    """

    start: float = 30.0
    first_chunk: float = 180.0
    idle: float = 120.0
    total: float = 900.0


class DeadlineWatch:
    """Watches one turn from the moment a worker has it; `stop` it when the turn is over.

    Args:
        elapsed: How long the turn has taken already.
        on_passed: Called once with the error.
    """

    __slots__ = ("_due", "_handle", "_idle", "_loop", "_name", "_on_passed", "_total_due")

    def __init__(
        self, deadlines: Deadlines, elapsed: float, on_passed: Callable[[TurnTimeout], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._idle = deadlines.idle
        self._total_due = now + deadlines.total - elapsed
        self._due = now + deadlines.first_chunk
        self._name = "first_chunk"
        self._on_passed = on_passed
        self._handle = self._loop.call_at(min(self._due, self._total_due), self._check)

    def chunk(self) -> None:
        """A chunk came: the next one is due within `idle`."""
        self._name = "idle"
        self._due = self._loop.time() + self._idle

    def stop(self) -> None:
        """Stop watching."""
        self._handle.cancel()

    def _check(self) -> None:
        now = self._loop.time()
        next_due = min(self._due, self._total_due)
        if now < next_due:
            self._handle = self._loop.call_at(next_due, self._check)
            return
        name = "total" if self._total_due <= self._due else self._name
        self._on_passed(
            TurnTimeout(
                f"The provider did not answer within the `{name}` deadline. "
                "Ask for less at once, or raise the deadline in the provider's settings."
            )
        )
