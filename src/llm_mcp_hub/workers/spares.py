"""The members that nobody has used yet.

Guarantees: what `take` gives is alive and of the present generation; whatever else was put here
has been ended; at most `max_spare` stay. A spare that ended by itself counts as a failure of the
program: the next one is started later and later, until a turn has been served.
"""

from collections import deque
from collections.abc import Callable, Iterator
from math import inf
from typing import Generic

from llm_mcp_hub.workers.backoff import Backoff
from llm_mcp_hub.workers.lease import Blank, M
from llm_mcp_hub.workers.lifecycle import Lifecycle
from llm_mcp_hub.workers.limits import PoolLimits

TEND_SECONDS = 30.0
"""How often spares are looked at for their age and memory, unless one is due earlier."""


class Spares(Generic[M]):
    """See the module. The one that has waited longest is taken first.

    Attributes:
        backoff: Between starts that fail.
    """

    def __init__(
        self,
        lifecycle: Lifecycle[M],
        limits: PoolLimits,
        backoff: Backoff,
        clock: Callable[[], float],
    ) -> None:
        self._lifecycle = lifecycle
        self._most = max(limits.min_spare, limits.max_spare)
        self._clock = clock
        self._blanks: deque[Blank[M]] = deque()
        self.backoff = backoff

    def __len__(self) -> int:
        return len(self._blanks)

    def __iter__(self) -> Iterator[Blank[M]]:
        return iter(self._blanks)

    def take(self) -> Blank[M] | None:
        """The spare that has waited longest, no longer one; None if there is none."""
        while self._blanks:
            blank = self._blanks.popleft()
            if blank.life.member.alive:
                return blank
            self._lose(blank)
        return None

    def put(self, blank: Blank[M], *, first: bool = False) -> None:
        """Keep a blank, or end it if it is of no use. `first`: it is the next to be taken."""
        if blank.life.generation != self._lifecycle.generation:
            self._lifecycle.evict(blank.life, "renewed")
        elif not blank.life.member.alive:
            self._lose(blank)
        elif first:
            self._blanks.appendleft(blank)
        else:
            self._blanks.append(blank)

    def clear(self, reason: str) -> None:
        """End all."""
        while self._blanks:
            self._lifecycle.evict(self._blanks.popleft().life, reason)

    def drop_dead(self) -> None:
        """Clean up after those that ended by themselves."""
        for blank in [blank for blank in self._blanks if not blank.life.member.alive]:
            self._blanks.remove(blank)
            self._lose(blank)

    def tend(self) -> None:
        """End those that have become too old or too large, and the oldest of too many."""
        if any(blank.life.over(self._clock()) for blank in self._blanks):
            self._blanks = deque(
                blank for blank in self._blanks if not self._lifecycle.recycle(blank.life)
            )
        while len(self._blanks) > self._most:
            self._lifecycle.evict(self._blanks.popleft().life, "surplus")

    def tend_in(self) -> float:
        """Seconds until `tend` should be called; infinite if there is nothing to tend."""
        if not self._blanks:
            return inf
        due = min(blank.life.started_at + blank.life.lifespan.seconds for blank in self._blanks)
        return min(TEND_SECONDS, max(0.0, due - self._clock()))

    def _lose(self, blank: Blank[M]) -> None:
        self.backoff.failed(self._clock())
        self._lifecycle.bury(blank.life, "blank")
