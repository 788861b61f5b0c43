"""One turn in a conversation with a child process, as a stream of chunks.

Guarantees: see `providers.base`, promises 2 to 4. A worker that turns out to be dead or hung before
it has said anything for this turn, parked or blank, is replaced by a fresh one with the history
replayed, `REPLACEMENTS` times at most; the caller notices nothing but the time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable, Sequence
from typing import Generic, cast

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.calls import answered_alone
from llm_mcp_hub.domain.chat import Priority, TurnRequest
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.completion import Fold
from llm_mcp_hub.domain.tool import tools_digest
from llm_mcp_hub.errors import HubError, WorkerDied, WorkerError, WorkerHung
from llm_mcp_hub.providers.deadlines import Deadline, DeadlineWatch, TimeLimits
from llm_mcp_hub.providers.dialect import Event, Pong, QuotaSeen, TurnFailed, UsageSeen
from llm_mcp_hub.providers.member import T
from llm_mcp_hub.within import limited
from llm_mcp_hub.workers.pool import Lease, Pool

REPLACEMENTS = 2
"""Enough for all workers having been killed at once: the parked one and the spare it falls back to.
A tool that dies of the turn itself is not started for ever."""

_CHUNKS = frozenset({TextChunk, ReasoningChunk, ToolCallChunk, ToolArgumentsChunk, FinishChunk})
_ASIDE = (Pong, QuotaSeen)
_PARKED_AFTER = (FinishReason.STOP, FinishReason.TOOL_CALLS)
"""A worker whose answer was cut short does not hold the transcript that was stored."""


def parked_state(request: TurnRequest, digest: str, calls: frozenset[str]) -> Hashable:
    """What a worker of the same principal must match to continue a conversation exactly.

    Args:
        request: The turn that it is parked after, or claimed for.
        digest: Of the conversation that it holds.
        calls: The ids of the calls whose results it waits for, or is to be given.
    """
    # In the midst of an answer a tool takes no other options.
    options = request.options if calls else None
    return (request.system, request.model, digest, tools_digest(request.tools), calls, options)


class CliTurn(Generic[T]):
    """A `CountingStream`. Made by `CliTurn.open`.

    Args:
        on_event: Told of events that are not chunks.
        on_end: Told once how the stream ended, unless it was given up: with an error or None.
    """

    def __init__(
        self,
        pool: Pool[T],
        request: TurnRequest,
        limits: TimeLimits,
        on_event: Callable[[Event], None],
        on_end: Callable[[HubError | None], None],
    ) -> None:
        self._pool = pool
        self._request = request
        self._limits = limits
        self._on_event = on_event
        self._on_end = on_end
        self._lease: Lease[T] | None = None
        self._watch: DeadlineWatch | None = None
        self._total_due = asyncio.get_running_loop().time() + limits.deadlines.total
        self._fold = Fold()
        self._seen = Usage()
        self._silent = True
        self._replacements = REPLACEMENTS
        self._error: HubError | None = None
        self._failed = False
        self._closed = False

    @classmethod
    async def open(
        cls,
        pool: Pool[T],
        request: TurnRequest,
        limits: TimeLimits,
        on_event: Callable[[Event], None],
        on_end: Callable[[HubError | None], None],
    ) -> "CliTurn[T]":
        """Claim a worker and give it the turn."""
        turn = cls(pool, request, limits, on_event, on_end)
        state = None
        if request.prior:
            calls = answered_alone(request.messages[request.prior :])
            state = parked_state(request, request.prior_digest, calls)
        await turn._begin(state)
        return turn

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        # No generator: the event loop keeps account of each, which costs more than all of this.
        return self

    async def __anext__(self) -> Sequence[Chunk]:
        if self._failed:
            raise StopAsyncIteration
        try:
            if self._error is not None:
                raise self._error  # it came after chunks, which had to be passed on first
            while not self._fold.finished:
                chunks = await self._receive()
                if chunks:
                    self._fold.add(chunks)
                    # The reader may never ask for more than the last chunk.
                    if self._fold.finished and self._error is None:
                        self._on_end(None)
                    return chunks
                if self._error is not None:
                    raise self._error
        except HubError as error:
            self._failed = True
            if not self._closed:
                self._on_end(error)
            raise
        raise StopAsyncIteration

    @property
    def usage(self) -> Usage:
        """See `base.CountingStream`."""
        completion = self._fold.completion
        return self._seen if completion is None else completion.usage

    async def aclose(self) -> None:
        """Park the worker after a turn that finished; otherwise interrupt and discard it."""
        self._closed = True
        lease = self._drop()
        if lease is None:
            return
        completion = self._fold.completion
        whole = completion is not None and completion.finish_reason in _PARKED_AFTER
        if completion is not None and whole and self._error is None:
            digest = transcript.extend(self._request.digest, completion.message)
            calls = frozenset(call.id for call in completion.tool_calls)
            lease.park(parked_state(self._request, digest, calls))
            return
        try:
            lease.member.interrupt()
        finally:
            lease.discard()

    async def _begin(self, state: Hashable | None) -> None:
        request = self._request
        batch = request.priority is Priority.BATCH
        try:
            claim = self._pool.claim(request.principal, state, batch=batch)
            lease = await limited(claim, self._total_due - asyncio.get_running_loop().time())
        except TimeoutError:
            raise self._limits.late(Deadline.TOTAL) from None
        try:
            if self._closed:
                raise _given_up()
            lease.member.begin(request, continued=lease.continued)
        except BaseException:
            lease.discard()
            raise
        self._lease = lease
        self._watch = DeadlineWatch(self._limits, self._total_due, self)

    def _drop(self) -> Lease[T] | None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        lease, self._lease = self._lease, None
        return lease

    def late(self, name: Deadline) -> None:
        """See `deadlines.Watched`."""
        if self._lease is not None:
            self._lease.member.fail(self._limits.late(name))

    def ping(self) -> bool:
        """See `deadlines.Watched`."""
        return self._lease is not None and self._lease.member.ping()

    def unanswered(self) -> bool:
        """See `deadlines.Watched`. A loop that was held up may not have read the answer yet."""
        if self._lease is None or self._lease.member.unread:
            return False
        self._lease.member.hung(self._limits.supervision.answer_seconds)
        return True

    async def _receive(self) -> list[Chunk]:
        lease, watch = self._lease, self._watch
        if lease is None or watch is None:
            raise _given_up()
        watch.waiting()
        try:
            events = await lease.member.receive()
        except HubError as error:
            if self._closed:
                raise _given_up() from error
            gone = isinstance(error, WorkerDied | WorkerHung)
            if not (gone and self._silent and self._replacements):
                raise
            self._replacements -= 1
            self._drop()
            lease.discard()
            await self._begin(None)
            return []
        if self._closed:
            # What a worker says to an interrupt is not the end of its answer.
            raise _given_up()
        # `isinstance` of structs costs a hundred times as much as a look at their types.
        only_chunks = _CHUNKS.issuperset(map(type, events))
        found = events if only_chunks else [event for event in events if type(event) in _CHUNKS]
        chunks = cast("list[Chunk]", found)
        for event in () if only_chunks else events:
            if isinstance(event, TurnFailed):
                self._error = event.error
                if isinstance(event.error, WorkerError):
                    lease.member.lose(event.error)
            elif isinstance(event, UsageSeen):
                self._seen = event.usage
            elif isinstance(event, QuotaSeen):
                self._on_event(event)
        if chunks:
            self._silent = False
            watch.chunk()
        else:
            # A sign of life and the vendor's limits say nothing for this turn.
            other = not events or any(not isinstance(event, _ASIDE) for event in events)
            self._silent = self._silent and not other
            watch.heard()
        return chunks


def _given_up() -> WorkerDied:
    return WorkerDied("The turn was closed before its answer was complete.")
