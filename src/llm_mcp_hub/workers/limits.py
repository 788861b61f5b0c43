"""The sizes of a pool."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]


class PoolLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of a pool.

    Attributes:
        min_spare: So many members are started ahead and wait unclaimed.
        max_spare: Unclaimed members above so many are ended. At least `min_spare` counts.
        max_workers: Members in all: unclaimed, claimed, parked, starting and ending.
        max_turns: So many members are claimed at once; 0: as many as there are.
        max_queue: Requests that may wait for a member; one more is refused.
        queue_seconds: How long a request may wait.
        park_seconds: How long a conversation's member is kept for its next turn.
        recycle_turns: After so many turns a member is replaced. 0: never, here and below.
        recycle_seconds: At such an age a member is replaced.
        recycle_rss_mb: A member that holds so much memory, in MiB, is replaced.
    """

    min_spare: Count = 1
    max_spare: Count = 2
    max_workers: Annotated[int, Meta(ge=1)] = 6
    max_turns: Count = 0
    max_queue: Count = 64
    queue_seconds: Seconds = 60.0
    park_seconds: Seconds = 900.0
    recycle_turns: Count = 200
    recycle_seconds: Seconds = 21_600.0
    recycle_rss_mb: Count = 1024

    @property
    def served_at_once(self) -> int:
        """How many members are claimed at once, at most."""
        return min(self.max_turns or self.max_workers, self.max_workers)
