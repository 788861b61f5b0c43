"""A stream made from an async generator can be closed at any time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path

import pytest

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.errors import ProviderOverloaded
from llm_mcp_hub.providers.base import Provider, ProviderContext, stream_of, used_by
from llm_mcp_hub.providers.dialect import UsageSeen
from llm_mcp_hub.providers.plain import PlainProvider
from llm_mcp_hub.testing.turns import run_turn, turn_request

pytestmark = pytest.mark.anyio

FINISH = FinishChunk(FinishReason.STOP, Usage())


class Source:
    """Says `a`, waits for `gate`, finishes."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.closed = False

    async def chunks(self) -> AsyncIterator[Chunk]:
        try:
            yield TextChunk("a")
            await self.gate.wait()
            yield FINISH
        finally:
            self.closed = True


async def test_each_chunk_is_a_batch() -> None:
    source = Source()
    source.gate.set()
    stream = stream_of(source.chunks())
    assert [batch async for batch in stream] == [(TextChunk("a"),), (FINISH,)]
    await stream.aclose()


async def test_closing_between_two_chunks_closes_the_generator() -> None:
    source = Source()
    stream = stream_of(source.chunks())
    assert await anext(aiter(stream)) == (TextChunk("a"),)
    await stream.aclose()
    await stream.aclose()
    assert source.closed
    assert [batch async for batch in stream] == []


async def test_closing_while_a_chunk_is_awaited_ends_the_stream() -> None:
    source = Source()
    stream = stream_of(source.chunks())

    async def read() -> list[object]:
        return [batch async for batch in stream]

    reading = asyncio.create_task(read())
    for _ in range(5):
        await asyncio.sleep(0)
    await stream.aclose()
    assert source.closed
    assert await asyncio.wait_for(reading, 5) == [(TextChunk("a"),)]


async def test_two_may_close_at_the_same_time() -> None:
    ending, go_on = asyncio.Event(), asyncio.Event()

    async def chunks() -> AsyncIterator[Chunk]:
        try:
            yield TextChunk("a")
        finally:
            ending.set()
            await go_on.wait()

    stream = stream_of(chunks())
    await anext(aiter(stream))
    first = asyncio.create_task(stream.aclose())
    await ending.wait()
    second = asyncio.create_task(stream.aclose())
    go_on.set()
    await asyncio.gather(first, second)


async def test_cancelling_the_reader_cancels_the_generator() -> None:
    source = Source()
    stream = stream_of(source.chunks())

    async def read() -> list[object]:
        return [batch async for batch in stream]

    reading = asyncio.create_task(read())
    for _ in range(5):
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert source.closed
    await stream.aclose()


async def test_what_has_been_used_is_told_beside_the_chunks() -> None:
    async def chunks() -> AsyncIterator[Chunk | UsageSeen]:
        yield UsageSeen(Usage(9, 0, 1))
        yield TextChunk("a")
        yield UsageSeen(Usage(9, 0, 2))
        yield FinishChunk(FinishReason.STOP, Usage(9, 0, 3))

    stream = stream_of(chunks())
    told = [(batch, stream.usage.output_tokens) async for batch in stream]
    assert [(type(chunk), count) for (chunk,), count in told] == [(TextChunk, 1), (FinishChunk, 3)]
    await stream.aclose()
    assert used_by(stream) == Usage(9, 0, 3)


async def test_a_plain_provider_tells_what_a_turn_has_used_that_fails(tmp_path: Path) -> None:
    class Failing(PlainProvider):
        async def answer(self, request: TurnRequest) -> AsyncGenerator[str | UsageSeen, None]:  # type: ignore[override]  # fewer kinds
            yield UsageSeen(Usage(9, 0, 1))
            yield "a"
            raise ProviderOverloaded("It is too much.")

    provider = Failing(ProviderContext("failing", None, tmp_path, {}))
    outcome = await run_turn(provider, turn_request("hello"))
    assert isinstance(outcome.error, ProviderOverloaded)
    assert outcome.usage == Usage(9, 0, 1)


async def test_a_stream_that_counts_nothing_has_used_nothing() -> None:
    class Silent:
        usage: object = "as ever"

        def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
            raise NotImplementedError

        async def aclose(self) -> None:
            pass

    stream = Silent()
    assert used_by(stream) == Usage()
    del Silent.usage
    assert used_by(stream) == Usage()


def test_a_provider_that_inherits_the_contract_has_no_workers_unless_it_says_so() -> None:
    class Plain(Provider):
        name = "plain"

    assert Plain.workers.__qualname__ == "Provider.workers"
    assert Plain.workers(Plain.__new__(Plain)) == ()
