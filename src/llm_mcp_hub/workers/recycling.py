"""When a member has served long enough to be replaced by a fresh one.

Guarantee: a member is due only when one of the limits that it was given at its start is reached;
members that were started together are not due together, for each limit is moved by chance by up
to `JITTER` of itself, either way, once for each member. No clock and no randomness of its own.
"""

from collections.abc import Callable
from math import inf
from typing import Literal, NamedTuple

from llm_mcp_hub.workers.limits import PoolLimits

RecycleReason = Literal["turns", "age", "memory"]

JITTER = 0.15
MEGABYTE = 1024 * 1024


class Lifespan(NamedTuple):
    """What one member may reach; infinite where there is no limit."""

    turns: float = inf
    seconds: float = inf
    rss_bytes: float = inf

    def over(self, turns: int, seconds: float, rss_bytes: int | None) -> RecycleReason | None:
        """Why a member that has come so far is due; None if it is not."""
        if turns >= self.turns:
            return "turns"
        if seconds >= self.seconds:
            return "age"
        if rss_bytes is not None and rss_bytes >= self.rss_bytes:
            return "memory"
        return None


def lifespan(limits: PoolLimits, random: Callable[[], float]) -> Lifespan:
    """The lifespan of a member that starts now. `random` gives a number from 0 up to 1."""
    factor = 1 + JITTER * (2 * random() - 1)
    return Lifespan(
        turns=limits.recycle_turns * factor or inf,
        seconds=limits.recycle_seconds * factor or inf,
        rss_bytes=limits.recycle_rss_mb * MEGABYTE * factor or inf,
    )
