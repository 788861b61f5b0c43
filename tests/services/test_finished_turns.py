"""Turns that have ended are told of a moment later, together."""

import asyncio
from contextvars import ContextVar

import pytest

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.services.finished_turns import MAX_TOGETHER, FinishedTurns

pytestmark = pytest.mark.anyio

request: ContextVar[str] = ContextVar("request", default="none")


def record(turn_id: str) -> TurnRecord:
    return TurnRecord(turn_id, "ann", None, "echo", "echo", Outcome.DONE, None, Usage(), 0.1, None)


async def test_turns_that_end_together_are_told_of_together_each_in_its_own_context():
    told: list[tuple[str, str]] = []
    all_told = asyncio.Event()

    def tell(turn: TurnRecord) -> None:
        told.append((turn.turn_id, request.get()))
        if len(told) == 3:
            all_told.set()

    finished = FinishedTurns(tell)

    async def end(turn_id: str) -> None:
        request.set(f"request of {turn_id}")
        finished.add(record(turn_id))

    for turn_id in ("a", "b", "c"):
        await asyncio.create_task(end(turn_id))

    assert told == []
    async with asyncio.timeout(5):
        await all_told.wait()
    assert told == [(turn_id, f"request of {turn_id}") for turn_id in ("a", "b", "c")]


async def test_what_waits_is_bounded_and_a_flush_leaves_nothing():
    told: list[str] = []
    finished = FinishedTurns(lambda turn: told.append(turn.turn_id))
    ids = [str(number) for number in range(MAX_TOGETHER + 1)]
    for turn_id in ids:
        finished.add(record(turn_id))

    assert told == ids[:-1]
    finished.flush()
    assert told == ids
    finished.flush()
    assert told == ids
