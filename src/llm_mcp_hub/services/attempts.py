"""Asking the models of a chain one after the other, until one answers.

Guarantees: the next one is asked only if the one before has said nothing and can't answer now; an
error of the request itself, or one that comes after the first chunk, ends the turn; what was asked
in vain is closed before the next is asked, and what it has used is counted. Where there is only one
model, nothing is waited for that a turn would not wait for anyway; where there are several, whoever
waits is told from when on only the first chunk is awaited.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
import structlog
from msgspec import Struct

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, Usage
from llm_mcp_hub.errors import (
    Draining,
    HubError,
    LoginRequired,
    MemoryShort,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderUnavailable,
    QueueFull,
    QueueTimeout,
    UnsupportedParameter,
    WorkerStartFailed,
)
from llm_mcp_hub.providers.base import ChunkStream, used_by
from llm_mcp_hub.services.catalog import Target
from llm_mcp_hub.services.limits import Admission
from llm_mcp_hub.services.running import Opening
from llm_mcp_hub.services.spent import spent_by
from llm_mcp_hub.services.tool_checks import check_capabilities
from llm_mcp_hub.within import within

NOT_NOW = (
    ProviderUnavailable,
    LoginRequired,
    ProviderRateLimited,
    ProviderOverloaded,
    ProviderFailed,
    QueueFull,
    QueueTimeout,
    MemoryShort,
    WorkerStartFailed,
    Draining,
)
"""What a provider says that can't answer now, whatever it is asked."""

CLOSE_SECONDS = 10.0
"""How long a provider may take to end a stream that has failed before its first chunk."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class AwaitedTurn(Struct, frozen=True):
    """A turn that is being opened, and of which nothing but the first chunk is awaited.

    Attributes:
        session_id: None if nothing is remembered.
        model_id: `provider/name` of who is asked. Another one may answer.
        created_at: Unix seconds.
        admission: How it was let in; None if its principal has no limits.
    """

    turn_id: str
    session_id: str | None
    model_id: str
    created_at: float
    admission: Admission | None


Awaits = Callable[[AwaitedTurn], None]


class Attempts:
    """The attempts of one turn, of which at most one answers.

    Args:
        targets: Whom to ask, in this order; at least one.
        admit: Refuses for the provider of a name that takes no turns.
        opening: The opening of the turn, which is told whom it is with.
        awaits: Told, of a chain alone, whenever somebody has taken the turn and has said nothing.

    Attributes:
        turn: What `awaits` is told of the turn; nothing as long as it is None.
        target: Who is asked, or has answered; after a failure, whose failure is reported.
        spent: What those have used that were asked in vain, as far as they have told.
    """

    __slots__ = ("_admit", "_awaits", "_opening", "_targets", "spent", "target", "turn")

    def __init__(
        self,
        targets: Sequence[Target],
        admit: Callable[[str], None],
        opening: Opening,
        awaits: Awaits | None = None,
    ) -> None:
        self._targets = targets
        self._admit = admit
        self._opening = opening
        self._awaits = awaits
        self.turn: AwaitedTurn | None = None
        self.target = targets[0]
        self.spent = Usage()
        opening.of(self.target.provider.name)

    def check(self) -> None:
        """Refuse what can't be answered, before anything is done for it.

        Raises:
            HubError: That of `admit`, if there is only one to ask.
        """
        if len(self._targets) == 1:
            self._admit(self.target.provider.name)

    async def open(self, request: TurnRequest) -> tuple[TurnRequest, ChunkStream]:
        """Have somebody answer.

        Args:
            request: The turn; its model is that of the first to be asked.

        Returns:
            What was asked of `target`, and its answer, of which the first chunk has come if
            there was a choice.

        Raises:
            HubError: Nobody answers; if several could not, the error that is of most help tells
                what each has said.
        """
        if len(self._targets) == 1:
            check_capabilities(self.target.provider, request)
            return request, await self.target.provider.open_turn(request)
        failures: list[tuple[Target, HubError]] = []
        for target in self._targets:
            self.target = target
            self._opening.of(target.provider.name)
            asked = msgspec.structs.replace(request, model=target.model)
            try:
                self._admit(target.provider.name)
                check_capabilities(target.provider, asked)
                stream = await target.provider.open_turn(asked)
                if self._awaits is not None and self.turn is not None:
                    self._awaits(msgspec.structs.replace(self.turn, model_id=target.id))
                return asked, await self._begun(stream)
            except (*NOT_NOW, UnsupportedParameter) as error:
                failures.append((target, error))
                log.warning(
                    "turn.passed_on",
                    turn_id=request.turn_id,
                    principal=request.principal,
                    model=target.id,
                    code=error.code,
                    reason=error.message,
                    detail=error.detail,
                )
        self.target, failure = _most_helpful(failures)
        raise failure

    async def _begun(self, stream: ChunkStream) -> ChunkStream:
        """The stream with its first batch; closed if that does not come."""
        batches = aiter(stream)
        try:
            first = await anext(batches, ())
        except BaseException:
            await asyncio.wait([asyncio.get_running_loop().create_task(self._give_up(stream))])
            raise
        return _Begun(stream, first, batches)

    async def _give_up(self, stream: ChunkStream) -> None:
        try:
            with within(CLOSE_SECONDS):
                await stream.aclose()
        except Exception:
            log.exception("turn.stream_close_failed")
        self.spent += spent_by(stream)


class _Begun:
    """A `ChunkStream` whose first batch has been taken."""

    def __init__(
        self,
        stream: ChunkStream,
        first: Sequence[Chunk],
        others: AsyncIterator[Sequence[Chunk]],
    ) -> None:
        self._stream = stream
        self._first = first
        self._others = others

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        if self._first:
            yield self._first
        async for chunks in self._others:
            yield chunks

    @property
    def usage(self) -> Usage:
        return used_by(self._stream)

    async def aclose(self) -> None:
        await self._stream.aclose()


def _most_helpful(failures: Sequence[tuple[Target, HubError]]) -> tuple[Target, HubError]:
    """The failure after which most can be done, with what all have said."""
    # An option that one does not know is the caller's fault only if nobody knows it.
    able = [one for one in failures if not isinstance(one[1], UnsupportedParameter)]
    target, error = min(
        able or failures, key=lambda one: (not one[1].retryable, one[1].retry_after or 0.0)
    )
    said = " ".join(f"{one.id}: {each.message}" for one, each in failures)
    told = type(error)(
        f"No model of the chain can answer this. {said}",
        param=error.param,
        retry_after=error.retry_after,
        retryable=error.retryable,
    )
    return target, told
