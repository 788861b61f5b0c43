"""What a provider promises, and how one is made.

Promises of a provider:

1. `open_turn` raises before anything is spent if it can't serve the request; the errors are
   `HubError`s.
2. The stream yields batches of chunks: those that came together. A batch is never empty and is
   never held back to grow.
3. The last chunk of a stream that succeeds is its only `FinishChunk`. A stream that fails raises
   a `HubError` after the chunks that came before it, and never repeats text.
4. `ChunkStream.aclose` is bounded, may be called at any time and more than once, and afterwards
   nothing generates any more for that turn.
5. Calls of tools in a stream name tools of `TurnRequest.tools` as they are named there, have ids
   of their own and JSON objects as arguments, and the stream ends with `tool_calls`. A turn whose
   new messages are their results goes on from there, whether or not the process that made the
   calls still exists.
6. A stream that has a `usage` (`CountingStream`) tells there what its turn has used so far, also
   once it is closed; after the `FinishChunk` it is what that says.
7. `status`, `workers` and `credential_status` do no I/O beyond reading a small local file, and
   tell no secret.
8. `aclose` leaves no process, task or file behind.

`llm_mcp_hub.testing.check_provider` holds every provider to this, in finer promises of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from llm_mcp_hub.domain.chat import TurnOptions, TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, Usage
from llm_mcp_hub.domain.model import Capability, ModelCard
from llm_mcp_hub.domain.status import CredentialStatus, ProviderStatus, WorkerFigures
from llm_mcp_hub.providers.dialect import UsageSeen
from llm_mcp_hub.providers.runtime_settings import check_declaration
from llm_mcp_hub.providers.setup import ProviderSetup
from llm_mcp_hub.workers.events import PoolEvent


class ChunkStream(Protocol):
    """The chunks of one turn."""

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        """Iterate over the batches; once."""
        ...

    async def aclose(self) -> None:
        """End the turn, finished or not."""
        ...


class CountingStream(ChunkStream, Protocol):
    """A `ChunkStream` that knows what its turn uses, whether or not it comes to an answer."""

    @property
    def usage(self) -> Usage:
        """What the turn has used so far, as far as the vendor has told; also after `aclose`."""
        ...


def used_by(stream: ChunkStream) -> Usage:
    """What a turn has used so far; nothing if its stream is none that counts."""
    usage = getattr(stream, "usage", None)
    return usage if isinstance(usage, Usage) else Usage()


class Provider(Protocol):
    """A configured source of completions. Inherit from it to get what has a default.

    Attributes:
        capabilities: What it can do beyond answering text with text. It is never asked for more.
    """

    name: str
    capabilities: frozenset[Capability] = frozenset()

    async def start(self) -> None:
        """Begin to get ready, in the background. Returns at once and does not raise."""
        ...

    async def models(self) -> Sequence[ModelCard]:
        """The models it offers, the default one first. Never raises; falls back to known names."""
        ...

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        """Begin a turn."""
        ...

    def status(self) -> ProviderStatus:
        """Whether it takes requests, and how its workers are doing."""
        ...

    def ignored(self, options: TurnOptions) -> Sequence[str]:  # noqa: ARG002  # a default
        """Names, as clients write them, of options that are set and have no effect here.

        For options that merely tune an answer; what would change it is refused by `open_turn`.
        """
        return ()

    def workers(self) -> Sequence[WorkerFigures]:
        """How each of its workers is doing; without any if it has no processes."""
        return ()

    def observe(self, tell: Callable[[PoolEvent], None]) -> None:
        """Tell of what happens to its workers from now on; nothing if it has no processes."""

    def credential_status(self) -> CredentialStatus | None:
        """State of its login; None if it needs none."""
        ...

    def drain(self) -> None:
        """No turn is opened until `resume`: let go of what is only kept for the next ones.

        The hub refuses the turns itself. Those that run go on. May come before `start`.
        """

    def resume(self) -> None:
        """Turns are opened again."""

    def restart(self) -> None:
        """Use no process for another turn that has been started so far; turns that run go on.

        If it is unavailable, find out at once whether it still is.
        """

    async def aclose(self) -> None:
        """End everything it has started; bounded."""
        ...


class ProviderContext(Struct, frozen=True):
    """What the hub gives to a provider that is being made.

    Attributes:
        name: The name the provider is configured under.
        settings: The settings, an instance of the factory's `settings` type.
        data_dir: Directory of its own inside the hub's data directory. It may not exist yet.
        environment: The hub's own environment, read-only.
        kind_dir: Directory of the provider that is named like the kind. What setup has installed
            there serves all providers of the kind. None: there is no other.
    """

    name: str
    settings: Any
    data_dir: Path
    environment: Mapping[str, str]
    kind_dir: Path | None = None


class NoSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Settings of a provider that has none."""


class ProviderFactory(Struct, frozen=True):
    """A kind of provider.

    Attributes:
        kind: Its name in the configuration, and the default name of the provider.
        create: Makes a provider; no I/O. Raises `ConfigError` for settings that make no sense.
        settings: The struct that `[providers.NAME]` is read into, `forbid_unknown_fields` on.
        automatic: Whether a provider of this kind exists without being configured.
        setup: How its tool is installed and logged in, if it has one; no I/O.
        runtime_settings: The struct of those settings that a provider may be given when it is
            added at run time; by default none. Its fields are named and typed as in `settings`.
            `runtime_settings.py` says what it can't have, whatever a plugin declares.
        addable: Whether one can be added at run time. False: none works without a setting that
            only the configuration file may give.

    Raises:
        TypeError: `runtime_settings` has what it can't have.
    """

    kind: str
    create: Callable[[ProviderContext], Provider]
    settings: type[Struct] = NoSettings
    automatic: bool = True
    setup: Callable[[ProviderContext], ProviderSetup] | None = None
    runtime_settings: type[Struct] | None = None
    addable: bool = True

    def __post_init__(self) -> None:
        if self.runtime_settings is not None:
            check_declaration(self.runtime_settings, self.settings)


class _Stream:
    """A `CountingStream` over an async generator of single chunks."""

    def __init__(self, chunks: AsyncIterator[Chunk | UsageSeen]) -> None:
        self.usage = Usage()
        self._chunks = chunks
        self._next: asyncio.Future[Chunk | UsageSeen] | None = None
        self._closed = False
        self._closing: asyncio.Task[None] | None = None

    def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        return self

    async def __anext__(self) -> Sequence[Chunk]:
        while True:
            said = await self._said()
            if isinstance(said, UsageSeen):
                self.usage = said.usage
                continue
            if isinstance(said, FinishChunk):
                self.usage = said.usage
            return (said,)

    async def _said(self) -> Chunk | UsageSeen:
        if self._closed:
            raise StopAsyncIteration
        # In a task of its own, for a generator that runs can't be closed.
        self._next = asyncio.ensure_future(anext(self._chunks))
        try:
            return await self._next
        except asyncio.CancelledError:
            if self._closed and self._next.cancelled():
                raise StopAsyncIteration from None
            raise
        finally:
            self._next = None

    async def aclose(self) -> None:
        self._closed = True
        # Once, for a generator can't be closed by two at the same time.
        if self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()


def stream_of(chunks: AsyncIterator[Chunk | UsageSeen]) -> CountingStream:
    """A `CountingStream` from an async generator of chunks, for providers that need no more.

    What the generator says with a `UsageSeen` between them is known to be used if the turn gets no
    further.
    """
    return _Stream(chunks)
