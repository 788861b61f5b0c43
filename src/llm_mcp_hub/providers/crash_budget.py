"""How many failures of a program are borne before it counts as broken.

Guarantee: a budget is exceeded exactly when more than `limit` failures lie within the last
`seconds`. It has no clock: the time of each failure is passed in, and never runs backwards.
"""

from collections import deque


class CrashBudget:
    """A sliding window over failures.

    Args:
        limit: So many within the window are borne.
        seconds: Length of the window. A failure that is exactly so old has left it.
    """

    __slots__ = ("_failures", "_seconds", "limit")

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        # One more than is borne says all there is to know, whatever else comes.
        self._failures: deque[float] = deque(maxlen=limit + 1)

    def spend(self, now: float) -> bool:
        """Count a failure; whether that was one too many."""
        self._failures.append(now)
        return self.exceeded(now)

    def exceeded(self, now: float) -> bool:
        """Whether more failures than `limit` lie within the window."""
        return len(self._failures) > self.limit and now - self._failures[0] < self._seconds

    def reset(self) -> None:
        """Forget all failures: the program has proved to work since."""
        self._failures.clear()
