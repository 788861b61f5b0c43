"""When a worker that many conversations share is given no new ones; pure.

Guarantee: a worker is due only when one of its limits is reached, each moved once by chance by up
to `recycling.JITTER` of itself, so that workers of several providers are not replaced together.
"""

from collections.abc import Callable
from typing import Annotated

from msgspec import Meta, Struct

from llm_mcp_hub.workers.limits import Count, Seconds
from llm_mcp_hub.workers.recycling import JITTER, MEGABYTE, Lifespan


class Rotation(Struct, frozen=True, forbid_unknown_fields=True):
    """How long one worker is given new conversations. 0 is no limit.

    Attributes:
        conversations: So many.
        seconds: Until it is so old.
        rss_mb: While it holds less memory than so many MiB.
    """

    conversations: Annotated[int, Meta(ge=0)] = 200
    seconds: Seconds = 21_600.0
    rss_mb: Count = 1024

    def lifespan(self, random: Callable[[], float]) -> Lifespan:
        """What one worker may reach. `random` gives a number from 0 up to 1."""
        factor = 1 + JITTER * (2 * random() - 1)
        never = float("inf")
        return Lifespan(
            turns=self.conversations * factor or never,
            seconds=self.seconds * factor or never,
            rss_bytes=self.rss_mb * MEGABYTE * factor or never,
        )
