"""Turns are counted behind everybody's back, once, and survive a store that is away."""

import asyncio

import pytest

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.domain.usage import ANSWERED, HOUR, MINUTE, figures
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.services import usage_recorder
from llm_mcp_hub.services.usage_recorder import (
    MAX_UNCOUNTED,
    MAX_UNPROVED,
    OTHER,
    UsageRecorder,
)
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

END = 2**40
RETENTION = 400 * 86_400.0


class Store(MemoryStore):
    """One that can be away, or say so after it has done its work."""

    def __init__(self):
        super().__init__()
        self.away = False
        self.unsure = False
        self.calls = 0

    async def add_usage(self, batch, now):
        self.calls += 1
        await asyncio.sleep(0)
        if self.away:
            raise StateUnavailable("Away.")
        await super().add_usage(batch, now)
        if self.unsure:
            self.unsure = False
            raise StateUnavailable("Perhaps.")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(usage_recorder, "WRITE_SECONDS", 0.01)
    monkeypatch.setattr(usage_recorder, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(usage_recorder, "CLOSE_SECONDS", 0.2)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
async def recorder(store):
    recorder = UsageRecorder(store, RETENTION)
    yield recorder
    await recorder.aclose()


def turn(model="m", principal="ann", outcome=Outcome.DONE, code=None):
    return TurnRecord("t", principal, None, "p", model, outcome, code, Usage(10, 0, 5, 0), 1.0, 0.5)


async def total(store, span=HOUR):
    counts = {}
    for row in await store.read_usage(span, 0, END):
        for name, number in row.counts.items():
            counts[name] = counts.get(name, 0) + number
    return figures(counts)


async def test_many_turns_are_one_write_and_are_counted_by_hour_and_by_minute(
    store, recorder, until
):
    for number in range(1000):
        recorder.record(turn(principal=f"p{number % 3}"))
    assert store.calls == 0
    await until(lambda: store.calls == 1 and recorder._batch is None)
    await recorder.flush()
    assert store.calls == 1
    for span in (HOUR, MINUTE):
        found = await total(store, span)
        assert (found.requests, found.input_tokens) == (1000, 10_000)
    hours = await store.read_usage(HOUR, 0, END)
    assert {row.slot.principal for row in hours} == {"p0", "p1", "p2"}
    row = hours[0]
    assert row.expires_at == row.slot.start + HOUR + RETENTION


async def test_while_the_store_is_away_nothing_is_lost(store, recorder, until):
    store.away = True
    for _ in range(5):
        recorder.record(turn())
    await until(lambda: store.calls > 2)
    for _ in range(5):
        recorder.record(turn())
    store.away = False
    await until(lambda: not (recorder._batch or recorder._counts or recorder._uncounted))
    assert (await total(store)).requests == 10


async def test_a_batch_whose_writing_was_unsure_is_counted_once(store, recorder, until):
    store.unsure = True
    recorder.record(turn())
    await until(lambda: store.calls > 1 and recorder._batch is None)
    assert (await total(store)).requests == 1


async def test_what_is_left_is_written_at_the_end(store):
    recorder = UsageRecorder(store, RETENTION)
    recorder.record(turn())
    await recorder.aclose()
    assert (await total(store)).requests == 1


async def test_the_end_does_not_wait_for_a_store_that_hangs(store):
    recorder = UsageRecorder(store, RETENTION)
    store.add_usage = lambda *_: asyncio.Event().wait()
    recorder.record(turn())
    async with asyncio.timeout(2):
        await recorder.aclose()


async def test_two_hubs_add_up(store):
    hubs = [UsageRecorder(store, RETENTION) for _ in range(2)]
    for _ in range(3):
        for hub in hubs:
            hub.record(turn())
        await asyncio.gather(*(hub.flush() for hub in hubs))
    for hub in hubs:
        await hub.aclose()
    assert (await total(store)).requests == 6


async def test_made_up_models_do_not_fill_the_store(store, recorder):
    for number in range(10 * MAX_UNPROVED):
        recorder.record(turn(f"made-up-{number}", outcome=Outcome.FAILED, code="model_not_found"))
    recorder.record(turn("x" * 1000, outcome=Outcome.FAILED, code="model_not_found"))
    for number in range(3):
        recorder.record(turn(f"real-{number}"))
        recorder.record(turn(f"real-{number}", outcome=Outcome.FAILED, code="worker_died"))
    await recorder.flush()
    rows = await store.read_usage(HOUR, 0, END)
    models = {row.slot.model for row in rows}
    assert len(models) == MAX_UNPROVED + 4
    assert {OTHER, "real-0", "real-1", "real-2"} <= models
    assert (await total(store)).failed == 10 * MAX_UNPROVED + 4


async def test_turns_do_not_pile_up_until_they_are_written(recorder):
    for _ in range(2 * MAX_UNCOUNTED + 1):
        recorder.record(turn())
    assert len(recorder._uncounted) == 1
    (counts,) = recorder.totals().values()
    assert counts[ANSWERED] == 2 * MAX_UNCOUNTED + 1


async def test_what_waits_is_bounded(store, recorder, monkeypatch):
    monkeypatch.setattr(usage_recorder, "MAX_SLOTS", 10)
    for number in range(100):
        recorder.record(turn(principal=f"p{number}"))
    await recorder.flush()
    assert (await total(store)).requests == 10
