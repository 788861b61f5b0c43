"""The echo provider: answers with the last user text. For the demo, the documentation and tests.

It is a real provider with real child processes, in the same pool and under the same supervision
as a vendor's tool. It exists only where it is asked for: `--demo`, or `[providers.echo]`.
A text with lines `/call NAME {arguments}` has it call tools, see `echo_script.py`.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import (
    FinishChunk,
    FinishReason,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.model import Capability, ModelCard
from llm_mcp_hub.errors import UnknownModel, WorkerGarbled
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.providers.base import ProviderContext, ProviderFactory
from llm_mcp_hub.providers.cli import CliProvider
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.dialect import Event, Inspected, Pong, Ready
from llm_mcp_hub.providers.echo_script import answer_to, words_in
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.spec import WorkerSpec
from llm_mcp_hub.workers.worker_limits import WorkerLimits

MODEL = ModelCard("echo", "Echo")
WORKER = Path(__file__).with_name("echo_worker.py")


class EchoSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[providers.echo]`.

    Attributes:
        word_seconds: Pause before each word.
    """

    word_seconds: float = 0.02
    pool: PoolLimits = PoolLimits(min_spare=1, max_workers=8)
    deadlines: Deadlines = Deadlines()
    supervision: Supervision = Supervision()
    limits: WorkerLimits = WorkerLimits()


class EchoRuntimeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What of it may be set at run time."""

    word_seconds: float = 0.02
    pool: PoolLimits = PoolLimits()


class _Call(Struct):
    id: str
    name: str
    arguments: str


class _Say(Struct, tag="say"):
    text: str
    limit: int | None
    calls: list[_Call]


class _Line(Struct):
    """What the worker writes; `text` belongs to `word` and `arguments`, the figures to `end`."""

    type: Literal["ready", "pong", "word", "call", "arguments", "end"]
    text: str = ""
    index: int = 0
    id: str = ""
    name: str = ""
    cut: bool = False
    words: int = 0
    calls: int = 0


_DECODER = msgspec.json.Decoder(_Line)


class EchoDialect:
    """Speaks with `echo_worker.py`: one JSON object per line, both ways.

    All it remembers of a conversation is how many words were said in it.
    """

    def __init__(self) -> None:
        self._outgoing = bytearray()
        self._words = 0

    def probe(self) -> None:
        """Ask for `ready`."""
        self._outgoing += b'{"type":"probe"}\n'

    def inspect(self) -> None:
        """The worker has nothing to tell; a second `ready` will do."""
        self._outgoing += b'{"type":"inspect"}\n'

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """Have the answer to the new messages said."""
        answer = answer_to(request)
        calls = [_Call(call.id, call.name, call.arguments) for call in answer.calls]
        unheard = request.messages
        if continued:
            unheard = unheard[request.prior :]
        else:
            self._words = 0
        self._words += words_in(unheard)
        say = _Say(answer.text, request.options.max_tokens, calls)
        self._outgoing += msgspec.json.encode(say) + b"\n"

    def ping(self) -> bool:
        """Ask for `pong`."""
        self._outgoing += b'{"type":"ping"}\n'
        return True

    def interrupt(self) -> None:
        """Have the rest left out."""
        self._outgoing += b'{"type":"interrupt"}\n'

    def receive(self, lines: Sequence[bytes]) -> Iterator[Event]:
        """Words become chunks."""
        for raw in lines:
            try:
                line = _DECODER.decode(raw)
            except msgspec.DecodeError as error:
                raise WorkerGarbled("The echo worker wrote nonsense.", detail=str(error)) from error
            if line.type == "word":
                yield TextChunk(line.text)
            elif line.type == "call":
                yield ToolCallChunk(line.index, line.id, line.name)
            elif line.type == "arguments":
                yield ToolArgumentsChunk(line.index, line.text)
            elif line.type == "end":
                yield self._end(line)
            elif line.type == "pong":
                yield Pong()
            elif line.text == "inspect":
                yield Inspected((MODEL,))
            else:
                yield Ready(None)

    def _end(self, line: _Line) -> FinishChunk:
        usage = Usage(input_tokens=self._words, output_tokens=line.words)
        self._words += line.words
        reason = FinishReason.TOOL_CALLS if line.calls else FinishReason.STOP
        return FinishChunk(FinishReason.LENGTH if line.cut else reason, usage)

    def data_to_send(self) -> bytes:
        """What has been queued."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data


class EchoProvider(CliProvider):
    """See the module."""

    capabilities = frozenset({Capability.TOOLS})

    def __init__(self, name: str, settings: EchoSettings) -> None:
        super().__init__(name, settings.pool, settings.deadlines, settings.supervision)
        self._spec = WorkerSpec(
            argv=(sys.executable, "-I", "-S", str(WORKER), str(settings.word_seconds)),
            limits=settings.limits,
        )

    def worker_spec(self) -> WorkerSpec:
        """The Python that runs the hub, without its site packages."""
        return self._spec

    def new_dialect(self) -> EchoDialect:
        """A fresh one."""
        return EchoDialect()

    def check_request(self, request: TurnRequest) -> None:
        """Refuse any other name than its one model's."""
        if request.model != MODEL.name:
            raise UnknownModel(
                f"The echo provider has one model, {self.name}/{MODEL.name}.", param="model"
            )

    def fallback_models(self) -> tuple[ModelCard, ...]:
        """Its one model."""
        return (MODEL,)


def _create(context: ProviderContext) -> EchoProvider:
    return EchoProvider(context.name, context.settings)


@hookimpl
def hub_register_providers() -> list[ProviderFactory]:
    """The echo provider, never on by itself."""
    return [
        ProviderFactory(
            "echo", _create, EchoSettings, automatic=False, runtime_settings=EchoRuntimeSettings
        )
    ]
