"""Telling of turns that have ended: a moment later, of all that have ended meanwhile.

Guarantees: each turn is told of once, within `TOLD_WITHIN_SECONDS`, in the order they ended and in
the context of its own request; no answer waits for it; after `flush` nothing is left to be told.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context

from llm_mcp_hub.domain.turn import TurnRecord

TOLD_WITHIN_SECONDS = 0.02
"""Telling of many at once takes a quarter of telling of each between two turns, where all that it
needs has left the processor's caches."""
MAX_TOGETHER = 32
"""Holds the event loop up for half a millisecond, if each writes a line to the log."""


class FinishedTurns:
    """See the module.

    Args:
        tell: Called for each turn; must not raise.
    """

    def __init__(self, tell: Callable[[TurnRecord], None]) -> None:
        self._tell = tell
        self._waiting: list[tuple[Context, TurnRecord]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, turn: TurnRecord) -> None:
        """Have it told of."""
        self._waiting.append((copy_context(), turn))
        if len(self._waiting) >= MAX_TOGETHER:
            self.flush()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(TOLD_WITHIN_SECONDS, self.flush)

    def flush(self) -> None:
        """Tell of those that wait, now."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        waiting, self._waiting = self._waiting, []
        for context, turn in waiting:
            context.run(self._tell, turn)
