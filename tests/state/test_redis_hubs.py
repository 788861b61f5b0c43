"""What a hub remembers of a session spares it reading that again, and hides nothing from it."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llm_mcp_hub.domain.session import SessionSummary
from llm_mcp_hub.errors import SessionChanged
from llm_mcp_hub.state.base import Lease, Store
from llm_mcp_hub.state.redis_keys import principals_key
from llm_mcp_hub.state.redis_store import LISTED_AGAIN_SECONDS, RedisStore
from llm_mcp_hub.state.redis_url import read_url
from llm_mcp_hub.testing.redis_server import RedisServer
from llm_mcp_hub.testing.store_histories import compare_with_model
from llm_mcp_hub.testing.store_promise import START, TTL, change, lease, read, said, stored

pytestmark = [pytest.mark.anyio, pytest.mark.redis]

HISTORIES = 100

_numbers = itertools.count()


class InTurns:
    """A store each of whose calls is another hub's."""

    def __init__(self, *stores: Store) -> None:
        self._next = itertools.cycle(stores)

    def __getattr__(self, name: str) -> Any:
        return getattr(next(self._next), name)


@asynccontextmanager
async def hubs(server: RedisServer) -> AsyncIterator[tuple[RedisStore, RedisStore]]:
    """Two hubs that share what nobody else has."""
    address = read_url(f"{server.url}?prefix=hubs-{next(_numbers)}")
    one, other = RedisStore(address), RedisStore(address)
    try:
        yield one, other
    finally:
        await one.aclose()
        await other.aclose()


async def begun(store: RedisStore, now: float = START) -> Any:
    """What a turn begins with; it ends at once."""
    session = await store.begin("ann", "s1", lease("look"), now)
    await store.release("ann", "s1", "look")
    return session


async def two_turns(store: RedisStore, *times: float) -> SessionSummary:
    """A session of two turns that says the same at any time."""
    first, second = times
    texts = ("hello", "hi", "more", "done")
    await store.append("ann", "s1", "a", change(0, said(*texts, at=first)[:2]), TTL, first)
    added = said(*texts, at=second)[2:]
    return await store.append("ann", "s1", "b", change(1, added, keep=2), TTL, second)


def ranges(server: RedisServer) -> int:
    """How often messages have been read."""
    stats = server.command("INFO", "commandstats").decode()
    _, found, rest = stats.partition("cmdstat_lrange:calls=")
    return int(rest.split(",")[0]) if found else 0


def test_two_hubs_do_what_the_model_does_in_any_history(redis: RedisServer) -> None:
    @asynccontextmanager
    async def open_two() -> AsyncIterator[Any]:
        async with hubs(redis) as both:
            yield InTurns(*both)

    compare_with_model(open_two, HISTORIES, kinds=["sessions"])


async def test_what_a_hub_has_stored_itself_it_does_not_read_again(own_redis: RedisServer) -> None:
    async with hubs(own_redis) as (one, other):
        await two_turns(one, START, START + 1)
        mine = [await begun(one, START + 2), await read(one, now=START + 2)]
        assert ranges(own_redis) == 0
        assert mine == [await read(other, now=START + 2)] * 2
        assert ranges(own_redis) == 1


async def test_what_a_turn_has_read_the_next_one_does_not_read_again(
    own_redis: RedisServer,
) -> None:
    async with hubs(own_redis) as (one, other):
        await stored(one)
        first = await begun(other)
        assert (await begun(other), await read(other)) == (first, first)
        assert ranges(own_redis) == 1


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(((START, START + 1), (START, START + 2)), id="changed at another time"),
        pytest.param(((START, START + 2), (START + 1, START + 2)), id="created at another time"),
    ],
)
async def test_a_session_begun_anew_with_the_same_words_is_another_one(
    redis: RedisServer, lives: tuple[tuple[float, float], ...]
) -> None:
    async with hubs(redis) as (one, other):
        await two_turns(one, *lives[0])
        await other.delete("ann", "s1", START)
        await two_turns(other, *lives[1])
        expected = await read(other, now=START + 3)
        assert await begun(one, START + 3) == expected
        assert await read(one, now=START + 3) == expected


async def test_a_session_begun_anew_at_the_same_time_is_another_one(redis: RedisServer) -> None:
    async with hubs(redis) as (one, other):
        await stored(one, "s1", "hello", "hi")
        await other.delete("ann", "s1", START)
        await stored(other, "s1", "good", "bye")
        assert (await read(one)).messages == said("good", "bye")
        assert (await begun(one)).messages == said("good", "bye")


@pytest.mark.parametrize(
    ("texts", "at"),
    [
        pytest.param(("good", "bye"), START, id="other words"),
        pytest.param(("hello", "hi"), START + 1, id="another time"),
    ],
)
async def test_a_turn_on_a_session_begun_anew_meanwhile_adds_to_what_is_stored(
    redis: RedisServer, texts: tuple[str, str], at: float
) -> None:
    async with hubs(redis) as (one, other):
        await stored(one, "s1", "hello", "hi")
        await other.delete("ann", "s1", START)
        await stored(other, "s1", *texts, now=at)
        added = said(*texts, "more")[2:]
        await one.append("ann", "s1", "a", change(1, added, keep=2), TTL, START + 2)
        assert (await begun(one, START + 2)).messages == said(*texts, at=at) + added


async def test_a_turn_of_another_hub_is_seen(redis: RedisServer) -> None:
    async with hubs(redis) as (one, other):
        await stored(one)
        await other.append("ann", "s1", "a", change(1, said("new"), keep=1), TTL, START)
        assert await begun(one) == await read(other)


async def test_a_life_that_another_hub_prolonged_is_told(redis: RedisServer) -> None:
    async with hubs(redis) as (one, other):
        await stored(one)
        await other.begin("ann", "s1", Lease("long", 3 * TTL), START)
        await other.release("ann", "s1", "long")
        session = await begun(one, START + TTL + 1)
        assert session == await read(other, now=START + TTL + 1)
        assert session.summary.expires_at == START + 3 * TTL


async def test_a_turn_that_is_refused_leaves_nothing_of_it_in_memory(redis: RedisServer) -> None:
    async with hubs(redis) as (one, other):
        await stored(one)
        with pytest.raises(SessionChanged):
            await one.append("ann", "s1", "a", change(5, said("x"), keep=2), TTL, START)
        assert await begun(one) == await read(other)


async def test_a_principal_is_put_on_the_list_again_now_and_then(own_redis: RedisServer) -> None:
    async with hubs(own_redis) as (one, _):
        key = principals_key(one._prefix)

        async def listed_until(turn: int, now: float) -> float:
            await one.append("ann", "s1", "a", change(turn, said("x")), 2 * TTL, now)
            return float(own_redis.command("ZSCORE", key, "ann"))

        first = await listed_until(0, START)
        assert await listed_until(1, START + LISTED_AGAIN_SECONDS) == first
        assert await listed_until(2, START + LISTED_AGAIN_SECONDS + 1) > first


async def test_whoever_begins_after_redis_lost_everything_is_listed(own_redis: RedisServer) -> None:
    async with hubs(own_redis) as (one, _):
        await two_turns(one, START, START + 1)
        own_redis.command("FLUSHALL")
        await stored(one)
        assert len((await one.list_sessions(None, 9, None, START + 1)).sessions) == 1
