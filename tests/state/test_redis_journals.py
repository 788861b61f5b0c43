"""What the Redis store promises of journals beyond `state.base`: sharing, slots, round trips."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from llm_mcp_hub.domain.journal import JournalEnd
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.redis_connections import RedisConnections
from llm_mcp_hub.state.redis_journals import JOURNAL_SLACK_SECONDS
from llm_mcp_hub.state.redis_keys import principal_keys
from llm_mcp_hub.state.redis_store import RedisStore
from llm_mcp_hub.state.redis_url import read_url
from llm_mcp_hub.testing.redis_server import RedisServer, redis_server
from llm_mcp_hub.testing.store_journals import (
    ALIVE,
    AT_ONCE,
    TTL,
    entry,
    head,
    text_chunks,
    whole,
    write,
)
from llm_mcp_hub.testing.store_promise import START

pytestmark = [pytest.mark.anyio, pytest.mark.redis]

KEYS = principal_keys("llm-mcp-hub", "ann")


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[RedisStore]:
    store = RedisStore(read_url(url), **options)
    try:
        yield store
    finally:
        await store.aclose()


async def test_of_two_hubs_on_one_redis_exactly_one_gets_a_key(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as one, opened(own_redis.url) as other:
        claims = [
            store.claim_key(head(f"t{number}", key="k"), ALIVE, TTL, START)
            for number, store in enumerate([one, other] * (AT_ONCE // 2))
        ]
        results = await asyncio.gather(*claims)
        assert results.count(None) == 1
        await write(one, entry(0, "x", turn="growing"))
        await write(one, entry(1, "y", turn="growing"))
        assert (await whole(other, "growing")).chunks == text_chunks("x", "y")


async def test_hubs_with_different_prefixes_share_no_journal_and_no_key(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as one, opened(f"{own_redis.url}?prefix=other") as other:
        await one.claim_key(head("t1", key="k"), ALIVE, TTL, START)
        assert await other.read_journal("ann", "t1", 0, START) is None
        assert await other.claim_key(head("t2", key="k"), ALIVE, TTL, START) is None


async def test_the_journals_of_all_turns_are_written_in_one_round_trip(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(own_redis.url) as store:
        await write(store, entry(0, "a"))
        sent = 0
        send = RedisConnections.exchange

        async def counted(self: RedisConnections, commands: Any) -> list[Any]:
            nonlocal sent
            sent += 1
            return await send(self, commands)

        monkeypatch.setattr(RedisConnections, "exchange", counted)
        turns = [entry(0, "x", turn=f"t{number}", principal=f"p{number}") for number in range(64)]
        await write(store, *turns)
        assert sent == 1
        await write(store)
        assert sent == 1


async def test_every_call_fails_within_the_deadline_and_works_again_after_an_outage(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as store:
        calls = (
            lambda: store.claim_key(head("t1", key="k"), ALIVE, TTL, START),
            lambda: write(store, entry(0, "a"), entry(0, "b", turn="t2")),
            lambda: whole(store),
            lambda: store.release_key("ann", "k", "t1"),
        )
        own_redis.stop()
        for call in calls:
            with pytest.raises(StateUnavailable, match=r"^The Redis .*can't be reached"):
                await asyncio.wait_for(call(), 5)
        own_redis.start()
        for call in calls:
            await call()
        assert (await whole(store, "t2")).chunks == text_chunks("b")


async def test_entries_keep_their_order_when_the_server_has_forgotten_the_scripts(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as store:
        await write(store, entry(0, "a"))
        own_redis.command("SCRIPT", "FLUSH")
        await write(store, entry(1, "b"), entry(0, "x", turn="t2"), entry(2, "c", end=JournalEnd()))
        assert (await whole(store)).chunks == text_chunks("a", "b", "c")
        assert (await whole(store, "t2")).chunks == text_chunks("x")


async def test_one_journal_that_can_not_be_written_holds_up_no_other(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as store:
        own_redis.command("SET", KEYS.journal("broken"), "not a journal")
        entries = [entry(0, "x", turn=turn) for turn in ("t1", "broken", "t2")]
        with pytest.raises(StateUnavailable, match="refused a command"):
            await write(store, *entries)
        for turn in ("t1", "t2"):
            assert (await whole(store, turn)).chunks == text_chunks("x")


async def test_everything_of_a_journal_goes_away_by_itself_soon_after_its_end(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as store:
        await store.claim_key(head("t1", key="k"), ALIVE, 1.0, START)
        await write(store, entry(0, "a"))
    keys = {KEYS.journal("t1"), KEYS.chunks("t1"), KEYS.idempotency("k")}
    assert {key.decode() for key in own_redis.command("KEYS", "*")} == keys
    for key in keys:
        left = own_redis.command("PTTL", key) / 1000
        # As the write has it, not the claim.
        assert JOURNAL_SLACK_SECONDS + 1 < left <= JOURNAL_SLACK_SECONDS + TTL, key


async def test_everything_of_a_journal_is_in_its_principals_slot(
    redis_cluster: RedisServer,
) -> None:
    keys = principal_keys("p", "ann {x} \n é")
    every = [keys.index, keys.journal("t}"), keys.chunks("{t}"), keys.idempotency("{k")]
    assert len({redis_cluster.command("CLUSTER", "KEYSLOT", key) for key in every}) == 1


async def test_a_cluster_that_moves_a_slot_is_reported_and_leaves_a_journal_as_it_was(
    redis_cluster: RedisServer,
) -> None:
    keys = principal_keys("moving-journals", "ann")
    slot = str(redis_cluster.command("CLUSTER", "KEYSLOT", keys.index))
    with redis_server(cluster=True) as target:
        target.command("CLUSTER", "FLUSHSLOTS")
        target_id = target.command("CLUSTER", "MYID").decode()
        address = ("127.0.0.1", str(target.port), str(target.bus_port))
        redis_cluster.command("CLUSTER", "MEET", *address)
        async with opened(f"{redis_cluster.url}?prefix=moving-journals") as store:
            await store.claim_key(head("t1", key="k"), ALIVE, TTL, START)
            await write(store, entry(0, "a"))
            before = await whole(store)
            # A key that has moved already is one that is missing here while the slot moves.
            redis_cluster.command("DEL", keys.idempotency("k"))
            move = ("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
            redis_cluster.until(lambda: redis_cluster.command(*move))
            for call in (
                write(store, entry(1, "b")),
                store.claim_key(head("t2", key="k"), ALIVE, TTL, START),
                store.release_key("ann", "k", "t1"),
                store.read_journal("ann", "t2", 0, START),
            ):
                with pytest.raises(StateUnavailable):
                    await call
            redis_cluster.command("CLUSTER", "SETSLOT", slot, "STABLE")
            assert await whole(store) == before
        redis_cluster.command("CLUSTER", "FORGET", target_id)
