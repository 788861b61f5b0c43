"""Counting turns: a few times a second, all that have ended meanwhile, and in the store in one go.

Guarantees: a turn never waits for its counting, and costs the event loop some microseconds; what
has been counted is in the state store within `WRITE_SECONDS`, and counted there once, however
often the writing had to be tried; while the store is away it is kept, in memory that is bounded by
`MAX_SLOTS`; what is left at the end is written within `CLOSE_SECONDS`, or told in the log.
"""

import asyncio
import secrets
import time

import structlog

from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.domain.usage import (
    HOUR,
    MINUTE,
    Counts,
    UsageBatch,
    UsageRow,
    UsageSlot,
    add,
    count_turn,
)
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.base_usage import UsageStore

WRITE_SECONDS = 0.3
RETRY_SECONDS = 2.0
CLOSE_SECONDS = 2.0
MINUTES_KEPT_SECONDS = 2 * HOUR
"""Minutes are for the last hour alone."""
MAX_UNCOUNTED = 1000
"""So many turns are counted without waiting for the next writing."""
MAX_SLOTS = 10_000
"""So many different minutes, models and principals wait for a store that is away; days of them."""
MAX_UNPROVED = 100
"""So many names of models that have never answered are told apart: callers may make them up."""
OTHER = "other"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

_Key = tuple[int, str, str, str]
"""Minute, provider, model, principal."""


class UsageRecorder:
    """Owns the background writing between the first turn and `aclose`."""

    def __init__(self, store: UsageStore, retention_seconds: float) -> None:
        self._store = store
        self._retention = retention_seconds
        self._writer = secrets.token_hex(8)
        self._number = 0
        self._uncounted: list[tuple[int, TurnRecord]] = []
        self._counts: dict[_Key, Counts] = {}
        self._batch: UsageBatch | None = None
        self._proved: set[tuple[str, str]] = set()
        self._unproved: set[tuple[str, str]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._written: dict[tuple[str, str], Counts] = {}
        self._lost = 0
        self._closed = False

    def record(self, turn: TurnRecord) -> None:
        """Count a turn that has ended, or a request for one that could not be opened."""
        # Counting many at once takes a fraction of counting each between two turns.
        self._uncounted.append((int(time.time()) // MINUTE, turn))
        if len(self._uncounted) >= MAX_UNCOUNTED:
            self._count()
        if self._timer is None and self._writing is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(WRITE_SECONDS, self._start_writing)

    def totals(self) -> dict[tuple[str, str], Counts]:
        """What this hub has counted since its start, by provider and model."""
        self._count()
        found = {name: dict(counts) for name, counts in self._written.items()}
        for (_, provider, model, _), counts in self._counts.items():
            add(found.setdefault((provider, model), {}), counts)
        return found

    async def flush(self) -> None:
        """Write what has been counted so far.

        Raises:
            StateUnavailable: The state store can't be reached; it is tried again.
        """
        while self._batch is not None or self._uncounted or self._counts:
            if self._batch is None:
                self._batch = self._gathered()
            batch = self._batch
            await self._store.add_usage(batch, time.time())
            if self._batch is batch:
                self._batch = None

    async def aclose(self) -> None:
        """Write what there is, and stop."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        tasks = [] if self._writing is None else [self._writing]
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS / 2)
        last = asyncio.get_running_loop().create_task(self.flush())
        done, _ = await asyncio.wait([last], timeout=CLOSE_SECONDS / 2)
        for task in (*tasks, last):
            task.cancel()
        if not done or last.exception() is not None:
            self._count()
            log.warning("usage.lost", slots=len(self._counts) + (self._batch is not None))

    def _count(self) -> None:
        turns, self._uncounted = self._uncounted, []
        for minute, turn in turns:
            key = (minute, turn.provider, self._model(turn), turn.principal)
            counts = self._counts.get(key)
            if counts is None:
                if len(self._counts) >= MAX_SLOTS:
                    self._lost += 1
                    continue
                counts = self._counts[key] = {}
            count_turn(counts, turn)

    def _model(self, turn: TurnRecord) -> str:
        name = (turn.provider, turn.model)
        if name not in self._proved:
            if turn.outcome is Outcome.DONE:
                self._proved.add(name)
                self._unproved.discard(name)
            elif name not in self._unproved:
                if len(self._unproved) >= MAX_UNPROVED or len(turn.model) > MAX_UNPROVED:
                    return OTHER
                self._unproved.add(name)
        return turn.model

    def _gathered(self) -> UsageBatch:
        self._count()
        minutes, self._counts = self._counts, {}
        hours: dict[_Key, Counts] = {}
        rows: list[UsageRow] = []
        for (minute, provider, model, principal), counts in minutes.items():
            start = minute * MINUTE
            slot = UsageSlot(MINUTE, start, provider, model, principal)
            rows.append(UsageRow(slot, counts, start + MINUTES_KEPT_SECONDS))
            add(self._written.setdefault((provider, model), {}), counts)
            add(hours.setdefault((start // HOUR, provider, model, principal), {}), counts)
        for (hour, provider, model, principal), counts in hours.items():
            start = hour * HOUR
            slot = UsageSlot(HOUR, start, provider, model, principal)
            rows.append(UsageRow(slot, counts, start + HOUR + self._retention))
        self._number += 1
        return UsageBatch(self._writer, self._number, tuple(rows))

    def _start_writing(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        pause = WRITE_SECONDS
        try:
            await self.flush()
        except StateUnavailable as error:
            log.warning("usage.late", reason=error.message)
            pause = RETRY_SECONDS
        except Exception:  # a defect must not end the counting of all further turns
            log.exception("usage.failed")
            self._batch = None
            pause = RETRY_SECONDS
        finally:
            self._writing = None
        if self._lost:
            log.warning("usage.lost", turns=self._lost)
            self._lost = 0
        if (self._uncounted or self._counts or self._batch is not None) and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(pause, self._start_writing)
