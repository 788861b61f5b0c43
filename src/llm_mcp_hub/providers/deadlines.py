"""The time limits of a turn.

Guarantee: whichever limit passes first ends the turn with an error that names it; time in which
the reader of the chunks keeps the provider waiting counts for `total` alone. Watching costs one
timer per turn, not one per chunk: the timer is left to fire early and set again.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from llm_mcp_hub.errors import TurnTimeout

Seconds = Annotated[float, Meta(gt=0)]


class Deadlines(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds.

    Attributes:
        start: Until a fresh worker is ready.
        first_chunk: From the request, once a worker has it, to the first chunk.
        idle: Between chunks.
        total: For the whole turn, waiting for a worker included.
    """

    start: Seconds = 30.0
    first_chunk: Seconds = 180.0
    idle: Seconds = 120.0
    total: Seconds = 900.0


def deadline_passed(name: str) -> TurnTimeout:
    """The error of a turn that exceeded the limit `name`."""
    return TurnTimeout(
        f"The provider did not answer within the `{name}` deadline. "
        "Ask for less at once, or raise the deadline in the provider's settings."
    )


class DeadlineWatch:
    """Watches one turn from the moment a worker has it; `stop` it when the turn is over.

    Args:
        total_due: When the whole turn must be over, in the loop's time.
        on_passed: Called once with the error.
    """

    __slots__ = ("_due", "_handle", "_held", "_idle", "_loop", "_name", "_on_passed", "_total_due")

    def __init__(
        self, deadlines: Deadlines, total_due: float, on_passed: Callable[[TurnTimeout], None]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = deadlines.idle
        self._total_due = total_due
        self._due = self._loop.time() + deadlines.first_chunk
        self._name = "first_chunk"
        self._held = False
        self._on_passed = on_passed
        self._handle = self._loop.call_at(min(self._due, total_due), self._check)

    def chunk(self) -> None:
        """A chunk came and is with the reader now."""
        self._held = True

    def waiting(self) -> None:
        """The reader waits for the provider."""
        if self._held:
            self._held = False
            self._name = "idle"
            self._due = self._loop.time() + self._idle
            if self._due < self._handle.when():
                self._set(self._due)

    def stop(self) -> None:
        """Stop watching."""
        self._handle.cancel()

    def _set(self, when: float) -> None:
        self._handle.cancel()
        self._handle = self._loop.call_at(when, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        due = now + self._idle if self._held else self._due
        if now < min(due, self._total_due):
            self._set(min(due, self._total_due))
            return
        self._on_passed(deadline_passed("total" if self._total_due <= due else self._name))
