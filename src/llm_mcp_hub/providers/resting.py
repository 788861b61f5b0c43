"""Signs of life of workers that have no turn, blank or parked.

Guarantee: each is asked once in `resting_seconds`, all by one timer; one that says nothing for
`answer_seconds` is given up and killed; one that gets a turn meanwhile is left alone, and its
answer is no part of that turn.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from llm_mcp_hub.providers.supervision import Supervision


class Resting(Protocol):
    """A worker, or the one conversation of a worker, that has no turn now."""

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        ...

    def ask(self) -> bool:
        """Ask it for a sign of life; whether there is a way to. `silent` tells what came of it."""
        ...

    def silent(self) -> bool:
        """Whether it owes an answer since `ask`, and has had no turn meanwhile."""
        ...

    def hung(self, seconds: float) -> None:
        """Give it up, since it has not answered for so long, and kill it."""
        ...


class RestingHeartbeat:
    """See the module.

    Args:
        resting: Those that have no turn now.
    """

    def __init__(self, resting: Callable[[], Iterable[Resting]], supervision: Supervision) -> None:
        self._resting = resting
        self._seconds = supervision.resting_seconds
        self._answer_seconds = supervision.answer_seconds
        self._asked: list[Resting] = []
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; a no-op if it has begun, or is never to ask."""
        if self._timer is None and self._seconds:
            self._later(self._seconds, self._ask)

    def stop(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _later(self, seconds: float, step: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, step)

    def _ask(self) -> None:
        self._later(self._answer_seconds, self._look)
        self._asked = [one for one in self._resting() if one.alive and one.ask()]

    def _look(self) -> None:
        self._later(self._seconds, self._ask)
        asked, self._asked = self._asked, []
        for one in asked:
            if one.silent():
                one.hung(self._answer_seconds)
