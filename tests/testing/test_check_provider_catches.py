"""The suite can fail: for each of these defects the promise that it breaks is named.

Over 300 lines because each promise has the defects that break it, and they are read side by side.
"""

import asyncio
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message, TextPart, TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import (
    CredentialState,
    CredentialStatus,
    ProviderState,
    ProviderStatus,
    WorkerFigures,
    WorkerState,
)
from llm_mcp_hub.errors import ProviderOverloaded, UnknownModel
from llm_mcp_hub.providers.base import ChunkStream, ProviderContext
from llm_mcp_hub.providers.plain import PlainProvider
from llm_mcp_hub.testing import (
    Abilities,
    BrokenPromiseError,
    check_provider,
    provider_endings,
    provider_promises,
    provider_surface,
    provider_trial,
)
from llm_mcp_hub.testing.provider_suite import PROVIDER_PROMISES

pytestmark = pytest.mark.anyio

SECRET = "tok-5d1c7e"


class Good(PlainProvider):
    """A back end and its provider in one: tells all that it was told, a word at a time.

    It keeps live conversations by what they hold, as a provider with workers does.
    """

    breaks: ClassVar[str] = ""
    model_names = ("all", "other")
    asked = 0
    generating = 0

    def __init__(self, context: ProviderContext) -> None:
        super().__init__(context)
        self.live: dict[object, list[str]] = {}
        self.verified_at: float | None = None

    def key(self, request: TurnRequest, digest: str) -> object:
        return request.principal, request.system, digest

    def history(self, request: TurnRequest) -> list[str]:
        return [message.text for message in request.messages[: request.prior]]

    def heard(self, request: TurnRequest) -> list[str]:
        return [message.text for message in request.messages[request.prior :]]

    def words(self, request: TurnRequest, told: Sequence[str]) -> list[str]:
        return re.findall(r"\s*\S+|\s+", "\n".join([request.system, *told]))

    def usage(self, request: TurnRequest, said: int) -> Usage:
        return Usage(9, 0, said)

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        Good.asked += 1
        Good.generating += 1
        try:
            if "fail" in request.messages[-1].text:
                raise ProviderOverloaded("It is too much. Try again later.")
            told = self.live.pop(self.key(request, request.prior_digest), None)
            told = self.history(request) if told is None else told
            told += self.heard(request)
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
    secrets=(SECRET,),
    generating=lambda: Good.generating,
    asked=lambda: Good.asked,
)


class RaisesBeforeTheStart(Good):
    breaks = "models never raises"
    ready = False

    async def start(self) -> None:
        self.ready = True

    async def models(self) -> Sequence[ModelCard]:
        if not self.ready:
            raise RuntimeError("not yet")
        return await super().models()


class ListsTwice(Good):
    breaks = "models never raises"
    model_names = ("all", "all")


class ListsNoModel(Good):
    breaks = "models never raises"
    model_names = ()


class ListsFirstWhatItDoesNotServe(Good):
    breaks = "the first model"

    async def models(self) -> Sequence[ModelCard]:
        return [ModelCard("ghost"), *await super().models()]


class RaisesAtTheStart(Good):
    breaks = "start returns"

    async def start(self) -> None:
        raise RuntimeError("no program")


class GetsReadyInTheForeground(Good):
    breaks = "start returns"

    async def start(self) -> None:
        await asyncio.sleep(0.3)


class AsksAProgramForItsStatus(Good):
    breaks = "do nothing but read"

    def status(self) -> ProviderStatus:
        subprocess.run(["true"], check=True)
        return super().status()


class WritesDownWhenItWasAsked(Good):
    breaks = "do nothing but read"

    def credential_status(self) -> CredentialStatus | None:
        (self.context.data_dir / "asked").write_text("now")
        return super().credential_status()


class ReadsMuchForItsWorkers(Good):
    breaks = "do nothing but read"

    def workers(self) -> Sequence[WorkerFigures]:
        file = self.context.data_dir / "log"
        if not file.exists():
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY))
            os.truncate(file, 1 << 20)
        file.read_bytes()
        return ()


class AsksAServerForItsStatus(Good):
    breaks = "do nothing but read"

    def status(self) -> ProviderStatus:
        with socket.socket() as client:
            client.connect_ex(("127.0.0.1", 9))
        return super().status()


class IsUnavailableWithoutAReason(Good):
    breaks = "a provider that is unavailable"

    def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.UNAVAILABLE)


class StartsForEver(Good):
    breaks = "a provider that is unavailable"

    def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.STARTING)


class HasNoRemedy(Good):
    breaks = "a credential status"

    def credential_status(self) -> CredentialStatus | None:
        return CredentialStatus(CredentialState.MISSING, message="It is not there.")


class CountsInMilliseconds(Good):
    breaks = "a credential status"

    def credential_status(self) -> CredentialStatus | None:
        until = time.time() * 1000
        return CredentialStatus(CredentialState.READY, expires_at=until, verified_at=1.0)


class NeverVerifiesItsLogin(Good):
    breaks = "a credential status"

    def credential_status(self) -> CredentialStatus | None:
        return CredentialStatus(CredentialState.READY)


class ShowsItsToken(Good):
    breaks = "shows a secret"

    def credential_status(self) -> CredentialStatus | None:
        status = super().credential_status()
        assert status is not None
        return msgspec.structs.replace(status, message=f"Logged in with {SECRET}.")


class ShowsItsTokenInAnError(Good):
    breaks = "shows a secret"

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        if "fail" in request.messages[-1].text:
            raise ProviderOverloaded(f"Refused: Bearer {SECRET}")
        async for piece in super().answer(request):
            yield piece


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


class _Batches(Good):
    """Alters the batches of its streams."""

    def altered(self, batches: AsyncIterator[Sequence[Chunk]]) -> AsyncIterator[Sequence[Chunk]]:
        raise NotImplementedError

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return Altered(await super().open_turn(request), self.altered)


class Altered:
    def __init__(self, stream: ChunkStream, altered: Any) -> None:
        self.stream, self.altered = stream, altered

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        return self.altered(aiter(self.stream))  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        await self.stream.aclose()


class HasAnEmptyBatch(_Batches):
    breaks = "a stream is batches"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        yield []
        async for batch in batches:
            yield batch


class FinishesTwice(_Batches):
    breaks = "a stream is batches"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            yield batch
        yield batch


class NeverFinishes(_Batches):
    breaks = "a stream is batches"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            yield [TextChunk(".") if isinstance(chunk, FinishChunk) else chunk for chunk in batch]


class SpeaksAfterItsFinish(_Batches):
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


class Dropping:
    """Reads ahead, and keeps the last five batches."""

    def __init__(self, stream: ChunkStream) -> None:
        self.stream = stream

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

    async def aclose(self) -> None:
        await self.stream.aclose()


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


class FailsWithoutTellingTheHub(_Batches):
    breaks = "a turn that fails"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        try:
            async for batch in batches:
                yield batch
        except ProviderOverloaded as error:
            raise KeyError("usage") from error


class AnswersItsFailures(_Batches):
    breaks = "a turn that fails"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        try:
            async for batch in batches:
                yield batch
        except ProviderOverloaded as error:
            yield [TextChunk(error.message), FinishChunk(FinishReason.STOP, Usage())]


class _Slots(Good):
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


class LosesASlotToEachFailure(_Slots):
    breaks = "a turn that fails"

    def gives_back(self, finished: bool, failed: bool) -> bool:
        return not failed


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


class ServesTwoPrincipalsWithOneWorker(Good):
    breaks = "one history can go on in several ways"

    def workers(self) -> Sequence[WorkerFigures]:
        one = WorkerFigures(os.getpid(), WorkerState.CLAIMED, 1.0, 1.0, 1, None, None, "ann")
        return one, msgspec.structs.replace(one, principal="bob")


class HasOneBufferForAll(Good):
    breaks = "conversations at the same time never meet"

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        self.buffer = self.heard(request)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        yield " ".join(self.buffer)


class ServesOneAfterAnother(_Slots):
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


class CanBeClosedOnce(Good):
    breaks = "a stream can be closed before"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return ClosedOnce(await super().open_turn(request))


class ClosedOnce(Dropping):
    closed = False

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        return aiter(self.stream)

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("closed")
        self.closed = True
        await self.stream.aclose()


class _Deaf(Good):
    """Its streams are closed by a method of this class."""

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return DeafStream(await super().open_turn(request), self.closing)

    async def closing(self, stream: ChunkStream) -> None:
        raise NotImplementedError


class DeafStream(Dropping):
    def __init__(self, stream: ChunkStream, closing: Any) -> None:
        super().__init__(stream)
        self.closing = closing

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        return aiter(self.stream)

    async def aclose(self) -> None:
        await self.closing(self.stream)


class WaitsForTheEndWhenClosed(_Deaf):
    breaks = "a stream that is closed in the middle"

    async def closing(self, stream: ChunkStream) -> None:
        async for _ in stream:
            pass
        await stream.aclose()


class FinishesWhatWasClosed(_Batches):
    breaks = "a stream that is closed in the middle"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            yield batch
        yield [FinishChunk(FinishReason.STOP, Usage())]


class LeavesItsReaderWaiting(_Deaf):
    breaks = "closing a stream ends the read"

    async def closing(self, stream: ChunkStream) -> None:
        return


class GeneratesForNobody(Good):
    breaks = "once a stream is closed its back end"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        if "wait" in request.messages[-1].text:
            Good.generating += 1  # and never less again
        return await super().open_turn(request)


class LosesASlotToEachTurnGivenUp(_Slots):
    breaks = "turns that are given up make room"

    def gives_back(self, finished: bool, failed: bool) -> bool:
        return finished or failed


class KeepsWorkersClaimed(Good):
    breaks = "turns that are given up make room"
    claimed = 0

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        self.claimed += 1
        return await super().open_turn(request)

    def status(self) -> ProviderStatus:
        status = super().status()
        pool = msgspec.structs.replace(status.pool, claimed=self.claimed)
        return msgspec.structs.replace(status, pool=pool)


class SwallowsCancellation(_Batches):
    breaks = "a reader that is cancelled"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        try:
            async for batch in batches:
                yield batch
        except asyncio.CancelledError:
            return


class EndsItsTurnsWithoutAWord(Good):
    breaks = "aclose ends the turns that run"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        turn: Any = await super().open_turn(request)
        turn._running.discard(turn)
        self._turns.add(Silent(turn))
        return turn  # type: ignore[no-any-return]


class Silent:
    def __init__(self, turn: Any) -> None:
        self.turn, self.stopped = turn, False

    async def aclose(self) -> None:
        await self.turn.aclose()


class LetsItsTurnsRun(Good):
    breaks = "aclose ends the turns that run"

    async def aclose(self) -> None:
        self._closed = True


class ServesWhenClosed(Good):
    breaks = "after aclose a turn is refused"

    async def aclose(self) -> None:
        await super().aclose()
        self._closed = False


class CanBeStartedAgain(Good):
    breaks = "after aclose a turn is refused"

    async def start(self) -> None:
        self._closed = False


class BreaksWhenClosedTwice(Good):
    breaks = "after aclose a turn is refused"

    async def aclose(self) -> None:
        if self._closed:
            raise RuntimeError("closed")
        await super().aclose()


class RefusesWithItsOwnError(Good):
    breaks = "after aclose a turn is refused"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        if self._closed:
            raise RuntimeError("closed")
        return await super().open_turn(request)


class LeavesATask(Good):
    breaks = "aclose leaves no"

    async def start(self) -> None:
        self.task = asyncio.create_task(asyncio.sleep(3600), name="left behind")


class LeavesAFile(Good):
    breaks = "aclose leaves no"

    async def start(self) -> None:
        os.close(tempfile.mkstemp()[0])


class LeavesADescriptor(Good):
    breaks = "aclose leaves no"
    open: ClassVar[list[int]] = []

    async def start(self) -> None:
        LeavesADescriptor.open.append(os.open(Path(os.devnull), os.O_RDONLY))


class LeavesAThread(Good):
    breaks = "aclose leaves no"
    ends: ClassVar[list[threading.Event]] = []

    async def start(self) -> None:
        end = threading.Event()
        LeavesAThread.ends.append(end)
        threading.Thread(target=end.wait, args=(60,), daemon=True).start()


class LeavesAProcess(Good):
    breaks = "aclose leaves no"
    left: ClassVar[list[subprocess.Popen[bytes]]] = []

    async def start(self) -> None:
        LeavesAProcess.left.append(subprocess.Popen(["sleep", "60"]))  # noqa: ASYNC220


def _defects(base: type[Good]) -> list[type[Good]]:
    every = [*base.__subclasses__(), *(d for kind in base.__subclasses__() for d in _defects(kind))]
    return [kind for kind in every if not kind.__name__.startswith("_")]


DEFECTS = _defects(Good)


@pytest.fixture
def context(tmp_path: Path) -> ProviderContext:
    return ProviderContext("good", None, tmp_path, {})


@pytest.fixture(autouse=True)
async def short_times(
    monkeypatch: pytest.MonkeyPatch, anyio_backend: object
) -> AsyncIterator[None]:
    """What hangs is to be noticed soon, and what is left behind to be cleared away."""
    monkeypatch.setattr(provider_trial, "CLOSE_SECONDS", 0.5)
    monkeypatch.setattr(provider_endings, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(provider_surface, "START_SECONDS", 0.25)
    Good.generating = 0
    yield
    for process in LeavesAProcess.left:
        process.kill()
        process.wait()
    for descriptor in LeavesADescriptor.open:
        os.close(descriptor)
    for end in LeavesAThread.ends:
        end.set()
    LeavesAProcess.left.clear()
    LeavesADescriptor.open.clear()
    LeavesAThread.ends.clear()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if task.get_name() == "left behind":
            task.cancel()


def number_of(words: str) -> int:
    (number,) = (n for n, each in enumerate(PROVIDER_PROMISES, 1) if words in each.text)
    return number


@pytest.mark.parametrize("kind", DEFECTS)
async def test_a_provider_with_a_defect_is_rejected(
    kind: type[Good], context: ProviderContext
) -> None:
    number = number_of(kind.breaks)
    with pytest.raises(BrokenPromiseError, match=f"promise {number} is broken"):
        await check_provider(lambda: kind(context), ABILITIES, number)


async def test_a_provider_without_a_defect_passes(context: ProviderContext) -> None:
    await check_provider(lambda: Good(context), ABILITIES)


@pytest.mark.parametrize("kind", [Forgets, CountsNothing, HasAnEmptyBatch])
async def test_the_whole_suite_names_a_promise_too(
    kind: type[Good], context: ProviderContext
) -> None:
    with pytest.raises(BrokenPromiseError, match=r"promise \d+ is broken: .+\n\w+: .+"):
        await check_provider(lambda: kind(context), ABILITIES)


def test_every_promise_can_be_broken() -> None:
    broken = {number_of(kind.breaks) for kind in DEFECTS}
    assert broken == set(range(1, len(PROVIDER_PROMISES) + 1))
    assert provider_promises(ABILITIES) == sorted(broken)


async def test_what_a_provider_can_t_show_is_not_asked_of_it(context: ProviderContext) -> None:
    class Forgetful(Forgets):
        breaks = ""

    able = msgspec.structs.replace(ABILITIES, remembers=False)
    await check_provider(lambda: Forgetful(context), able)
