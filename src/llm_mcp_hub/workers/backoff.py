"""How long to wait before something that failed is tried again.

Guarantee: each failure in a row doubles the wait, from `first` up to `most` seconds, of which
between a half and the whole is waited, by chance, so that many who failed together do not come
back together. It has no clock: the time is passed in.
"""

from collections.abc import Callable
from math import inf

FORGET_WAITS = 4.0
"""A failure so many times `most` seconds after the one before it is the first of a new row."""


class Backoff:
    """See the module.

    Args:
        first: The wait after one failure, in seconds.
        most: The longest wait, in seconds.
        random: Gives a number from 0 up to 1.

    Attributes:
        failures: How many in a row.
    """

    __slots__ = ("_due", "_failed_at", "_first", "_most", "_random", "failures")

    def __init__(self, first: float, most: float, random: Callable[[], float]) -> None:
        self._first = first
        self._most = most
        self._random = random
        self._due = self._failed_at = -inf
        self.failures = 0

    def failed(self, now: float) -> None:
        """It failed at `now`."""
        if now - self._failed_at > FORGET_WAITS * self._most:
            self.failures = 0
        self.failures += 1
        self._failed_at = now
        wait = min(self._most, self._first * 2.0 ** min(self.failures - 1, 64))
        self._due = now + wait * (0.5 + self._random() / 2)

    def succeeded(self) -> None:
        """It works: the next failure is the first."""
        self.failures = 0
        self._due = self._failed_at = -inf

    def wait(self, now: float) -> float:
        """Seconds to wait still; 0 if it may be tried."""
        return max(0.0, self._due - now)
