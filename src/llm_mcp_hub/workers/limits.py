"""The sizes of a pool."""

from typing import Annotated

from msgspec import Meta, Struct

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]


class PoolLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """Sizes of a pool.

    Attributes:
        min_spare: So many members are started ahead and wait unclaimed.
        max_workers: Members in all: unclaimed, claimed, parked, starting and ending.
        max_queue: Requests that may wait for a member; one more is refused.
        queue_seconds: How long a request may wait.
        park_seconds: How long a conversation's member is kept for its next turn.
    """

    min_spare: Count = 1
    max_workers: Annotated[int, Meta(ge=1)] = 6
    max_queue: Count = 64
    queue_seconds: Seconds = 60.0
    park_seconds: Seconds = 900.0
