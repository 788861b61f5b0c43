"""One timer for several reasons to look again: the earliest counts."""

import asyncio
from collections.abc import Callable
from math import inf


class Alarm:
    """Calls `ring` at the earliest of the times it was set to since it last rang.

    Setting it to a later time than it is set to costs next to nothing.
    """

    __slots__ = ("_handle", "_ring")

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._handle: asyncio.TimerHandle | None = None

    def ring_in(self, seconds: float) -> None:
        """Ring in so many seconds at the latest; `inf` asks for nothing."""
        if seconds == inf:
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._handle is not None:
            if self._handle.when() <= due:
                return
            self._handle.cancel()
        self._handle = loop.call_at(due, self._due)

    def stop(self) -> None:
        """Do not ring."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self) -> None:
        self._handle = None
        self._ring()
