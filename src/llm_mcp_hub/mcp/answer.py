"""Waiting for a turn's answer, with the client told of its growth.

Guarantees: the messages of the progress notifications, joined, are the answer as far as it has
come, and all of it before the result; a call that is cancelled ends its turn; a turn that is left
running goes on to its end, and can be fetched.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from math import inf

from llm_mcp_hub.domain.chunk import Chunk, TextChunk
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.mcp.call import Call
from llm_mcp_hub.mcp.coalescer import Coalescer
from llm_mcp_hub.mcp.results import failure
from llm_mcp_hub.mcp.schemas import ChatResult
from llm_mcp_hub.services.background import BackgroundTurn
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.services.turn import Turn

PIECE_SECONDS = 0.05
"""Between two pieces of text: a notification costs as much as twenty words of an answer."""


class Answer:
    """The answer to one call, or to one of several in it.

    Args:
        call: The call.
        turn: The turn, which this closes, or leaves to be closed at its end.
        tells: Whether its text is told as progress.
    """

    def __init__(self, call: Call, turn: Turn | FollowedTurn, *, tells: bool) -> None:
        silence = call.hub.config.mcp.keep_alive_seconds
        now = asyncio.get_running_loop().time()
        self._call = call
        self._tells = tells
        self._pieces = Coalescer(PIECE_SECONDS, silence if tells else inf, now)
        self._texts: list[str] = []
        self._news = asyncio.Event()
        self._background: BackgroundTurn = call.hub.background.start(
            turn, self._came, self._news.set
        )

    async def wait(self, until: float) -> ChatResult:
        """Wait for the end of the answer, at most until then, in the event loop's time.

        Whatever ends the waiting early, but the time, ends the turn.
        """
        loop = asyncio.get_running_loop()
        leaving = None
        if self._call.gone is not None:
            leaving = loop.create_task(self._leave_after(self._call.gone))
        try:
            await self._wait(until)
        except BaseException:
            self._background.cancel()
            raise
        finally:
            if leaving is not None:
                leaving.cancel()
        return self._result()

    @property
    def error(self) -> HubError | None:
        """How the turn failed, None if it did not."""
        return self._background.error

    def cancel(self) -> None:
        """End the turn."""
        self._background.cancel()

    async def _wait(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._news.clear()
            now = loop.time()
            if self._background.ended:
                break
            if now >= until:
                break
            if self._tells and self._pieces.due <= now:
                await self._call.progress(self._pieces.take(now))
                continue
            wake = min(until, self._pieces.due if self._tells else inf)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(wake if wake < inf else None):
                    await self._news.wait()
        if self._tells and not self._pieces.empty:
            await self._call.progress(self._pieces.take(loop.time()))

    async def _leave_after(self, gone: asyncio.Event) -> None:
        await gone.wait()
        self._background.leave()

    def _came(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            if isinstance(chunk, TextChunk):
                self._texts.append(chunk.text)
                if self._tells and self._pieces.add(chunk.text):
                    self._news.set()

    def _result(self) -> ChatResult:
        turn, error = self._background.turn, self._background.error
        completion = turn.completion
        model, session_id, turn_id = turn.model_id, turn.session_id, turn.turn_id
        so_far = "".join(self._texts)
        if error is not None:
            return ChatResult("failed", so_far, model, session_id, turn_id, error=failure(error))
        if completion is None or not self._background.ended:
            return ChatResult("running", so_far, model, session_id, turn_id)
        return ChatResult(
            "done",
            completion.text,
            model,
            session_id,
            turn_id,
            reasoning=completion.reasoning,
            finish_reason=completion.finish_reason,
            usage=completion.usage,
        )
