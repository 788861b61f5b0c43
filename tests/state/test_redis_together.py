"""Calls that come together share a round trip, and nothing else."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.redis_connections import RedisConnections
from llm_mcp_hub.state.redis_together import MAX_TOGETHER, Together
from llm_mcp_hub.testing.redis_server import RedisServer

pytestmark = pytest.mark.anyio


class Line:
    """Answers each command with its double, once it is let to; keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.error: Exception | None = None

    async def send(self, commands: Sequence[int]) -> list[Any]:
        self.sent.append(list(commands))
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return [ValueError("odd") if command % 2 else command * 2 for command in commands]


async def test_a_call_that_comes_alone_is_sent_at_once() -> None:
    line = Line()
    calls = Together(line.send)
    for number in (2, 4):
        assert await calls.call([number]) == [number * 2]
        await asyncio.sleep(0)
    assert line.sent == [[2], [4]]


async def test_calls_of_one_turn_of_the_loop_are_sent_in_one_go_after_the_first() -> None:
    line = Line()
    calls = Together(line.send)
    results = await asyncio.gather(*(calls.call([2 * n, 2 * n + 2]) for n in range(4)))
    assert results == [[4 * n, 4 * n + 4] for n in range(4)]
    assert line.sent == [[0, 2], [2, 4, 4, 6, 6, 8]]


async def test_each_gets_its_own_results_and_its_own_error() -> None:
    calls = Together(Line().send)
    results = await asyncio.gather(*(calls.call([n]) for n in range(4)))
    assert [type(result) for (result,) in results] == [int, ValueError, int, ValueError]


async def test_many_calls_are_sent_in_portions_and_in_order() -> None:
    line = Line()
    calls = Together(line.send)
    numbers = range(0, 2 * (MAX_TOGETHER + 3), 2)
    await asyncio.gather(*(calls.call([n]) for n in numbers))
    assert [len(portion) for portion in line.sent] == [1, MAX_TOGETHER, 2]
    assert [n for portion in line.sent for n in portion] == list(numbers)


async def test_a_line_that_is_down_is_told_to_all_each_with_an_error_of_its_own() -> None:
    line = Line()
    line.error = StateUnavailable("down")
    calls = Together(line.send)
    errors = await asyncio.gather(*(calls.call([n]) for n in range(3)), return_exceptions=True)
    assert [str(error) for error in errors] == ["down"] * 3
    assert len(set(map(id, errors))) == 3


async def test_a_caller_that_gives_up_takes_no_other_with_it() -> None:
    line = Line()
    line.open.clear()
    calls = Together(line.send)
    waiting = [asyncio.ensure_future(calls.call([n])) for n in (0, 2, 4, 6)]
    await asyncio.sleep(0)  # all have asked
    waiting[1].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the others are on their way
    waiting[2].cancel()
    line.open.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [outcomes[0], outcomes[3]] == [[0], [12]]
    assert [type(outcomes[1]), type(outcomes[2])] == [asyncio.CancelledError] * 2
    assert line.sent == [[0], [4, 6]]


async def test_closing_waits_for_what_is_on_its_way() -> None:
    line = Line()
    line.open.clear()
    calls = Together(line.send)
    waiting = [asyncio.ensure_future(calls.call([n])) for n in (0, 2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(calls.aclose())
    await asyncio.sleep(0)
    assert not closing.done()
    line.open.set()
    await closing
    assert await asyncio.gather(*waiting) == [[0], [4]]


def test_a_loop_that_was_closed_with_calls_waiting_holds_up_no_other() -> None:
    calls: Together[int] | None = None
    left: list[asyncio.Future[Any]] = []

    async def leave() -> None:
        nonlocal calls
        calls = Together(Line().send)
        left.extend(asyncio.ensure_future(calls.call([n])) for n in (0, 2))
        await asyncio.sleep(0)
        asyncio.get_running_loop().stop()

    loop = asyncio.new_event_loop()
    leaving = loop.create_task(leave())
    loop.run_forever()
    assert leaving.done()
    loop.close()

    async def again() -> list[Any]:
        assert calls is not None
        return await asyncio.gather(*(calls.call([n]) for n in (0, 2, 4)))

    assert asyncio.run(again()) == [[0], [4], [8]]
    assert not left[1].done()


@pytest.mark.redis
async def test_calls_on_redis_that_come_together_take_two_round_trips(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llm_mcp_hub.state.redis import create_redis_store
    from llm_mcp_hub.testing.store_promise import START, lease

    store = create_redis_store(own_redis.url)
    await store.begin("ann", "first", lease("first"), START)  # the server has the script now
    sent: list[int] = []
    send = RedisConnections.exchange

    async def counted(self: RedisConnections, commands: Any) -> list[Any]:
        sent.append(len(commands))
        return await send(self, commands)

    monkeypatch.setattr(RedisConnections, "exchange", counted)
    names = [f"s{number}" for number in range(9)]
    begun = await asyncio.gather(*(store.begin("ann", name, lease(name), START) for name in names))
    assert begun == [None] * 9
    assert sent == [1, 8]
    await store.aclose()
