"""Providers that break a promise about ends; `breaks` has words of its text."""

import asyncio
import os
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
from tests.testing.defects.good import (
    AltersBatches,
    ClosesOtherwise,
    Good,
    HasSlots,
    Wrapped,
)

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, Usage
from llm_mcp_hub.domain.status import (
    ProviderStatus,
)
from llm_mcp_hub.providers.base import ChunkStream


class CanBeClosedOnce(Good):
    breaks = "a stream can be closed before"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return ClosedOnce(await super().open_turn(request))


class ClosedOnce(Wrapped):
    closed = False

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("closed")
        self.closed = True
        await self.stream.aclose()


class WaitsForTheEndWhenClosed(ClosesOtherwise):
    breaks = "a stream that is closed in the middle"

    async def closing(self, stream: ChunkStream) -> None:
        async for _ in stream:
            pass
        await stream.aclose()


class FinishesWhatWasClosed(AltersBatches):
    breaks = "a stream that is closed in the middle"

    async def altered(self, batches: Any) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in batches:
            yield batch
        yield [FinishChunk(FinishReason.STOP, Usage())]


class LeavesItsReaderWaiting(ClosesOtherwise):
    breaks = "closing a stream ends the read"

    async def closing(self, stream: ChunkStream) -> None:
        return


class GeneratesForNobody(Good):
    breaks = "once a stream is closed its back end"

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        if "wait" in request.messages[-1].text:
            Good.generating += 1  # and never less again
        return await super().open_turn(request)


class LosesASlotToEachTurnGivenUp(HasSlots):
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


class SwallowsCancellation(AltersBatches):
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
        turn = await super().open_turn(request)
        running: Any = turn
        running._running.discard(turn)
        self._turns.add(Silent(running))
        return turn


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
