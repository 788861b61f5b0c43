"""What a store promises about usage: counts that add up, each batch once."""

from collections.abc import Sequence
from typing import Protocol

from llm_mcp_hub.domain.usage import UsageBatch, UsageRow

WRITER_SECONDS = 86_400.0
"""How long a store remembers the last batch of a writer: no batch is tried again for so long."""


class UsageStore(Protocol):
    """Counts of turns by time, provider, model and principal."""

    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        """Add all counts of the batch to those that are there, in one step.

        A batch whose number is not above that of the writer's last one changes nothing, so that
        an attempt whose success is unknown can be repeated. A row may be dropped, whenever the
        store likes, once the latest `expires_at` that came for its slot has passed; until then it
        is not.
        """
        ...

    async def read_usage(
        self, span: int, since: int, until: int, principal: str | None = None
    ) -> Sequence[UsageRow]:
        """The rows of a span with `since` <= `start` < `until`, in no particular order.

        Args:
            span: Seconds, as in the rows.
            since: Unix seconds.
            until: Unix seconds.
            principal: Only that one's rows; None for everybody's.
        """
        ...
