"""A provider that keeps every promise, and ways to spoil one: what the defects are made of."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Any, ClassVar

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.calls import results_in
from llm_mcp_hub.domain.chat import Message, TextPart, ToolCallPart, TurnRequest
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.model import Capability
from llm_mcp_hub.domain.status import (
    CredentialState,
    CredentialStatus,
    WorkerFigures,
    WorkerState,
)
from llm_mcp_hub.errors import ProviderOverloaded
from llm_mcp_hub.providers.base import ChunkStream, ProviderContext
from llm_mcp_hub.providers.plain import PlainProvider
from llm_mcp_hub.testing import (
    Abilities,
)

SECRET = "tok-5d1c7e"


def texts_of(messages: Sequence[Message]) -> list[str]:
    """What the messages say, results included."""
    said = (
        "".join([message.text, *(result.text for result in results_in((message,)))])
        for message in messages
    )
    return [text for text in said if text]


Batches = AsyncIterator[Sequence[Chunk]]


class Good(PlainProvider):
    """A back end and its provider in one: tells all that it was told, a word at a time.

    It keeps live conversations by what they hold, as a provider with workers does.
    """

    breaks: ClassVar[str] = ""
    capabilities = frozenset({Capability.TOOLS})
    model_names = ("all", "other")
    asked = 0
    generating = 0

    def __init__(self, context: ProviderContext) -> None:
        super().__init__(context)
        self.live: dict[object, list[str]] = {}
        self.verified_at: float | None = None
        self.principals: list[str] = []

    def pid_of(self, principal: str) -> int:
        return 1 + self.principals.index(principal)

    def workers(self) -> Sequence[WorkerFigures]:
        return [
            WorkerFigures(self.pid_of(name), WorkerState.PARKED, 1.0, 1.0, 1, None, None, name)
            for name in self.principals[-1:]
        ]

    def key(self, request: TurnRequest, digest: str) -> object:
        return request.principal, request.system, digest

    def history(self, request: TurnRequest) -> list[str]:
        return texts_of(request.messages[: request.prior])

    def heard(self, request: TurnRequest) -> list[str]:
        return texts_of(request.messages[request.prior :])

    def calls(self, request: TurnRequest) -> list[ToolCallPart]:
        """`call NAME ARGUMENTS`, a line each, where such a tool is offered."""
        offered = [tool.name for tool in request.tools]
        asked = re.findall(r"^call (\S+) (.*)$", request.messages[-1].text, re.MULTILINE)
        calls = [
            ToolCallPart(self.new_id(), self.named(name, request), arguments)
            for name, arguments in asked
            if name in offered
        ]
        return calls if request.parallel_tool_calls else calls[:1]

    def new_id(self) -> str:
        return f"call_{secrets.token_hex(8)}"

    def named(self, name: str, request: TurnRequest) -> str:
        return name

    def words(self, request: TurnRequest, told: Sequence[str]) -> list[str]:
        return re.findall(r"\s*\S+|\s+", "\n".join([request.system, *told]))

    def usage(self, request: TurnRequest, said: int) -> Usage:
        return Usage(9, 0, said)

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        Good.asked += 1
        if request.principal not in self.principals:
            self.principals.append(request.principal)
        Good.generating += 1
        try:
            if "fail" in request.messages[-1].text:
                raise ProviderOverloaded("It is too much. Try again later.")
            told = self.live.pop(self.key(request, request.prior_digest), None)
            told = self.history(request) if told is None else told
            told += self.heard(request)
            calls = self.calls(request)
            for index, call in enumerate(calls):
                yield ToolCallChunk(index, call.id, call.name)
                await asyncio.sleep(0)
                for piece in (call.arguments[:3], call.arguments[3:]):
                    yield ToolArgumentsChunk(index, piece)
            if calls:
                digest = transcript.extend(request.digest, Message("assistant", tuple(calls)))
                self.live[self.key(request, digest)] = told
                yield FinishChunk(FinishReason.TOOL_CALLS, self.usage(request, len(calls)))
                return
            words = self.words(request, told)
            answer = ""
            for word in words[: request.options.max_tokens]:
                yield word
                answer += word
                await asyncio.sleep(0)
            if "wait" in request.messages[-1].text:
                await asyncio.Event().wait()
            self.verified_at = time.time()
            cut = answer != "".join(words)
            if not cut:
                digest = transcript.extend(
                    request.digest, Message("assistant", (TextPart(answer),))
                )
                self.live[self.key(request, digest)] = [*told, answer]
            reason = FinishReason.LENGTH if cut else FinishReason.STOP
            yield FinishChunk(reason, self.usage(request, len(answer.split())))
        finally:
            Good.generating -= 1

    def credential_status(self) -> CredentialStatus | None:
        return CredentialStatus(CredentialState.READY, "oauth_token", verified_at=self.verified_at)


ABILITIES = Abilities(
    echoes=True,
    remembers=True,
    system=True,
    usage=True,
    max_tokens=True,
    slow="wait",
    fails="fail",
    at_once=3,
    own_workers=True,
    calls="call {name} {arguments}",
    parallel=True,
    secrets=(SECRET,),
    generating=lambda: Good.generating,
    asked=lambda: Good.asked,
)


class AltersBatches(Good):
    """Alters the batches of its streams."""

    def altered(self, batches: Batches) -> Batches:
        raise NotImplementedError

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return Altered(await super().open_turn(request), self.altered)


class Wrapped:
    """A stream around another."""

    def __init__(self, stream: ChunkStream) -> None:
        self.stream = stream

    def __aiter__(self) -> Batches:
        return aiter(self.stream)

    async def aclose(self) -> None:
        await self.stream.aclose()


class Altered(Wrapped):
    """A stream whose batches are altered."""

    def __init__(self, stream: ChunkStream, altered: Callable[[Batches], Batches]) -> None:
        super().__init__(stream)
        self.altered = altered

    def __aiter__(self) -> Batches:
        return self.altered(aiter(self.stream))


class HasSlots(Good):
    """As many turns at a time as there are slots."""

    slots = 3

    def __init__(self, context: ProviderContext) -> None:
        super().__init__(context)
        self.free = asyncio.Semaphore(self.slots)

    def gives_back(self, finished: bool, failed: bool) -> bool:
        return True

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        await self.free.acquire()
        finished = failed = False
        try:
            async for piece in super().answer(request):
                finished = isinstance(piece, FinishChunk)
                yield piece
        except ProviderOverloaded:
            failed = True
            raise
        finally:
            if self.gives_back(finished, failed):
                self.free.release()


class ClosesOtherwise(Good):
    """Its streams are closed by a method of this class."""

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return ClosedOtherwise(await super().open_turn(request), self.closing)

    async def closing(self, stream: ChunkStream) -> None:
        raise NotImplementedError


class ClosedOtherwise(Wrapped):
    """A stream that is closed by a function."""

    def __init__(self, stream: ChunkStream, closing: Any) -> None:
        super().__init__(stream)
        self.closing = closing

    async def aclose(self) -> None:
        await self.closing(self.stream)
