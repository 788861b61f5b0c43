"""Many small pieces of text, given on as few larger ones.

Guarantee: what is taken, joined, is what was added, in order, none lost and none twice; between
two takings lie at least `interval` seconds, and no more than `silence`, except at the end. Pure:
the time is told to it.
"""

from math import inf


class Coalescer:
    """See the module.

    Args:
        interval: Seconds between pieces.
        silence: Seconds after which something is due although nothing was added.
        now: The time it begins at.
    """

    __slots__ = ("_interval", "_last", "_pending", "_silence", "_taken")

    def __init__(self, interval: float, silence: float, now: float) -> None:
        self._interval = interval
        self._silence = silence
        self._last = now
        self._taken = False
        self._pending: list[str] = []

    def add(self, text: str) -> bool:
        """Take more text; whether it is the first since the last taking."""
        if not text:
            return False
        self._pending.append(text)
        return len(self._pending) == 1

    @property
    def due(self) -> float:
        """When the next piece should be taken."""
        if not self._pending:
            return self._last + self._silence
        # The beginning of an answer is what its reader waits for most.
        return self._last + self._interval if self._taken else -inf

    @property
    def empty(self) -> bool:
        """Whether everything has been taken."""
        return not self._pending

    def take(self, now: float) -> str:
        """What has been added since the last taking; empty if it is only a sign of life."""
        text = "".join(self._pending)
        self._pending.clear()
        self._taken = self._taken or bool(text)
        self._last = now
        return text
