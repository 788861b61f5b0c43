"""What has happened in a pool so far, and how long things have taken lately.

Guarantee: `retry_after` is the time after which those who wait now should have been served, judged
by how long members have been held and have taken to start lately, and by how long those that are
held now have been held already; never under `RETRY_LEAST` nor over `RETRY_MOST` seconds.
"""

from collections import Counter, deque
from collections.abc import Sequence
from math import ceil

from llm_mcp_hub.workers.recycling import RecycleReason

RETRY_LEAST = 1.0
RETRY_MOST = 600.0
WAITS_REMEMBERED = 256
WEIGHT = 0.2
"""Of the newest observation in a moving average."""


class Lately:
    """An exponentially weighted moving average.

    Attributes:
        mean: 0 as long as nothing was observed.
    """

    __slots__ = ("_seen", "mean")

    def __init__(self) -> None:
        self.mean = 0.0
        self._seen = False

    def add(self, seconds: float) -> None:
        """Observe one more."""
        self.mean += (seconds - self.mean) * (WEIGHT if self._seen else 1.0)
        self._seen = True


class Tally:
    """Counts since the pool was made.

    Attributes:
        hold: How long members are claimed.
        start: How long starts take that succeed.
    """

    def __init__(self) -> None:
        self.served = 0
        self.refused_full = 0
        self.refused_late = 0
        self.refused_memory = 0
        self.refused_paused = 0
        self.starts = 0
        self.failed_starts = 0
        self.evicted = 0
        self.died = 0
        self.recycled: Counter[RecycleReason] = Counter()
        self.hold = Lately()
        self.start = Lately()
        self._waits: deque[float] = deque(maxlen=WAITS_REMEMBERED)

    @property
    def refused(self) -> int:
        """Claims that were refused, whatever the cause."""
        return self.refused_full + self.refused_late + self.refused_memory + self.refused_paused

    def claimed(self, waited: float) -> None:
        """A claim was served after so many seconds."""
        self.served += 1
        self._waits.append(waited)

    def started(self, seconds: float) -> None:
        """A member was started within so many seconds."""
        self.starts += 1
        self.start.add(seconds)

    def waits(self, *shares: float) -> list[float]:
        """How long the fastest such shares of the last claims waited at most, in seconds."""
        ordered = sorted(self._waits) or [0.0]
        return [ordered[max(0, ceil(share * len(ordered)) - 1)] for share in shares]

    def retry_after(self, waiting: int, workers: int, held: Sequence[float]) -> float:
        """See the module.

        Args:
            waiting: How many wait now.
            workers: How many are served at once.
            held: How long each member that is claimed now has been, in seconds.
        """
        so_far = sum(held) / len(held) if held else 0.0
        turnover = max(self.hold.mean, so_far) + self.start.mean
        return min(RETRY_MOST, max(RETRY_LEAST, (waiting + 1) * turnover / workers))
