"""A stream made from an async generator can be closed at any time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.providers.base import Provider, stream_of

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


def test_a_provider_that_inherits_the_contract_has_no_workers_unless_it_says_so() -> None:
    class Plain(Provider):
        name = "plain"

    assert Plain.workers.__qualname__ == "Provider.workers"
    assert Plain.workers(Plain.__new__(Plain)) == ()
