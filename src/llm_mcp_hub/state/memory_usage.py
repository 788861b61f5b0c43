"""The usage of `MemoryStore`: counts in dictionaries."""

from collections.abc import Sequence

from llm_mcp_hub.domain.usage import Counts, UsageBatch, UsageRow, UsageSlot, add
from llm_mcp_hub.state.base_usage import WRITER_SECONDS

SWEEP_SECONDS = 60.0


class MemoryUsage:
    """Counts of turns in this process's memory."""

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[UsageSlot, tuple[Counts, float]] = {}
        self._writers: dict[str, tuple[int, float]] = {}
        self._next_usage_sweep = 0.0

    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        """Add counts, once."""
        if batch.number <= self._writers.get(batch.writer, (0, 0.0))[0]:
            return
        self._writers[batch.writer] = batch.number, now
        for row in batch.rows:
            counts, expires_at = self._usage.get(row.slot, ({}, 0.0))
            add(counts, row.counts)
            self._usage[row.slot] = counts, max(expires_at, row.expires_at)
        if now >= self._next_usage_sweep:
            self._next_usage_sweep = now + SWEEP_SECONDS
            self._sweep_usage(now)

    async def read_usage(
        self, span: int, since: int, until: int, principal: str | None = None
    ) -> Sequence[UsageRow]:
        """The rows of a span."""
        return [
            UsageRow(slot, dict(counts), expires_at)
            for slot, (counts, expires_at) in self._usage.items()
            if slot.span == span
            and since <= slot.start < until
            and principal in (None, slot.principal)
        ]

    def _sweep_usage(self, now: float) -> None:
        for slot in [slot for slot, (_, ends) in self._usage.items() if ends <= now]:
            del self._usage[slot]
        old = now - WRITER_SECONDS
        for writer in [writer for writer, (_, at) in self._writers.items() if at <= old]:
            del self._writers[writer]
