"""One turn from its first chunk to its last consequence.

Guarantees: the session holds the turn before the caller learns that it is complete, and holds
nothing of a turn that did not complete; a session is never left busy; `aclose` runs once, is
bounded and is not undone by a cancellation; what is told about a turn afterwards is told once, with
what it has used, whether or not it came to an answer.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

import structlog

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, Usage
from llm_mcp_hub.domain.completion import Completion, Fold
from llm_mcp_hub.domain.journal import JournalEnd
from llm_mcp_hub.domain.session import SessionAppend
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.errors import HubError, InternalError, ProviderStreamCut
from llm_mcp_hub.providers.base import ChunkStream
from llm_mcp_hub.services.follow import cancelled, recorded
from llm_mcp_hub.services.limits import Admission
from llm_mcp_hub.services.live import LiveTurn
from llm_mcp_hub.services.running import interrupted
from llm_mcp_hub.services.session_hold import SessionHold, session_change, store_turn
from llm_mcp_hub.services.spent import spent_by
from llm_mcp_hub.services.turn_context import TurnContext
from llm_mcp_hub.state.base import SessionKey
from llm_mcp_hub.within import limited

CLOSE_SECONDS = 10.0
"""How long a provider may take to end a stream, and the state store to take a lease back."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Turn:
    """A running turn: iterate over its batches of chunks, then `aclose` it.

    Attributes:
        request: What the provider was asked.
        model_id: `provider/name`.
        created_at: Unix seconds.
        completion: The whole answer, once the stream has finished.
        admission: How it was let in; None if its principal has no limits.
    """

    def __init__(
        self,
        context: TurnContext,
        request: TurnRequest,
        provider: str,
        stream: ChunkStream,
        hold: SessionHold | None,
        started: float,
        spent: Usage,  # before the stream began
        live: LiveTurn | None = None,
        admission: Admission | None = None,
    ) -> None:
        self.admission = admission
        self.request = request
        self.model_id = f"{provider}/{request.model}"
        # As in the journal: whoever follows is to get the very same answer.
        self.created_at = time.time() if live is None else live.head.created_at
        self.completion: Completion | None = None
        self._context = context
        self._provider = provider
        self._stream = stream
        self._hold = hold
        self._live = live
        self._unrecorded: Sequence[Chunk] = ()
        self._count = 0
        self._holds_lease = hold is not None and hold.leased
        self._started = started
        self._spent = spent
        self._first_chunk: float | None = None
        self._fold = Fold()
        self._outcome = Outcome.CANCELLED
        self._error_code: str | None = None
        self._storing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._told = self._over = False
        self._stopped: HubError | None = None
        context.running.add(self, provider)

    @property
    def turn_id(self) -> str:
        """The turn's id."""
        return self.request.turn_id

    @property
    def on(self) -> SessionKey | None:
        """The session it is a turn of."""
        return (self.request.principal, self._hold.session_id) if self._hold is not None else None

    @property
    def followable(self) -> bool:
        """Whether others can follow it, since it is recorded."""
        return self._live is not None

    @property
    def chunk_count(self) -> int:
        """How many chunks have come."""
        return self._count

    @property
    def session_id(self) -> str | None:
        """The session it belongs to, None if nothing is remembered."""
        return self._hold.session_id if self._hold is not None else None

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        self._batches = aiter(self._stream)
        return self  # no generator, for the reason that `providers.turn` gives

    async def __anext__(self) -> Sequence[Chunk]:
        if self._over:
            raise StopAsyncIteration
        try:
            chunks = await anext(self._batches, None)
            # A provider that goes on after its end has nothing more to say.
            if chunks is not None and not self._fold.finished:
                await self._take(chunks)
                return chunks
            if not self._fold.finished:
                raise ProviderStreamCut("The provider's answer ended without being complete.")
        except HubError as error:
            self._over = True
            if self._outcome is not Outcome.DONE:
                self._fail(self._stopped or error)
                if self._stopped is not None:
                    raise self._stopped from error
                raise
            log.warning("turn.failed_after_end", turn_id=self.turn_id, code=error.code)
        except Exception as error:
            self._over = True
            log.exception("turn.crashed", turn_id=self.turn_id)
            if self._outcome is not Outcome.DONE:
                wrong = InternalError("The hub failed while it answered; the log has the details.")
                self._fail(wrong)
                raise wrong from error
        self._over = True
        raise StopAsyncIteration

    async def _take(self, chunks: Sequence[Chunk]) -> None:
        if self._first_chunk is None:
            self._first_chunk = time.perf_counter()
        self._fold.add(chunks)
        self._unrecorded = chunks
        self._count += len(chunks)
        completion = self._fold.completion
        if completion is not None:
            await self._complete(completion)
        if self._live is not None:
            await self._record_chunks(self._live, chunks, completion)

    async def collect(self) -> Completion:
        """The whole answer: the fold of the stream."""
        async for _ in self:
            pass
        if self.completion is None:
            raise InternalError("The hub lost the answer.")  # the iteration would have failed
        return self.completion

    async def until_abandoned(self) -> None:
        """Return when the turn need not go on, after the connection of its caller has broken."""
        if self._live is not None:
            await self._context.journals.abandoned(self._live)

    async def stop(self, error: HubError | None = None) -> None:
        """Have the iteration fail, by default with `Draining`, unless it is complete; bounded."""
        if self.completion is None and self._stopped is None:
            self._stopped = error or interrupted()
            await self._close_stream()

    async def aclose(self) -> None:
        """End the turn, whatever state it is in."""
        recorded = self._live is None or self._live.end is not None
        done = self._outcome is Outcome.DONE and not self._holds_lease and recorded
        if self._closing is None and done:
            # The usual end: a finished stream lets its worker go at once; a task would cost more.
            try:
                await self._close_stream()
            except asyncio.CancelledError:
                self._closing = asyncio.get_running_loop().create_task(self._close())
                raise
            self._tell()
            return
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close_stream(self) -> None:
        try:
            await limited(self._stream.aclose(), CLOSE_SECONDS)
        except Exception:
            log.exception("turn.stream_close_failed", turn_id=self.turn_id)

    async def _close(self) -> None:
        await self._close_stream()
        if self._storing is not None and not self._storing.done():
            await asyncio.wait([self._storing])
        if self._holds_lease and self._hold is not None:
            self._drop_lease()
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._context.store.release(
                        self.request.principal, self._hold.session_id, self.turn_id
                    )
            except Exception:  # the lease passes by itself soon
                log.exception("session.not_released", turn_id=self.turn_id)
        if self.admission is not None:
            await self.admission.leave(self._usage)
        if self._live is not None and not self._live.complete:
            # Last: who waits for the end finds the session free.
            await self._end_journal(self._live)
        self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._context.running.remove(self)
            self._context.finished(self._record())

    async def _record_chunks(
        self, live: LiveTurn, chunks: Sequence[Chunk], completion: Completion | None
    ) -> None:
        live.add(chunks)
        if completion is not None:
            live.finish(JournalEnd())
            if live.head.key is not None or live.head.note:
                # Whoever has the answer must find it again under the key, or by its id.
                await self._context.journals.settle(live)
                return
        self._context.journals.touch(live)

    async def _end_journal(self, live: LiveTurn) -> None:
        if live.end is None and self._outcome is Outcome.DONE:
            live.add(self._unrecorded)  # stored when the caller had left already
            live.finish(JournalEnd())
        live.finish(JournalEnd(recorded(cancelled())))
        await self._context.journals.conclude(live)

    async def _complete(self, completion: Completion) -> None:
        self.completion = completion
        if self._hold is not None:
            change = session_change(self._hold, self.request, self.model_id, completion)
            try:
                await self._store(self._hold, change, tried=False)
            except asyncio.CancelledError:
                # What has been generated is stored, even if the caller leaves at this moment.
                again = self._store(self._hold, change, tried=True)
                self._storing = asyncio.get_running_loop().create_task(again)
                raise
        self._outcome = Outcome.DONE
        if self.admission is not None:
            # Whoever has the answer may send the next request.
            await self.admission.leave(self._usage)

    async def _store(self, hold: SessionHold, change: SessionAppend, *, tried: bool) -> None:
        context = self._context
        await store_turn(
            context.store, self.request, hold, change, context.session_ttl, tried=tried
        )
        self._drop_lease()
        self._outcome = Outcome.DONE

    def _drop_lease(self) -> None:
        self._holds_lease = False
        self._context.leases.drop(self.turn_id)

    def _fail(self, error: HubError) -> None:
        self._outcome = Outcome.FAILED
        self._error_code = error.code
        if self._live is not None:
            self._live.finish(JournalEnd(recorded(error)))
        if error.detail:
            log.warning("turn.failed", turn_id=self.turn_id, code=error.code, detail=error.detail)

    @property
    def _usage(self) -> Usage:
        """All of it, whether its caller gets an answer or not."""
        answer = self.completion
        return self._spent + (spent_by(self._stream) if answer is None else answer.usage)

    def _record(self) -> TurnRecord:
        first = self._first_chunk
        return TurnRecord(
            turn_id=self.turn_id,
            principal=self.request.principal,
            session_id=self.session_id,
            provider=self._provider,
            model=self.request.model,
            outcome=self._outcome,
            error_code=self._error_code,
            usage=self._usage,
            seconds=time.perf_counter() - self._started,
            first_chunk_seconds=None if first is None else first - self._started,
        )
