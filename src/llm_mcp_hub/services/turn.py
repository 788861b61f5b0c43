"""One turn from its first chunk to its last consequence.

Guarantees: the session holds the turn before the caller learns that it is complete, and holds
nothing of a turn that did not complete; a session is never left busy; `aclose` runs once, is
bounded and is not undone by a cancellation; what is told about a turn afterwards is told once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence

import structlog
from msgspec import Struct

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message, TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, Usage
from llm_mcp_hub.domain.completion import Completion, Fold
from llm_mcp_hub.domain.session import SessionAppend, StoredMessage
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.errors import (
    HubError,
    InternalError,
    ProviderStreamCut,
    SessionChanged,
    StateUnavailable,
)
from llm_mcp_hub.providers.base import ChunkStream
from llm_mcp_hub.services.leases import LeaseKeeper
from llm_mcp_hub.state.base import SessionStore
from llm_mcp_hub.within import within

CLOSE_SECONDS = 10.0
"""How long a provider may take to end a stream, and the state store to take a lease back."""
STORE_SECONDS = 5.0
"""How long storing a finished turn is tried while the state store is away."""
STORE_RETRY_SECONDS = 0.25

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SessionHold(Struct, frozen=True):
    """The session that a turn belongs to and what it starts from there.

    Attributes:
        leased: Whether the turn holds the session's lease; a session that begins with this turn
            under an id of the hub's own needs none.
        keep: How many of the stored messages stay.
        new: The messages this turn adds, before the answer.
        digests: Their digests.
        created_at: When the session that `revision` counts was begun; None for a new one.
    """

    session_id: str
    leased: bool
    revision: int
    keep: int
    new: tuple[Message, ...]
    digests: tuple[str, ...]
    created_at: float | None = None


class TurnContext(Struct, frozen=True):
    """What a turn needs of the hub."""

    store: SessionStore
    leases: LeaseKeeper
    session_ttl: float
    finished: Callable[[TurnRecord], None]


class Turn:
    """A running turn: iterate over its batches of chunks, then `aclose` it.

    Attributes:
        request: What the provider was asked.
        model_id: `provider/name`.
        created_at: Unix seconds.
        completion: The whole answer, once the stream has finished.
    """

    def __init__(
        self,
        context: TurnContext,
        request: TurnRequest,
        provider: str,
        stream: ChunkStream,
        hold: SessionHold | None,
        started: float,
    ) -> None:
        self.request = request
        self.model_id = f"{provider}/{request.model}"
        self.created_at = time.time()
        self.completion: Completion | None = None
        self._context = context
        self._provider = provider
        self._stream = stream
        self._hold = hold
        self._holds_lease = hold is not None and hold.leased
        self._started = started
        self._first_chunk: float | None = None
        self._fold = Fold()
        self._outcome = Outcome.CANCELLED
        self._error_code: str | None = None
        self._storing: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._told = False

    @property
    def turn_id(self) -> str:
        """The turn's id."""
        return self.request.turn_id

    @property
    def session_id(self) -> str | None:
        """The session it belongs to, None if nothing is remembered."""
        return self._hold.session_id if self._hold is not None else None

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        try:
            async for chunks in self._stream:
                if self._fold.finished:
                    break  # a provider that goes on after its end has nothing more to say
                if self._first_chunk is None:
                    self._first_chunk = time.perf_counter()
                self._fold.add(chunks)
                completion = self._fold.completion
                if completion is not None:
                    await self._complete(completion)
                yield chunks
            if not self._fold.finished:
                raise ProviderStreamCut("The provider's answer ended without being complete.")
        except HubError as error:
            if self._outcome is Outcome.DONE:
                log.warning("turn.failed_after_end", turn_id=self.turn_id, code=error.code)
                return
            self._fail(error)
            raise
        except Exception as error:
            log.exception("turn.crashed", turn_id=self.turn_id)
            if self._outcome is Outcome.DONE:
                return
            wrapped = InternalError("The hub failed while it answered; the log has the details.")
            self._fail(wrapped)
            raise wrapped from error

    async def collect(self) -> Completion:
        """The whole answer: the fold of the stream."""
        async for _ in self:
            pass
        if self.completion is None:
            raise InternalError("The hub lost the answer.")  # the iteration would have failed
        return self.completion

    async def aclose(self) -> None:
        """End the turn, whatever state it is in."""
        if self._closing is None and self._outcome is Outcome.DONE and not self._holds_lease:
            # The usual end: all that is left is to let the worker go, which a finished stream
            # does at once, so that a task of its own would be half of the cost.
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
            with within(CLOSE_SECONDS):
                await self._stream.aclose()
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
        self._tell()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            self._context.finished(self._record())

    async def _complete(self, completion: Completion) -> None:
        self.completion = completion
        if self._hold is not None:
            change = self._change(self._hold, completion)
            try:
                await self._store(self._hold, change, tried=False)
            except asyncio.CancelledError:
                # What has been generated is stored, even if the caller leaves at this moment.
                again = self._store(self._hold, change, tried=True)
                self._storing = asyncio.get_running_loop().create_task(again)
                raise
        self._outcome = Outcome.DONE

    async def _store(self, hold: SessionHold, change: SessionAppend, *, tried: bool) -> None:
        """Store the turn; `tried` says that an earlier attempt may have succeeded unseen."""
        deadline = time.monotonic() + STORE_SECONDS
        while True:
            try:
                await self._context.store.append(
                    self.request.principal,
                    hold.session_id,
                    self.turn_id,
                    change,
                    self._context.session_ttl,
                    change.messages[-1].created_at,
                )
            except StateUnavailable as error:
                tried = True
                if time.monotonic() >= deadline:
                    # Generated and paid for already: the same request would pay again.
                    raise StateUnavailable(error.message, retryable=False) from error
                await asyncio.sleep(STORE_RETRY_SECONDS)
            except SessionChanged:
                if not (tried and await self._is_stored(hold, change)):
                    raise
                break
            else:
                break
        self._drop_lease()
        self._outcome = Outcome.DONE

    async def _is_stored(self, hold: SessionHold, change: SessionAppend) -> bool:
        """Whether an attempt that seemed to fail was carried out after all."""
        session = await self._context.store.get(
            self.request.principal, hold.session_id, time.time()
        )
        return (
            session is not None
            and session.summary.revision == hold.revision + 1
            and session.summary.digest == change.messages[-1].digest
        )

    def _change(self, hold: SessionHold, completion: Completion) -> SessionAppend:
        now = time.time()
        answer = completion.message
        digest = transcript.extend(self.request.digest, answer)
        messages = [
            *(
                StoredMessage(message, digest, now)
                for message, digest in zip(hold.new, hold.digests, strict=True)
            ),
            StoredMessage(answer, digest, now),
        ]
        return SessionAppend(
            expected_revision=hold.revision,
            keep=hold.keep,
            messages=tuple(messages),
            model=self.model_id,
            system=self.request.system,
            usage=completion.usage,
            expected_created_at=hold.created_at,
        )

    def _drop_lease(self) -> None:
        self._holds_lease = False
        self._context.leases.drop(self.turn_id)

    def _fail(self, error: HubError) -> None:
        self._outcome = Outcome.FAILED
        self._error_code = error.code
        if error.detail:
            log.warning("turn.failed", turn_id=self.turn_id, code=error.code, detail=error.detail)

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
            usage=self.completion.usage if self.completion is not None else Usage(),
            seconds=time.perf_counter() - self._started,
            first_chunk_seconds=None if first is None else first - self._started,
        )
