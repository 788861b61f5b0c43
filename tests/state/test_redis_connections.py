"""A connection serves one call at a time, and none after something went wrong on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import hiredis
import pytest
from redis import exceptions

from llm_mcp_hub.state.redis_connections import MAX_CONNECTIONS, RedisConnections
from llm_mcp_hub.state.redis_url import read_url
from llm_mcp_hub.testing.redis_server import RedisServer

pytestmark = pytest.mark.anyio

PING = hiredis.pack_command(("PING",))


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[RedisConnections]:
    connections = RedisConnections(read_url(url))
    try:
        yield connections
    finally:
        await connections.aclose()


def echo(text: str) -> bytes:
    return hiredis.pack_command(("ECHO", text))


def clients(server: RedisServer) -> int:
    """How many connections the server has, the one that asks aside."""
    return int(server.command("CLIENT", "LIST").count(b"\n")) - 1


@pytest.mark.redis
async def test_calls_that_follow_each_other_share_a_connection(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as connections:
        for number in range(5):
            assert await connections.exchange([echo(str(number))]) == [str(number).encode()]
        assert clients(own_redis) == 1


@pytest.mark.redis
async def test_every_command_has_its_own_reply_or_error(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as connections:
        wrong = hiredis.pack_command(("INCR", "a", "b"))
        one, error, two = await connections.exchange([echo("one"), wrong, echo("two")])
        assert (one, two) == (b"one", b"two")
        assert isinstance(error, exceptions.ResponseError)
        assert clients(own_redis) == 1


@pytest.mark.redis
async def test_calls_at_once_have_a_connection_each(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as connections:
        texts = [str(number) for number in range(9)]
        replies = await asyncio.gather(*(connections.exchange([echo(text)]) for text in texts))
        assert replies == [[text.encode()] for text in texts]
        assert clients(own_redis) == 9


@pytest.mark.redis
async def test_there_are_only_so_many_and_further_calls_wait_for_one(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url) as connections:
        texts = [str(number) for number in range(2 * MAX_CONNECTIONS)]
        replies = await asyncio.gather(*(connections.exchange([echo(text)]) for text in texts))
        assert replies == [[text.encode()] for text in texts]
        assert clients(own_redis) == MAX_CONNECTIONS


@pytest.mark.redis
async def test_calls_that_failed_hold_no_place_against_others(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as connections:
        own_redis.stop()
        calls = [connections.exchange([PING]) for _ in range(2 * MAX_CONNECTIONS)]
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(each) for each in failed} == {exceptions.ConnectionError}
        own_redis.start()
        assert await connections.exchange([PING]) == [b"PONG"]


@pytest.mark.redis
async def test_a_connection_that_the_server_has_closed_meanwhile_fails_no_call(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url) as connections:
        await asyncio.gather(*(connections.exchange([PING]) for _ in range(3)))
        own_redis.stop()
        own_redis.start()
        await asyncio.sleep(0)
        await asyncio.gather(*(connections.exchange([PING]) for _ in range(3)))
        assert clients(own_redis) == 3


@pytest.mark.redis
async def test_no_reply_of_a_call_that_was_given_up_reaches_another(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url) as connections:
        await connections.exchange([PING])
        own_redis.pause()
        call = asyncio.ensure_future(connections.exchange([echo("given up"), echo("as well")]))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        own_redis.resume()
        assert await connections.exchange([echo("next")]) == [b"next"]


@pytest.mark.redis
async def test_idle_connections_can_be_dropped_and_are_made_anew(own_redis: RedisServer) -> None:
    async with connected(own_redis.url) as connections:
        await connections.exchange([PING])
        before = own_redis.command("CLIENT", "LIST").split(b"id=")[1].split()[0]
        await connections.drop_idle()
        await asyncio.sleep(0)  # the socket is closed
        own_redis.until(lambda: clients(own_redis) == 0)
        await connections.exchange([PING])
        assert own_redis.command("CLIENT", "LIST").split(b"id=")[1].split()[0] != before


@pytest.mark.redis
async def test_a_call_that_is_answered_after_closing_leaves_no_connection(
    own_redis: RedisServer,
) -> None:
    async with connected(own_redis.url) as connections:
        await connections.exchange([PING])
    with pytest.raises(exceptions.ConnectionError):
        await connections.exchange([PING])
    own_redis.until(lambda: clients(own_redis) == 0)


Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    """The URL of a server that answers as told."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.close()


async def test_what_a_server_says_unasked_is_taken_for_no_ones_answer() -> None:
    said = asyncio.Event()
    connected_so_far = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected_so_far
        connected_so_far += 1
        number = connected_so_far
        while await reader.read(len(PING)):
            writer.write(b"+answer %d\r\n" % number)
            await writer.drain()
            if number == 1:
                await said.wait()
                writer.write(b"+unasked\r\n")
                await writer.drain()
        writer.close()

    async with served(answer) as url, connected(url) as connections:
        assert await connections.exchange([PING]) == [b"answer 1"]
        said.set()
        idle = connections._free.get_nowait()
        assert idle is not None
        connections._free.put_nowait(idle)
        while idle.is_silent():  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0)
        assert await connections.exchange([PING]) == [b"answer 2"]
        assert connected_so_far == 2


async def test_a_command_whose_answer_was_cut_off_is_not_sent_again() -> None:
    received = bytearray()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.extend(await reader.read(len(PING)))
        writer.write(b"+answ")
        writer.close()

    async with served(answer) as url, connected(url) as connections:
        with pytest.raises(exceptions.ConnectionError):
            await connections.exchange([PING])
        assert received == PING
