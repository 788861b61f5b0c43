"""Providers that break a promise about one turn; `breaks` has words of its text."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import msgspec
from tests.testing.defects.good import (
    AltersBatches,
    Good,
    HasSlots,
    Wrapped,
)

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.errors import ProviderOverloaded, UnknownModel
from llm_mcp_hub.providers.base import ChunkStream


class ServesAnyModel(Good):
    breaks = "a model that is not offered"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return await super().open_turn(msgspec.structs.replace(request, model="all"))


class FindsOutByAsking(Good):
    breaks = "a model that is not offered"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        if request.model not in self.model_names:
            Good.asked += 1
        return await super().open_turn(request)


class RefusesWithoutAWord(Good):
    breaks = "a model that is not offered"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        if request.model not in self.model_names:
            raise UnknownModel("")
        return await super().open_turn(request)


class HasAnEmptyBatch(AltersBatches):
    breaks = "a stream is batches"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        yield []
        async for batch in batches:
            yield batch


class FinishesTwice(AltersBatches):
    breaks = "a stream is batches"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            yield batch
        yield batch


class NeverFinishes(AltersBatches):
    breaks = "a stream is batches"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            yield [TextChunk(".") if isinstance(chunk, FinishChunk) else chunk for chunk in batch]


class SpeaksAfterItsFinish(AltersBatches):
    breaks = "a stream is batches"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            yield batch
        yield [TextChunk("and another thing")]


class StartsAgainInTheMiddle(Good):
    breaks = "lost or repeated"

    def words(self, request: TurnRequest, told: Sequence[str]) -> list[str]:
        words = super().words(request, told)
        return words[: len(words) // 2] + words


class SpeaksAsciiAlone(Good):
    breaks = "any text goes in"

    def heard(self, request: TurnRequest) -> list[str]:
        return [text.encode("ascii", "ignore").decode() for text in super().heard(request)]


class CutsLongLines(Good):
    breaks = "any text goes in"

    def heard(self, request: TurnRequest) -> list[str]:
        return [text[:65536] for text in super().heard(request)]


class ObeysTheUser(Good):
    breaks = "any text goes in"

    def heard(self, request: TurnRequest) -> list[str]:
        return [re.sub(r"^/help", "Commands: …", text) for text in super().heard(request)]


class DropsWhatIsNotRead(Good):
    breaks = "however slowly"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return Dropping(await super().open_turn(request))


class Dropping(Wrapped):
    """Reads ahead, and keeps the last five batches."""

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        kept: list[Sequence[Chunk]] = []

        async def read() -> None:
            async for batch in self.stream:
                kept[:] = [*kept[-4:], batch]

        reading = asyncio.create_task(read())
        try:
            while not reading.done() or kept:
                if kept:
                    yield kept.pop(0)
                await asyncio.sleep(0)
            await reading
        finally:
            reading.cancel()


class CountsNothing(Good):
    breaks = "a turn counts its tokens"

    def usage(self, request: TurnRequest, said: int) -> Usage:
        return Usage()


class CountsMoreCachedThanThereAre(Good):
    breaks = "a turn counts its tokens"

    def usage(self, request: TurnRequest, said: int) -> Usage:
        return Usage(9, 10, said)


class HidesThatItWasCut(Good):
    breaks = "max_tokens cuts"

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        async for piece in super().answer(request):
            finish = isinstance(piece, FinishChunk)
            yield FinishChunk(FinishReason.STOP, Usage(1, 0, 1)) if finish else piece


class FailsWithoutTellingTheHub(AltersBatches):
    breaks = "a turn that fails"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        try:
            async for batch in batches:
                yield batch
        except ProviderOverloaded as error:
            raise KeyError("usage") from error


class AnswersItsFailures(AltersBatches):
    breaks = "a turn that fails"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        try:
            async for batch in batches:
                yield batch
        except ProviderOverloaded as error:
            yield [TextChunk(error.message), FinishChunk(FinishReason.STOP, Usage())]


class LosesASlotToEachFailure(HasSlots):
    breaks = "a turn that fails"

    def gives_back(self, finished: bool, failed: bool) -> bool:
        return not failed
