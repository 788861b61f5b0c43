"""Turns that are read by a task of their own are closed whatever happens."""

import asyncio

import pytest

from llm_mcp_hub.domain.chunk import TextChunk
from llm_mcp_hub.errors import InternalError, WorkerDied
from llm_mcp_hub.services.background import BackgroundTurns

pytestmark = pytest.mark.anyio


class Turn:
    """A turn that says what it is told to, and then ends, fails or waits."""

    turn_id = "turn-1"

    def __init__(self, end=None):
        self.end = end
        self.closed = 0
        self.abandoned = asyncio.Event()

    async def __aiter__(self):
        yield (TextChunk("a"),)
        yield (TextChunk("b"), TextChunk("c"))
        if isinstance(self.end, Exception):
            raise self.end
        if self.end is not None:
            await self.end.wait()

    async def until_abandoned(self):
        await self.abandoned.wait()

    async def aclose(self):
        await asyncio.sleep(0)
        self.closed += 1


@pytest.fixture
async def turns():
    owner = BackgroundTurns()
    yield owner
    await owner.aclose()


def start(turns, turn):
    came, ended = [], asyncio.Event()
    background = turns.start(turn, lambda chunks: came.extend(c.text for c in chunks), ended.set)
    return background, came, ended


async def test_what_comes_is_told_in_order_and_the_turn_is_closed_before_the_end_is(turns):
    turn = Turn()
    background, came, ended = start(turns, turn)
    await ended.wait()
    assert came == ["a", "b", "c"]
    assert (background.ended, background.error, turn.closed) == (True, None, 1)


@pytest.mark.parametrize("problem", [WorkerDied("x"), ValueError("x")])
async def test_a_failure_is_kept_for_who_waits(turns, problem):
    turn = Turn(problem)
    background, _, ended = start(turns, turn)
    await ended.wait()
    assert isinstance(background.error, WorkerDied | InternalError)
    assert turn.closed == 1


async def test_cancelling_closes_the_turn(turns):
    turn = Turn(asyncio.Event())
    background, came, ended = start(turns, turn)
    while len(came) < 3:  # noqa: ASYNC110  # it comes with the next steps of the loop
        await asyncio.sleep(0)
    background.cancel()
    await ended.wait()
    assert turn.closed == 1
    assert background.error is not None


async def test_a_turn_that_is_cancelled_before_it_is_read_is_closed_too(turns):
    turn = Turn(asyncio.Event())
    background, came, ended = start(turns, turn)
    background.cancel()
    await ended.wait()
    assert (came, turn.closed) == ([], 1)


async def test_a_turn_that_is_left_goes_on_until_it_is_abandoned(turns):
    turn = Turn(asyncio.Event())
    background, _, ended = start(turns, turn)
    background.leave()
    background.leave()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not ended.is_set()
    turn.abandoned.set()
    await ended.wait()
    assert turn.closed == 1


async def test_a_turn_that_ends_meanwhile_leaves_nothing_that_waits(turns):
    turn = Turn(asyncio.Event())
    background, _, ended = start(turns, turn)
    background.leave()
    turn.end.set()
    await ended.wait()
    assert background.error is None
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) <= 2  # this test and its reader, perhaps


async def test_the_owner_ends_them_all():
    owner, running = BackgroundTurns(), [Turn(asyncio.Event()) for _ in range(3)]
    for turn in running:
        start(owner, turn)
    await owner.aclose()
    assert [turn.closed for turn in running] == [1, 1, 1]
