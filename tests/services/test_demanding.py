"""An answer that is judged can be given up at any time, and nothing is left of it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from llm_mcp_hub.domain.completion import fold
from llm_mcp_hub.domain.response_format import ResponseFormat
from llm_mcp_hub.errors import FormatNotHonoured, HubError, ProviderStreamCut, WorkerDied
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.demanding import open_answer
from llm_mcp_hub.services.demands import demands_of
from llm_mcp_hub.testing.turns import turn_request

pytestmark = pytest.mark.anyio

END = FinishChunk(FinishReason.STOP, Usage(1, 0, 1, 0))
PATIENCE_SECONDS = 10


class Stream:
    def __init__(self, chunks: Sequence[Chunk], *, waits: bool = False) -> None:
        self.closed = 0
        self._chunks = chunks
        self._waits = waits

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        for chunk in self._chunks:
            yield (chunk,)
        if self._waits:
            await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed += 1


class Model:
    """Both the attempts of a turn and whom they ask."""

    def __init__(self, *streams: Stream) -> None:
        self.target = self
        self.provider = self
        self.streams = list(streams)
        self.opening: asyncio.Event | None = None
        self.began = asyncio.Event()

    async def open(self, request: Any) -> tuple[Any, Stream]:
        return request, self.streams[0]

    async def open_turn(self, request: Any) -> Stream:
        self.began.set()
        if self.opening is not None:
            await self.opening.wait()
        return self.streams[1]


async def opened(model: Model) -> Any:
    command = ChatCommand("m", (), response_format=ResponseFormat("json_object"))
    asked = turn_request("hello")
    _, stream = await open_answer(model, asked, demands_of(command))  # type: ignore[arg-type]  # it has what is asked of attempts
    return stream


async def drain(stream: Any) -> list[Chunk]:
    return [chunk async for batch in stream for chunk in batch]


async def test_both_answers_are_closed() -> None:
    model = Model(Stream([TextChunk("no"), END]), Stream([TextChunk("{}"), END]))
    stream = await opened(model)
    completion = fold(await drain(stream))
    assert completion is not None
    assert (completion.text, completion.usage) == ("{}", Usage(2, 0, 2, 0))
    await stream.aclose()
    await stream.aclose()
    assert all(each.closed for each in model.streams)


@pytest.mark.parametrize(
    ("second", "error", "used"),
    [
        ([TextChunk("no"), END], FormatNotHonoured, Usage(2, 0, 2, 0)),
        ([TextChunk("no")], ProviderStreamCut, Usage(1, 0, 1, 0)),
    ],
)
async def test_what_was_used_in_vain_is_known(
    second: list[Chunk], error: type[HubError], used: Usage
) -> None:
    stream = await opened(Model(Stream([TextChunk("no"), END]), Stream(second)))
    with pytest.raises(error):
        await drain(stream)
    await stream.aclose()
    assert stream.usage == used


class Counting(Stream):
    """Has used two tokens, whatever comes of it."""

    usage = Usage(0, 0, 2, 0)


async def test_what_an_answer_under_way_has_used_is_known_and_counted_once() -> None:
    first = Counting([TextChunk("no"), FinishChunk(FinishReason.STOP, Counting.usage)])
    second = Counting([ReasoningChunk("hm")], waits=True)
    model = Model(first, second)
    model.opening = asyncio.Event()
    stream = await opened(model)
    assert stream.usage == Counting.usage
    reading = asyncio.create_task(drain(stream))
    await model.began.wait()
    assert stream.usage == Counting.usage
    model.opening.set()
    for _ in range(5):
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    await stream.aclose()
    assert stream.usage == Counting.usage + Counting.usage


async def test_the_first_answer_is_closed_before_the_second_is_asked_for() -> None:
    first = Stream([TextChunk("no"), END])
    model = Model(first, Stream([TextChunk("{}"), END]))
    seen: list[int] = []
    open_turn = model.open_turn

    async def look(request: Any) -> Stream:
        seen.append(first.closed)
        return await open_turn(request)

    model.open_turn = look  # type: ignore[method-assign]  # of this one model
    await drain(await opened(model))
    assert seen == [1]


async def test_closing_while_it_is_asked_again_ends_the_read_and_asks_nobody() -> None:
    model = Model(Stream([TextChunk("no"), END]), Stream([TextChunk("{}"), END]))
    model.opening = asyncio.Event()
    stream = await opened(model)
    reading = asyncio.create_task(drain(stream))
    await model.began.wait()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await stream.aclose()
        with pytest.raises(WorkerDied):
            await reading
    assert model.streams[1].closed == 0, "it was never opened"


@pytest.mark.parametrize("close", [True, False])
async def test_an_answer_that_was_opened_at_the_last_moment_is_closed(close: bool) -> None:
    model = Model(Stream([TextChunk("no"), END]), Stream([TextChunk("{}"), END]))
    model.opening = asyncio.Event()
    stream = await opened(model)
    reading = asyncio.create_task(drain(stream))
    await model.began.wait()
    model.opening.set()
    await asyncio.sleep(0)  # it is open now, and the reader does not know
    if not close:
        reading.cancel()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await stream.aclose()
        await asyncio.wait([reading])
    assert reading.cancelled() or isinstance(reading.exception(), WorkerDied)
    assert model.streams[1].closed >= 1


async def test_a_reader_that_is_cancelled_is_cancelled() -> None:
    model = Model(Stream([TextChunk("no")], waits=True))
    stream = await opened(model)
    reading = asyncio.create_task(drain(stream))
    for _ in range(3):
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    await stream.aclose()
    assert model.streams[0].closed == 1


@pytest.mark.parametrize("answers", [1, 2])
async def test_an_answer_without_an_end_is_an_error(answers: int) -> None:
    wrong: list[Chunk] = [TextChunk("no"), END]
    streams = [Stream(wrong) for _ in range(answers - 1)] + [Stream([TextChunk("{}")])]
    stream = await opened(Model(*streams))
    with pytest.raises(ProviderStreamCut) as caught:
        await drain(stream)
    assert not caught.value.retryable


async def test_a_command_that_demands_nothing_is_passed_through() -> None:
    model = Model(Stream([END]))
    assert demands_of(ChatCommand("m", ())) is None
    request = turn_request("hello")
    assert await open_answer(model, request, None) == (request, model.streams[0])  # type: ignore[arg-type]  # as above
