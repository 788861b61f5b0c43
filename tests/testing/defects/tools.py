"""Providers that break a promise about tools; `breaks` has words of its text."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

import msgspec
from tests.testing.defects.good import (
    AltersBatches,
    Good,
    HasSlots,
    texts_of,
)

from llm_mcp_hub.domain.calls import results_in
from llm_mcp_hub.domain.chat import Message, ToolCallPart, TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, ToolArgumentsChunk
from llm_mcp_hub.domain.model import Capability
from llm_mcp_hub.domain.tool import Tool


class CallsByAVendorsName(Good):
    breaks = "a call names a tool as it was offered"

    def named(self, name: str, request: TurnRequest) -> str:
        return f"mcp__client__{name}"


class RepeatsItsIds(Good):
    breaks = "a call names a tool as it was offered"

    def new_id(self) -> str:
        return "call_1"


class SaysItCallsNothing(Good):
    breaks = "a call names a tool as it was offered"
    capabilities: frozenset[Capability] = frozenset()


class SaysArgumentsTwice(AltersBatches):
    breaks = "a call names a tool as it was offered"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            again = [chunk for chunk in batch if isinstance(chunk, ToolArgumentsChunk)]
            yield [*batch, *again]


class EndsACallAsAnAnswer(AltersBatches):
    breaks = "a call names a tool as it was offered"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            yield [
                FinishChunk(FinishReason.STOP, chunk.usage)
                if isinstance(chunk, FinishChunk)
                else chunk
                for chunk in batch
            ]


class AlwaysCallsAllAtOnce(Good):
    breaks = "calls of one answer"

    def calls(self, request: TurnRequest) -> list[ToolCallPart]:
        return super().calls(msgspec.structs.replace(request, parallel_tool_calls=True))


class MakesOneCallOnly(Good):
    breaks = "calls of one answer"

    def calls(self, request: TurnRequest) -> list[ToolCallPart]:
        return super().calls(request)[:1]


class HearsTheFirstResultOnly(Good):
    breaks = "a turn with the results of all calls"

    def heard(self, request: TurnRequest) -> list[str]:
        return super().heard(request)[:1]


class ForgetsResultsWithTheWorker(Good):
    breaks = "calls and their results are rebuilt"
    lives = False

    def heard(self, request: TurnRequest) -> list[str]:
        new = request.messages[request.prior :]
        return texts_of([message for message in new if self.lives or message.role == "user"])

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        self.lives = self.key(request, request.prior_digest) in self.live
        async for piece in super().answer(request):
            yield piece


class HearsNoErrors(Good):
    breaks = "a result that is an error"

    def heard(self, request: TurnRequest) -> list[str]:
        return texts_of([m for m in request.messages[request.prior :] if not _fails(m)])


def _fails(message: Message) -> bool:
    return any(result.is_error for result in results_in((message,)))


class HearsResultsOnlyWhileItWaits(Good):
    breaks = "a conversation that waits for results can go on"

    def heard(self, request: TurnRequest) -> list[str]:
        new = request.messages[request.prior :]
        results = [message for message in new if message.role == "tool"]
        return texts_of(results or new)


class HasOneListOfToolsForAll(Good):
    breaks = "tools of one conversation"
    tools: tuple[Tool, ...] = ()

    def named(self, name: str, request: TurnRequest) -> str:
        return self.tools[0].name

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        self.tools = request.tools
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        async for piece in super().answer(request):
            yield piece


class KeepsASlotForEachThatWaits(HasSlots):
    breaks = "conversations that wait for results leave room"
    waiting = False

    def calls(self, request: TurnRequest) -> list[ToolCallPart]:
        calls = super().calls(request)
        self.waiting = bool(calls)
        return calls

    def gives_back(self, finished: bool, failed: bool) -> bool:
        return not self.waiting


class LosesASlotToEachCallGivenUp(HasSlots):
    breaks = "a turn that is given up while it calls"

    def gives_back(self, finished: bool, failed: bool) -> bool:
        return finished or failed
