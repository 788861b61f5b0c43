"""What a pool should do next about its size, decided from nothing but its figures.

Guarantees: a start is advised only while there are fewer than `max_workers` members, and memory
allows one more; for those who wait, as many at once as are needed; for spares, one at a time, and
only when no start is under way. A parked member makes room for whoever waits, and for spares as
long as they take no more than half of the pool. Whoever waits is refused for want of memory only
if there is no other member whose end could help.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import NamedTuple

from llm_mcp_hub.workers.limits import PoolLimits


class Step(Enum):
    """What to do."""

    NOTHING = auto()
    START = auto()
    EVICT_FOR_ROOM = auto()
    EVICT_FOR_MEMORY = auto()
    LOOK_AGAIN = auto()
    """Memory is short; nothing the pool could do would help, but time may."""
    REFUSE = auto()
    """Memory is short, and there is nobody whose end could help who waits."""


class Counts(NamedTuple):
    """How many members a pool has, and how many requests wait."""

    waiting: int
    blank: int
    starting: int
    ending: int
    claimed: int
    parked: int

    @property
    def members(self) -> int:
        """Members in all."""
        return self.blank + self.starting + self.ending + self.claimed + self.parked


def next_step(counts: Counts, limits: PoolLimits, *, spares: bool, room: Callable[[], int]) -> Step:
    """The next step; to be asked again after each one but the first and the last two.

    Args:
        counts: The pool's figures.
        limits: Its sizes.
        spares: Whether spares may be started now.
        room: For how many more members than now, those starting included, there is memory.
            Only asked if a member should be started.
    """
    for_waiter = counts.waiting > counts.starting + counts.blank
    for_spare = (
        spares and not for_waiter and counts.starting == 0 and counts.blank < limits.min_spare
    )
    if not for_waiter and not for_spare:
        return Step.NOTHING
    if counts.members >= limits.max_workers:
        # A parked member is worth less than a spare, on which its conversation can be rebuilt;
        # but spares that took more than half would leave no room to park.
        worth = counts.waiting if for_waiter else min(limits.min_spare, limits.max_workers // 2)
        coming = counts.blank + counts.starting + counts.ending
        return Step.EVICT_FOR_ROOM if counts.parked and coming < worth else Step.NOTHING
    if room() > counts.starting:
        return Step.START
    if for_spare:
        return Step.LOOK_AGAIN
    if counts.ending:
        return Step.NOTHING
    if counts.parked:
        return Step.EVICT_FOR_MEMORY
    return Step.LOOK_AGAIN if counts.starting or counts.claimed else Step.REFUSE
