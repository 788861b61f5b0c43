"""What stores promise of usage and limits beyond `state.base`: survival, sharing, little room."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.domain.limits import TokenLimits
from llm_mcp_hub.domain.usage import UsageSlot
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.redis_connections import RedisConnections
from llm_mcp_hub.state.redis_store import RedisStore
from llm_mcp_hub.state.redis_url import read_url
from llm_mcp_hub.state.sqlite import SqliteStore
from llm_mcp_hub.state.sqlite_usage import SHORT_ROWS, SWEEP_USAGE
from llm_mcp_hub.testing.redis_server import RedisServer
from llm_mcp_hub.testing.store_limits import AT_ONCE, enter, turn
from llm_mcp_hub.testing.store_promise import START
from llm_mcp_hub.testing.store_usage import batch, counted, slot

pytestmark = pytest.mark.anyio

OLD_FILE = Path(__file__).with_name("schema_1.sql")
ONE = TokenLimits(requests_per_day=1)


@asynccontextmanager
async def sqlite_store(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(path))
    try:
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def redis_store(url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(read_url(url))
    try:
        yield store
    finally:
        await store.aclose()


async def added(store: Store, writer: str, *batches: dict[UsageSlot, dict[str, int]]) -> None:
    """As a hub does it: one batch after the other."""
    for number, rows in enumerate(batches, 1):
        await store.add_usage(batch(number, rows, writer=writer), START)


async def test_counts_survive_reopening_and_so_does_the_number_of_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    async with sqlite_store(path) as store:
        await store.add_usage(batch(1, {slot(): {"answered": 1}}), START)
        await enter(store, "t1", ONE)
    async with sqlite_store(path) as store:
        await store.add_usage(batch(1, {slot(): {"answered": 1}}), START)
        assert await counted(store) == {slot(): {"answered": 1}}
        assert (await enter(store, "t2", ONE)).exceeded == "requests_per_day"


async def test_two_hubs_on_one_file_add_up_and_share_limits(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"
    async with sqlite_store(path) as one, sqlite_store(path) as other:
        await asyncio.gather(one.open(), other.open())
        many = {slot(model=f"m{n}"): {"answered": 1} for n in range(2 * SHORT_ROWS)}
        await asyncio.gather(
            added(one, "one", many, {slot(): {"answered": 5}}),
            added(other, "other", many, {slot(): {"answered": 5}}),
        )
        found = await counted(one)
        assert found == await counted(other)
        assert found[slot()] == {"answered": 10}
        assert found[slot(model="m1")] == {"answered": 2}
        limits = TokenLimits(concurrent_turns=3)
        uses = await asyncio.gather(
            *(enter(store, f"{n}", limits) for n, store in enumerate([one, other] * AT_ONCE))
        )
        assert sum(use.exceeded is None for use in uses) == 3


async def test_writes_remove_expired_rows_a_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "hub.db"

    def rows(table: str) -> int:
        with closing(sqlite3.connect(path)) as connection:
            count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return count

    async with sqlite_store(path) as store:
        many = {slot(model=f"m{n}"): {"answered": 1} for n in range(2 * SWEEP_USAGE)}
        await store.add_usage(batch(1, many, expires_at=START + 10), START)
        await store.add_usage(batch(2, {slot(): {"answered": 1}}), START + 10)
        assert rows("usage") == SWEEP_USAGE + 1
        await store.add_usage(batch(3, {slot(): {"answered": 1}}), START + 10)
        assert rows("usage") == 1
        await store.add_usage(batch(1, {slot(): {"answered": 1}}, writer="x"), START + 90_000)
        assert rows("usage_writers") == 1
        for number in range(5):
            at = START + 70.0 * number
            await enter(store, f"t{number}", TokenLimits(), at)
            await store.leave_turn(turn(f"t{number}", at), 1, True, at)
        assert rows("limited_turns") == 1


async def test_a_token_of_an_older_file_has_no_limits_and_can_be_given_some(
    tmp_path: Path,
) -> None:
    path = tmp_path / "hub.db"
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD_FILE.read_text())
    async with sqlite_store(path) as store:
        (token,) = await store.list_tokens()
        assert token.limits == TokenLimits()
        await store.note_token_uses({token.id: START})
        assert await store.token_uses() == {token.id: START}
        assert (await enter(store, "t1", ONE)).exceeded is None


@pytest.mark.redis
async def test_two_hubs_on_one_redis_add_up_and_share_limits(own_redis: RedisServer) -> None:
    async with redis_store(own_redis.url) as one, redis_store(own_redis.url) as other:
        rows = [{slot(): {"answered": 1}}] * 5
        await asyncio.gather(added(one, "one", *rows), added(other, "other", *rows))
        assert await counted(one) == {slot(): {"answered": 10}}
        limits = TokenLimits(concurrent_turns=3, requests_per_minute=5)
        uses = await asyncio.gather(
            *(enter(store, f"{n}", limits) for n, store in enumerate([one, other] * AT_ONCE))
        )
        assert sum(use.exceeded is None for use in uses) == 3


@pytest.mark.redis
async def test_redis_takes_one_round_trip_and_forgets_by_itself(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with redis_store(own_redis.url) as store:
        await store.add_usage(batch(1, {slot(): {"answered": 1}}), START)
        sent = 0
        send = RedisConnections.exchange

        async def counting(self: RedisConnections, commands: Any) -> list[Any]:
            nonlocal sent
            sent += 1
            return await send(self, commands)

        monkeypatch.setattr(RedisConnections, "exchange", counting)
        many = {slot(model=f"m{n}"): {"answered": 1} for n in range(100)}
        await store.add_usage(batch(2, many, expires_at=START + 60), START)
        assert sent == 1
        await enter(store, "t1", ONE)
        await store.leave_turn(turn("t1"), 5, True, START)
        await enter(store, "t2", TokenLimits())
        keys = (await store._client.pipeline(("KEYS", "*")))[0]
        lives = await store._client.pipeline(*(("PTTL", key) for key in keys))
        assert len(keys) == 5
        assert all(life > 0 for life in lives), dict(zip(keys, lives, strict=True))
