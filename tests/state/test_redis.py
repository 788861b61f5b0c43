"""What the Redis store promises beyond `state.base`: sharing, recovery, cluster slots, garbage."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_mcp_hub.domain.access import AccessToken
from llm_mcp_hub.domain.session import Listing, SessionSort
from llm_mcp_hub.errors import SessionBusy, SessionChanged, StateUnavailable
from llm_mcp_hub.state.base import Lease, Store
from llm_mcp_hub.state.redis_connections import RedisConnections
from llm_mcp_hub.state.redis_keys import principal_keys, principals_key
from llm_mcp_hub.state.redis_store import PRINCIPAL_SLACK_SECONDS, RedisStore
from llm_mcp_hub.state.redis_url import read_url
from llm_mcp_hub.testing.redis_server import RedisServer, redis_server
from llm_mcp_hub.testing.store_promise import START, TTL, change, lease, said, stored

pytestmark = [pytest.mark.anyio, pytest.mark.redis]


@asynccontextmanager
async def opened(url: str, **options: Any) -> AsyncIterator[RedisStore]:
    store = RedisStore(read_url(url), **options)
    try:
        yield store
    finally:
        await store.aclose()


async def _every_call(store: Store) -> list[Callable[[], Awaitable[object]]]:
    token = AccessToken("id", "name", frozenset(), "00", START)
    return [
        store.ping,
        lambda: store.begin("ann", "s1", lease("a"), START),
        lambda: store.begin_by_digest("ann", "digest", lease("a"), START),
        lambda: store.append("ann", "s1", "a", change(0, said("x")), TTL, START),
        lambda: store.renew([("ann", "s1"), ("bob", "s1")], lease("a"), START),
        lambda: store.release("ann", "s1", "a"),
        lambda: store.get("ann", "s1", START),
        lambda: store.list_sessions("ann", 9, None, START),
        lambda: store.list_sessions(None, 9, None, START),
        lambda: store.delete("ann", "s1", START),
        lambda: store.add_token(token),
        lambda: store.get_token("id"),
        store.list_tokens,
        lambda: store.delete_token("name"),
    ]


async def test_two_hubs_on_one_redis_are_one_hub(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as one, opened(own_redis.url) as other:
        await stored(one)
        await one.begin("ann", "s1", lease("a"), START)
        with pytest.raises(SessionBusy):
            await other.begin("ann", "s1", lease("b"), START)
        await other.append("ann", "s1", "a", change(1, said("x"), keep=2), TTL, START)
        session = await one.get("ann", "s1", START)
        assert session is not None
        assert session.summary.revision == 2


async def test_hubs_with_different_prefixes_never_meet(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as one, opened(f"{own_redis.url}?prefix=other") as other:
        await stored(one)
        await one.add_token(AccessToken("id", "name", frozenset(), "00", START))
        assert await other.get("ann", "s1", START) is None
        assert (await other.list_sessions(None, 9, None, START)).sessions == ()
        assert await other.list_tokens() == ()


async def test_every_call_fails_within_the_deadline_and_works_again_after_an_outage(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as store:
        await stored(store)
        own_redis.stop()
        for call in await _every_call(store):
            with pytest.raises(StateUnavailable, match="can't be reached") as caught:
                await asyncio.wait_for(call(), 5)
            assert "127.0.0.1" not in caught.value.message
        own_redis.start()
        for call in await _every_call(store):
            await call()


async def test_a_redis_that_hangs_is_reported_within_the_deadline(own_redis: RedisServer) -> None:
    async with opened(own_redis.url, deadline=0.1) as store:
        await stored(store)
        own_redis.pause()
        calls = [store.get("ann", "s1", START) for _ in range(50)]
        results = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 5)
        assert {type(result) for result in results} == {StateUnavailable}
        assert "did not answer in time" in str(results[0])
        own_redis.resume()
    async with opened(own_redis.url) as store:
        assert await store.get("ann", "s1", START) is not None


async def test_a_call_that_was_cut_off_leaves_no_answer_to_the_next(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as store:
        await stored(store, "s1", "one")
        await stored(store, "s2", "two")
        own_redis.pause()
        calls = [asyncio.ensure_future(store.get("ann", "s1", START)) for _ in range(3)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        own_redis.resume()
        session = await store.get("ann", "s2", START)
        assert session is not None
        assert session.summary.id == "s2"


async def test_scripts_are_sent_again_when_the_server_has_forgotten_them(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as store:
        await stored(store)
        own_redis.command("SCRIPT", "FLUSH")
        for call in await _every_call(store):
            try:
                await call()
            except SessionChanged:
                continue


async def test_begin_and_append_are_one_round_trip_each(
    own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(own_redis.url) as store:
        await stored(store)
        sent = 0
        send = RedisConnections.exchange

        async def counted(self: RedisConnections, commands: Any) -> list[Any]:
            nonlocal sent
            sent += 1
            return await send(self, commands)

        monkeypatch.setattr(RedisConnections, "exchange", counted)
        reads = _reads(own_redis)
        asking = _reads(own_redis) - reads
        await store.begin("ann", "s1", lease("a"), START)
        await store.append("ann", "s1", "a", change(1, said("x"), keep=2), TTL, START)
        assert sent == 2
        assert _reads(own_redis) - reads == 2 + 2 * asking


def _reads(server: RedisServer) -> int:
    """How often the server has received something, this question included."""
    stats = server.command("INFO", "stats").decode()
    return int(stats.split("total_reads_processed:")[1].split()[0])


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [("maxmemory", "1", "out of memory"), ("requirepass", "secret", "refuses the hub's login")],
)
async def test_what_the_server_refuses_is_said_with_what_to_do(
    own_redis: RedisServer, setting: str, value: str, message: str
) -> None:
    own_redis.command("CONFIG", "SET", setting, value)
    async with opened(own_redis.url) as store:
        with pytest.raises(StateUnavailable, match=message):
            await stored(store)


async def test_a_cluster_that_moves_a_slot_is_reported_and_never_taken_for_an_empty_one(
    redis_cluster: RedisServer,
) -> None:
    keys = principal_keys("moving", "ann")
    slot = str(redis_cluster.command("CLUSTER", "KEYSLOT", keys.index))
    with redis_server(cluster=True) as target:
        target.command("CLUSTER", "FLUSHSLOTS")
        target_id = target.command("CLUSTER", "MYID").decode()
        address = ("127.0.0.1", str(target.port), str(target.bus_port))
        redis_cluster.command("CLUSTER", "MEET", *address)
        async with opened(f"{redis_cluster.url}?prefix=moving") as store:
            digest = (await stored(store)).digest
            before = await stored(store, "s2", "something", "else")
            for number in range(3):
                await store.begin("ann", f"s{number}", lease("b"), START)
            # A key that has moved already is one that is missing here while the slot moves.
            redis_cluster.command("DEL", keys.session("s1"))
            move = ("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
            redis_cluster.until(lambda: redis_cluster.command(*move))
            for call in (
                store.begin_by_digest("ann", digest, lease("a"), START),
                store.begin("ann", "s1", lease("a"), START),
                store.get("ann", "s1", START),
                store.list_sessions("ann", 9, None, START),
                store.append("ann", "s2", "b", change(1, said("x"), keep=2), TTL, START),
            ):
                with pytest.raises(StateUnavailable):
                    await call
            redis_cluster.command("CLUSTER", "SETSLOT", slot, "STABLE")
            session = await store.get("ann", "s2", START)
            assert session is not None
            assert (session.summary, len(session.messages)) == (before, 2)
        redis_cluster.command("CLUSTER", "FORGET", target_id)


async def test_a_read_only_replica_is_reported(own_redis: RedisServer) -> None:
    own_redis.command("REPLICAOF", "127.0.0.1", "1")
    async with opened(own_redis.url) as store:
        with pytest.raises(StateUnavailable, match="read-only replica"):
            await stored(store)
        own_redis.command("REPLICAOF", "NO", "ONE")
        await stored(store)


async def test_a_wrong_password_is_not_repeated(own_redis: RedisServer) -> None:
    url = own_redis.url.replace("redis://", "redis://ann:hunter2@")
    async with opened(url) as store:
        with pytest.raises(StateUnavailable, match="refuses the hub's login") as caught:
            await store.open()
    assert "hunter2" not in f"{caught.value} {caught.value.detail}"


async def test_a_closed_store_says_so_and_holds_no_connection(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as store:
        await asyncio.gather(*(store.ping() for _ in range(10)))
        await store.aclose()
        await store.aclose()
        with pytest.raises(StateUnavailable, match="closed"):
            await store.ping()
    own_redis.until(lambda: own_redis.command("CLIENT", "LIST").count(b"\n") == 1)


async def test_every_key_goes_away_by_itself(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as store:
        await stored(store)
        await store.begin("ann", "new", lease("a"), START)
        await stored(store, "s2")
        await store.begin_by_digest("ann", said("hello", "hi")[-1].digest, lease("b"), START)
        await store.renew([("ann", "s2")], Lease("b", 10 * TTL), START)
    keys = own_redis.command("KEYS", "*")
    assert len(keys) == 13
    for key in keys:
        if key.decode() != principals_key("llm-mcp-hub"):
            assert own_redis.command("PTTL", key.decode()) > 0, key


async def test_keys_live_as_long_as_what_a_later_turn_has_made_of_them(
    own_redis: RedisServer,
) -> None:
    keys = principal_keys("llm-mcp-hub", "ann")
    every = [*keys.indexes, keys.session("s1"), keys.messages("s1")]
    async with opened(own_redis.url) as store:
        await stored(store)
        # Nothing of before is left in the list of messages, which is made anew.
        await store.append("ann", "s1", "a", change(1, said("x")), TTL, START)
        for key in every:
            assert own_redis.command("PTTL", key) > TTL * 1000, key
        await store.append("ann", "s1", "a", change(2, said("y"), keep=1), 9 * TTL, START)
        for key in every:
            assert own_redis.command("PTTL", key) > 9 * TTL * 1000, key


async def test_nothing_is_left_of_sessions_that_have_expired(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as store:
        for number in range(30):
            await stored(store, f"s{number}", f"hello {number}", ttl=60.0)
        for number in range(2):
            await stored(store, f"later{number}", "hello", now=START + 100)
        keys = principal_keys("llm-mcp-hub", "ann")
        assert own_redis.command("ZCARD", keys.index) == 2
        assert own_redis.command("ZCARD", keys.ends) == 2
        for sort in SessionSort:
            assert own_redis.command("ZCARD", keys.sorted_by(sort)) == 2
        assert len(own_redis.command("KEYS", "*")) == 2 * 2 + 1 + 5 + 1
        await stored(store, "bob's", principal="bob", now=START + 100)
        late = START + 100 + TTL + PRINCIPAL_SLACK_SECONDS
        assert (await store.list_sessions(None, 9, None, late)).sessions == ()
    assert own_redis.command("EXISTS", principals_key("llm-mcp-hub")) == 0


async def test_a_deleted_session_leaves_no_key(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as store:
        await stored(store)
        await store.begin("ann", "s1", lease("a"), START)
        await store.delete("ann", "s1", START)
    assert own_redis.command("KEYS", "*") == [principals_key("llm-mcp-hub").encode()]


async def test_sessions_of_an_older_version_are_in_every_order(own_redis: RedisServer) -> None:
    async with opened(own_redis.url) as store:
        for number in range(3):
            await stored(store, f"s{number}", *"abcdef"[: 2 * number], now=START + number)
        keys = principal_keys("llm-mcp-hub", "ann")
        for sort in list(SessionSort)[1:]:
            own_redis.command("DEL", keys.sorted_by(sort))
        for number in range(3):
            own_redis.command("HDEL", keys.session(f"s{number}"), "title")
        await stored(store, "new", now=START + 9)
        for sort in SessionSort:
            page = await store.list_sessions("ann", 9, None, START + 10, Listing(sort))
            assert len(page.sessions) == 4, sort
            assert own_redis.command("PTTL", keys.sorted_by(sort)) > 0
        assert [one.title for one in page.sessions if one.id == "s0"] == [""]


async def test_everybodys_sessions_are_listed_when_there_are_many_people(
    own_redis: RedisServer,
) -> None:
    async with opened(own_redis.url) as store:
        for number in range(120):
            await stored(store, "s1", principal=f"p{number:03}", now=START + number)
        found, cursor = [], None
        while True:
            page = await store.list_sessions(None, 50, cursor, START + 200)
            found += [summary.principal for summary in page.sessions]
            cursor = page.next_cursor
            if cursor is None:
                break
    assert found == [f"p{number:03}" for number in reversed(range(120))]


async def test_all_keys_of_a_principal_are_in_one_slot_and_of_two_in_two(
    redis_cluster: RedisServer,
) -> None:
    def slot(key: str) -> int:
        found = redis_cluster.command("CLUSTER", "KEYSLOT", key)
        assert isinstance(found, int)
        return found

    keys = principal_keys("p", "ann {x} \n é")
    every = [keys.index, keys.ends, keys.session("s}"), keys.messages("{s}"), keys.digest("d")]
    assert len({slot(key) for key in [*every, keys.lease("s")]}) == 1
    assert slot(keys.index) != slot(principal_keys("p", "bob").index)


async def test_the_primary_is_found_through_a_sentinel(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    config = tmp_path / "sentinel.conf"
    config.write_text(f"sentinel monitor main 127.0.0.1 {own_redis.port} 1\n")
    with redis_server(config=config, options=["--sentinel"]) as sentinel:
        url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{sentinel.port}/main/3"
        async with opened(url) as store:
            await stored(store)
            assert await store.get("ann", "s1", START) is not None
        async with opened(f"redis+sentinel://127.0.0.1:{sentinel.port}/other") as store:
            with pytest.raises(StateUnavailable, match="can't be reached"):
                await store.open()
    async with opened(own_redis.url.replace("/0", "/3")) as store:
        assert await store.get("ann", "s1", START) is not None


async def test_a_unix_socket_serves_as_well(tmp_path: Path) -> None:
    with redis_server(options=["--unixsocket", str(tmp_path / "r.sock")]):
        async with opened(f"redis+unix://{tmp_path}/r.sock?db=2&prefix=x") as store:
            await stored(store)
            assert await store.get("ann", "s1", START) is not None


def test_the_library_is_not_loaded_for_those_who_use_another_store() -> None:
    code = (
        "import sys, llm_mcp_hub.state.redis, llm_mcp_hub.state.sqlite\n"
        "llm_mcp_hub.state.sqlite.create_sqlite_store('sqlite:///:memory:')\n"
        "assert 'redis' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_address_is_never_printed_with_its_password() -> None:
    address = read_url("redis://ann:hunter2@127.0.0.1")
    assert msgspec.structs.asdict(address)["password"] == "hunter2"
    assert "hunter2" not in f"{address!r} {address}"
