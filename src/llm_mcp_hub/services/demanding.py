"""A turn whose answer is judged before its caller has it.

Guarantees: no text is passed on before it is known to be what was demanded, so none is taken back;
an answer that does not fit is followed by one more turn that says what is wrong, and that one
decides. The session gets the last answer alone, and the usage is that of both, also of a turn that
fails. See `providers.base`, promises 2 to 4, which are kept.

Reasoning is passed on as it comes, and so is everything once a call has begun: an answer with calls
fits.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec
import structlog

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message, TextPart, TurnRequest
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.completion import Completion, Fold
from llm_mcp_hub.errors import HubError, ProviderStreamCut, WorkerDied
from llm_mcp_hub.providers.base import ChunkStream, used_by
from llm_mcp_hub.services.attempts import Attempts
from llm_mcp_hub.services.demands import Demands, Unfit

PIECE = 64
"""Characters of a text that is passed on after it was judged."""
NOTHING = "(no answer)"
"""Stands for an answer without a text, which no vendor takes as history."""
UNJUDGED = (FinishReason.LENGTH, FinishReason.CONTENT_FILTER)
"""What was cut short, or refused, says so by itself."""

Again = Callable[[TurnRequest], Awaitable[ChunkStream]]

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


async def open_answer(
    attempts: Attempts, request: TurnRequest, demands: Demands | None
) -> tuple[TurnRequest, ChunkStream]:
    """Have somebody answer.

    Args:
        attempts: Whom to ask. Who has answered is also asked again.
        request: The turn, as the caller wants it.
        demands: What is demanded of the answer; None if any will do.

    Returns:
        What was asked, under the system prompt of the caller's, and the answer.
    """
    if demands is None:
        return await attempts.open(request)
    system = "\n\n".join(part for part in (request.system, demands.instruction) if part)
    asked, stream = await attempts.open(msgspec.structs.replace(request, system=system))

    def again(turn: TurnRequest) -> Awaitable[ChunkStream]:
        return attempts.target.provider.open_turn(turn)

    caller = msgspec.structs.replace(asked, system=request.system)
    return caller, _DemandingStream(stream, again, asked, demands)


class _DemandingStream:
    """See the module."""

    def __init__(
        self,
        stream: ChunkStream,
        again: Again,
        asked: TurnRequest,
        demands: Demands,
    ) -> None:
        self._stream = stream
        self._again = again
        self._asked = asked
        self._demands = demands
        self._unfit = Usage()
        self._judged = False
        self._opening: asyncio.Task[ChunkStream] | None = None
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        first = Fold()
        async for chunks in self._passed_on(first):
            yield chunks
        answer = _whole(first)
        ending = self._ending(answer)
        if not isinstance(ending, Unfit):
            yield ending
            return
        log.info("turn.answered_again", turn_id=self._asked.turn_id, reason=ending.told)
        try:
            await self._ask_again(answer, ending)
            second = Fold()
            async for chunks in self._passed_on(second):
                yield chunks
            ending = self._ending(_whole(second))
        except HubError as error:
            failure = error.again()
            failure.retryable = False  # the first answer has been paid for
            raise failure from error
        if isinstance(ending, Unfit):
            raise ending.error
        yield ending

    @property
    def usage(self) -> Usage:
        """Of both answers, of the one that is under way as far as it is known."""
        return self._unfit if self._judged else self._unfit + used_by(self._stream)

    async def aclose(self) -> None:
        """End whichever turn runs."""
        self._closed = True
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.cancel()
            await asyncio.wait([opening])
            if not opening.cancelled() and opening.exception() is None:
                await opening.result().aclose()
        await self._stream.aclose()

    async def _passed_on(self, fold: Fold) -> AsyncIterator[Sequence[Chunk]]:
        """The batches of one answer without what has to be judged; `fold` gets all of it."""
        held: list[Chunk] = []
        called = False
        async for batch in self._stream:
            fold.add(batch)
            passed: list[Chunk] = []
            for chunk in batch:
                if isinstance(chunk, FinishChunk):
                    break
                if isinstance(chunk, ToolCallChunk) and not called:
                    called = True
                    passed += held
                if called or isinstance(chunk, ReasoningChunk):
                    passed.append(chunk)
                else:
                    held.append(chunk)
            if passed:
                yield passed
            if fold.finished:
                return

    def _ending(self, answer: Completion) -> Sequence[Chunk] | Unfit:
        """What is left to pass on of an answer, or what is wrong with it."""
        end = FinishChunk(answer.finish_reason, self._unfit + answer.usage)
        if answer.tool_calls:
            return (end,)
        if answer.finish_reason in UNJUDGED:
            return (*_pieces(answer.text), end)
        text = self._demands.judge(answer)
        if isinstance(text, Unfit):
            # Counted as it was told at its end, which also streams do that count nothing before.
            self._unfit, self._judged = self._unfit + answer.usage, True
            return text
        return (*_pieces(text), end)

    async def _ask_again(self, answer: Completion, wrong: Unfit) -> None:
        await self._stream.aclose()
        if self._closed:
            raise _given_up()
        opening = self._opening = asyncio.ensure_future(
            self._again(_repair(self._asked, answer, wrong))
        )
        try:
            stream = await opening
        except asyncio.CancelledError:
            if self._closed and opening.cancelled():
                raise _given_up() from None
            raise
        if self._closed:
            raise _given_up()  # `aclose` has ended it
        self._stream, self._opening, self._judged = stream, None, False


def _repair(asked: TurnRequest, answer: Completion, wrong: Unfit) -> TurnRequest:
    """The turn that says what is wrong."""
    said = answer.message if answer.text else Message("assistant", (TextPart(NOTHING),))
    told = Message("user", (TextPart(wrong.told),))
    before = transcript.extend(asked.digest, said)
    return msgspec.structs.replace(
        asked,
        messages=(*asked.messages, said, told),
        prior=len(asked.messages) + 1,
        prior_digest=before,
        digest=transcript.extend(before, told),
    )


def _whole(fold: Fold) -> Completion:
    completion = fold.completion
    if completion is None:
        raise ProviderStreamCut("The provider's answer ended without being complete.")
    return completion


def _pieces(text: str) -> list[TextChunk]:
    return [TextChunk(text[at : at + PIECE]) for at in range(0, len(text), PIECE)]


def _given_up() -> WorkerDied:
    return WorkerDied("The turn was closed before its answer was complete.")
