"""Turns and openings that are stopped because the hub stops."""

import asyncio
import time

import pytest

from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import TextChunk
from llm_mcp_hub.domain.journal import JournalEntry, JournalHead
from llm_mcp_hub.errors import Draining, HubError, SessionEnded
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.services.running import Opening, RunningTurns
from llm_mcp_hub.state.memory import MemoryStore

from .reading import read_turn

pytestmark = pytest.mark.anyio

SECONDS = 5.0
WAIT_SECONDS = 20.0


class Stubborn:
    """A turn that does not care."""

    on = ("ann", "stubborn")
    turn_id = "t"

    async def stop(self, error: HubError | None = None) -> None:
        await asyncio.Event().wait()


class Quick:
    """A turn that ends when it is told to."""

    def __init__(self, running: RunningTurns, session: str = "s", turn_id: str = "t") -> None:
        self._running = running
        self.on = ("ann", session)
        self.turn_id = turn_id
        self.error: HubError | None = None

    async def stop(self, error: HubError | None = None) -> None:
        self.error = error
        self._running.remove(self)


async def opening(running: RunningTurns, begun: asyncio.Event) -> None:
    with Opening(running):
        begun.set()
        await asyncio.Event().wait()


async def begin_opening(running: RunningTurns) -> "asyncio.Task[None]":
    begun = asyncio.Event()
    task = asyncio.create_task(opening(running, begun))
    await begun.wait()
    return task


async def test_an_opening_that_is_stopped_fails_as_what_may_be_sent_again():
    running = RunningTurns()
    task = await begin_opening(running)
    await running.stop(SECONDS)
    with pytest.raises(Draining) as caught:
        await task
    assert caught.value.retryable
    assert caught.value.retry_after is not None
    assert len(running) == 0


async def test_an_opening_that_somebody_else_cancels_is_cancelled():
    running = RunningTurns()
    task = await begin_opening(running)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(running) == 0


async def test_an_opening_that_is_stopped_and_cancelled_is_cancelled():
    running = RunningTurns()
    task = await begin_opening(running)
    stopping = asyncio.create_task(running.stop(SECONDS))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await stopping
    assert len(running) == 0


async def test_an_opening_keeps_its_own_failure():
    running = RunningTurns()
    with pytest.raises(ValueError, match="mine"), Opening(running):
        raise ValueError("mine")
    assert len(running) == 0


async def test_several_can_wait_for_the_last_turn():
    running = RunningTurns()
    turn = Quick(running)
    running.add(turn)
    waiting = [asyncio.create_task(running.wait_until_none(SECONDS)) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    running.remove(turn)
    await asyncio.gather(*waiting)


async def test_waiting_without_turns_returns_at_once_and_with_them_in_time():
    running = RunningTurns()
    async with asyncio.timeout(SECONDS):
        await running.wait_until_none(1000)
        running.add(Stubborn())
        await running.wait_until_none(0.01)
    assert len(running) == 1


async def test_stopping_is_bounded_and_reaches_every_turn():
    running = RunningTurns()
    running.add(Stubborn())
    for _ in range(3):
        running.add(Quick(running))
    async with asyncio.timeout(SECONDS):
        await running.stop(0.05)
    assert len(running) == 1


async def test_a_hub_that_stops_sends_on_whoever_follows_a_turn_of_another_hub():
    store = MemoryStore()
    head = JournalHead("turn-000000000000000000000001", "me", None, "p/m", 1.0)
    now = time.time()
    await store.write_journals(
        [JournalEntry(head, 0, (TextChunk("a"),), now + SECONDS)], SECONDS, now
    )
    journals = Journals(store, SECONDS, SECONDS)
    seen = []

    async def read():
        async for chunks in FollowedTurn(journals, head):
            seen.extend(chunks)
            journals.hub_stops = True

    with pytest.raises(Draining) as caught:
        await asyncio.wait_for(read(), WAIT_SECONDS)
    assert seen == [TextChunk("a")]
    assert caught.value.retryable


async def test_a_hub_that_closes_tells_whoever_waits_for_an_answer(tmp_path):
    echo = {"word_seconds": 0.05, "pool": {"max_workers": 1}}
    config = HubConfig(
        data_dir=str(tmp_path),
        state="memory://",
        providers={"echo": echo, "claude": {"enabled": False}},
    )
    me = Principal("me", frozenset({Scope.CHAT}))
    command = ChatCommand("echo/echo", (Message("user", (TextPart("word " * 10_000),)),))
    begun = asyncio.Event()

    async with asyncio.timeout(WAIT_SECONDS):
        async with Hub(config) as hub:
            running = asyncio.create_task(read_turn(hub, me, command, begun))
            await begun.wait()
            waiting = asyncio.create_task(read_turn(hub, me, command, begun))
            while not hub.registry.get("echo").status().pool.queued:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
        for task, retryable in ((running, False), (waiting, True)):
            with pytest.raises(Draining) as caught:
                await task
            assert caught.value.retryable is retryable


async def test_what_runs_on_a_session_is_ended_with_the_error_and_nothing_else_is():
    running = RunningTurns()
    on_it, beside_it = Quick(running), Quick(running, "other")
    for turn in (on_it, beside_it):
        running.add(turn)
    error = SessionEnded("It was deleted.")

    assert await running.end(("ann", "s"), error, SECONDS)
    assert (on_it.error, beside_it.error) == (error, None)
    assert list(running) == [beside_it]
    assert not await running.end(("ann", "s"), error, SECONDS)
    assert not await running.end(("bob", "other"), error, SECONDS)


async def test_only_the_turn_that_is_meant_is_ended():
    running = RunningTurns()
    meant, later = Quick(running, turn_id="t1"), Quick(running, turn_id="t2")
    for turn in (meant, later):
        running.add(turn)

    assert await running.end(("ann", "s"), SessionEnded("Gone."), SECONDS, "t1")
    assert list(running) == [later]


async def test_ending_a_turn_that_does_not_care_is_bounded():
    running = RunningTurns()
    running.add(Stubborn())
    began = time.monotonic()

    assert await running.end(("ann", "stubborn"), SessionEnded("Gone."), 0.1)
    assert time.monotonic() - began < SECONDS


async def test_a_turn_that_waits_for_a_worker_is_ended_with_its_session():
    running = RunningTurns()
    begun = asyncio.Event()

    async def opens() -> None:
        with Opening(running) as opening:
            opening.on = ("ann", "s")
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(opens())
    await begun.wait()
    assert await running.end(("ann", "s"), SessionEnded("Gone."), SECONDS)
    with pytest.raises(SessionEnded):
        await task
    assert not len(running)
