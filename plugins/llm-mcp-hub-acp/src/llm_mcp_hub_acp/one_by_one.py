"""Steps that an agent takes one at a time, because together they take it far longer; pure."""

from collections import deque
from collections.abc import Callable


class OneByOne:
    """A step begins when those before it have ended."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], bool]] = deque()
        self._busy = False

    def enter(self, step: Callable[[], bool]) -> None:
        """Have `step` called when its turn comes; whether it has begun, and so will `leave`."""
        self._waiting.append(step)
        if not self._busy:
            self._next()

    def leave(self) -> None:
        """The step that had begun has ended."""
        self._busy = False
        self._next()

    def _next(self) -> None:
        while self._waiting and not self._busy:
            self._busy = self._waiting.popleft()()
