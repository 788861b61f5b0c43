"""A provider that is an async generator: for models reached by Python code, and for first steps.

Guarantees: those of `providers.base`, whatever `answer` does. A model that is not listed is refused
before `answer` is called; a `FinishChunk` is added if it gives none, and nothing is asked of it
after one; an exception that is no `HubError` becomes `ProviderFailed`, its text in the log alone; a
turn that is closed, or whose provider is, closes the generator where it stands.
"""

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import CredentialStatus, ProviderState, ProviderStatus
from llm_mcp_hub.errors import Draining, HubError, ProviderFailed, UnknownModel
from llm_mcp_hub.providers.base import (
    ChunkStream,
    Provider,
    ProviderContext,
    stream_of,
    used_by,
)
from llm_mcp_hub.providers.dialect import UsageSeen


class PlainProvider(Provider):
    """See the module. Override `answer`, and name the models.

    Attributes:
        model_names: The models it offers, the default one first.
        context: What the hub gave it: name, settings, directory, environment.
    """

    model_names: Sequence[str] = ("default",)

    def __init__(self, context: ProviderContext) -> None:
        self.name = context.name
        self.context = context
        self._turns: set[_PlainTurn] = set()
        self._closed = False

    @abstractmethod
    def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk | UsageSeen, None]:
        """Answer a turn: text as it comes, and a `FinishChunk` if there is more to say at the end.

        A `UsageSeen` tells what has been used so far, for a turn that fails or is given up.
        It may raise any `HubError`. Its `finally` blocks run when the turn ends, however it does.
        """

    async def start(self) -> None:
        """There is nothing to get ready."""

    async def models(self) -> Sequence[ModelCard]:
        """Those of `model_names`."""
        return tuple(ModelCard(name) for name in self.model_names)

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        """Begin a turn; `answer` runs once it is read."""
        if self._closed:
            raise Draining("The hub is stopping. Try again in a moment.")
        if request.model not in self.model_names:
            offered = ", ".join(self.model_names)
            raise UnknownModel(
                f"There is no model {request.model!r} at {self.name}. Offered: {offered}.",
                param="model",
            )
        turn = _PlainTurn(self._turns, stream_of(self._chunks(request)))
        self._turns.add(turn)
        return turn

    def status(self) -> ProviderStatus:
        """Always available: it is a part of the hub."""
        return ProviderStatus(ProviderState.AVAILABLE)

    def credential_status(self) -> CredentialStatus | None:
        """None: it needs no login."""
        return None

    async def aclose(self) -> None:
        """End the turns that run."""
        self._closed = True
        for turn in tuple(self._turns):
            turn.stopped = True
            await turn.aclose()

    async def _chunks(self, request: TurnRequest) -> AsyncIterator[Chunk | UsageSeen]:
        answer = self.answer(request)
        try:
            async for piece in answer:
                chunk = TextChunk(piece) if isinstance(piece, str) else piece
                yield chunk
                if isinstance(chunk, FinishChunk):
                    return
            yield FinishChunk(FinishReason.STOP, Usage())
        except HubError:
            raise
        except Exception as error:
            raise ProviderFailed(
                f"The provider {self.name} could not answer. The hub's log says why.",
                detail=f"{type(error).__name__}: {error}",
            ) from error
        finally:
            await answer.aclose()


class _PlainTurn:
    """A stream that its provider can end: its reader is told, for the answer is not complete."""

    def __init__(self, running: "set[_PlainTurn]", stream: ChunkStream) -> None:
        self.stopped = False
        self._running = running
        self._stream = stream

    @property
    def usage(self) -> Usage:
        return used_by(self._stream)

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        async for batch in self._stream:
            yield batch
        if self.stopped:
            raise Draining("The hub is stopping. Try again in a moment.")

    async def aclose(self) -> None:
        self._running.discard(self)
        await self._stream.aclose()
