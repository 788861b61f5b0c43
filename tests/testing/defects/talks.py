"""Providers that break a promise about conversations; `breaks` has words of its text."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

import msgspec
from tests.testing.defects.good import (
    Good,
    HasSlots,
)

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, Usage
from llm_mcp_hub.domain.status import (
    WorkerFigures,
)


class Forgets(Good):
    breaks = "a conversation goes on"

    def words(self, request: TurnRequest, told: Sequence[str]) -> list[str]:
        return super().words(request, told[-1:])


class RebuildsWithoutTheModelsWords(Good):
    breaks = "a conversation is rebuilt"

    def history(self, request: TurnRequest) -> list[str]:
        before = request.messages[: request.prior]
        return [message.text for message in before if message.role == "user"]


class HearsTheLastMessage(Good):
    breaks = "several messages in a row"

    def heard(self, request: TurnRequest) -> list[str]:
        return super().heard(request)[-1:]


class KnowsConversationsByTheirLength(Good):
    breaks = "a history that is not what was said"

    def key(self, request: TurnRequest, digest: str) -> object:
        length = request.prior if digest == request.prior_digest else len(request.messages) + 1
        return request.principal, request.system, length


class KnowsConversationsByTheirFirstMessage(Good):
    breaks = "one history can go on in several ways"

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        told = self.live.setdefault(request.messages[0], [])
        told += self.heard(request)
        for word in self.words(request, told):
            yield word


class ServesAllPrincipalsWithOneWorker(Good):
    breaks = "a worker serves one principal"

    def pid_of(self, principal: str) -> int:
        return 1


class ShowsNoWorkers(Good):
    breaks = "a worker serves one principal"

    def workers(self) -> Sequence[WorkerFigures]:
        return ()


class HasOneBufferForAll(Good):
    breaks = "conversations at the same time never meet"

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        self.buffer = self.heard(request)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield " ".join(self.buffer)


class ServesOneAfterAnother(HasSlots):
    breaks = "as many turns run"
    slots = 1


class IgnoresTheSystemPrompt(Good):
    breaks = "a system prompt is heard"

    def words(self, request: TurnRequest, told: Sequence[str]) -> list[str]:
        return super().words(msgspec.structs.replace(request, system=""), told)


class KeepsTheFirstSystemPrompt(Good):
    breaks = "a system prompt is heard"
    kept = ""

    def words(self, request: TurnRequest, told: Sequence[str]) -> list[str]:
        self.kept = self.kept or request.system
        return super().words(msgspec.structs.replace(request, system=self.kept), told)


class RemembersWhatWasGivenUp(Good):
    breaks = "a turn that was given up is not"

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        key = self.key(request, request.prior_digest)
        told = self.live.get(key)
        try:
            async for piece in super().answer(request):
                yield piece
        finally:
            if told is not None:
                self.live[key] = told  # the list to which this turn has been added


class CountsAllTurns(Good):
    breaks = "a turn counts its own tokens"
    total = Usage()

    def usage(self, request: TurnRequest, said: int) -> Usage:
        self.total += super().usage(request, said)
        return self.total
