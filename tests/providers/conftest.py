"""Turn requests, and a provider whose program does what the request says."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message, TextPart, TurnOptions, TurnRequest
from llm_mcp_hub.domain.chunk import (
    FinishChunk,
    FinishReason,
    TextChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import QuotaWindow
from llm_mcp_hub.errors import HubError, LoginRequired, WorkerGarbled
from llm_mcp_hub.providers.cli import CliProvider
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.dialect import (
    Event,
    Inspected,
    Pong,
    QuotaSeen,
    Ready,
    TurnFailed,
    UsageSeen,
)
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.spec import WorkerSpec

PROGRAM = """
import json, os, signal, sys, time

ANSWERS = {"probe": "ready", "ping": "pong"}

def say(*words):
    os.write(1, json.dumps(words).encode() + b"\\n")

for line in sys.stdin.buffer:
    verb, *rest = json.loads(line)
    if verb == "turn":
        for step in rest[0]:
            if step == "hang":
                break
            elif step == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            elif step == "freeze":
                os.kill(os.getpid(), signal.SIGSTOP)
            elif step == "garbage":
                os.write(1, b"garbage\\n")
            elif step == "flood":
                while True: say("text", "more")
            elif step[0] == "together":
                os.write(1, b"".join(json.dumps(words).encode() + b"\\n" for words in step[1:]))
            elif step == "state":
                say("text", json.dumps([os.getpid(), *rest[1:]]))
            else:
                say(*step)
    else:
        for step in json.loads(sys.argv[1]).get(verb, [[ANSWERS.get(verb, verb)]]):
            if step == "hang":
                break
            elif step == "die":
                sys.exit("broken beyond repair")
            say(*step)
"""


class Clock(asyncio.SelectorEventLoop):
    """A loop whose clock is moved by hand."""

    now = 0.0
    _scheduled: list[asyncio.TimerHandle]

    def time(self) -> float:
        return self.now

    def timers(self) -> int:
        """How many are set, cancelled ones left out."""
        return sum(not timer.cancelled() for timer in self._scheduled)

    def move(self, seconds: float) -> None:
        self.now += seconds
        self.call_soon(self.stop)
        self.run_forever()


@pytest.fixture
def clock() -> Iterator[Clock]:
    loop = Clock()
    yield loop
    loop.close()


class ScriptedDialect:
    """One JSON list per line, both ways; the text of a request is the list of steps."""

    def __init__(self) -> None:
        self._outgoing = b""
        self.turns = 0

    def _say(self, *words: object) -> None:
        self._outgoing += msgspec.json.encode(words) + b"\n"

    def probe(self) -> None:
        self._say("probe")

    def inspect(self) -> None:
        self._say("inspect")

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        last = request.messages[-1]
        text = "".join(part.text for part in last.parts if hasattr(part, "text"))
        if text == "defect":
            raise KeyError(text)
        self.turns += 1
        self._say("turn", msgspec.json.decode(text), continued, self.turns)

    def ping(self) -> bool:
        self._say("ping")
        return True

    def interrupt(self) -> None:
        self._say("interrupt")

    def receive(self, lines: Sequence[bytes]) -> list[Event]:
        return [self._event(*self._decode(line)) for line in lines]

    def _decode(self, line: bytes) -> list[Any]:
        try:
            words: list[Any] = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            raise WorkerGarbled("nonsense", detail=str(error)) from error
        return words

    def _event(self, verb: str, *rest: Any) -> Event:
        if verb == "text":
            return TextChunk(rest[0])
        if verb == "call":
            return ToolCallChunk(*rest)
        if verb == "finish":
            return FinishChunk(FinishReason(rest[0]), Usage(output_tokens=1))
        if verb == "ready":
            return Ready(rest[0] if rest else "1.0")
        if verb == "inspect":
            refusal = LoginRequired("Log in first.") if rest else None
            return Inspected((ModelCard("m"),), refusal)
        if verb == "pong":
            return Pong()
        if verb == "quota":
            return QuotaSeen((QuotaWindow(rest[0], rest[1], None, None),))
        if verb == "used":
            return UsageSeen(Usage(output_tokens=rest[0]))
        if verb == "login":
            return TurnFailed(LoginRequired("The login was refused."))
        return {}[verb]  # what a defective dialect does

    def data_to_send(self) -> bytes:
        data, self._outgoing = self._outgoing, b""
        return data


class ScriptedProvider(CliProvider):
    """Its program can be replaced while it runs; `trouble` is raised instead of starting it."""

    def __init__(
        self,
        directory: Path,
        limits: PoolLimits,
        deadlines: Deadlines,
        supervision: Supervision,
    ) -> None:
        super().__init__("scripted", limits, deadlines, supervision)
        self.program = directory / "scripted.py"
        self.program.write_text(PROGRAM)
        self.answers: dict[str, list[Any]] = {}
        self.trouble: Exception | None = None
        self.too_old: HubError | Exception | None = None
        self.started = 0

    def worker_spec(self) -> WorkerSpec:
        if self.trouble is not None:
            raise self.trouble
        answers = msgspec.json.encode(self.answers).decode()
        return WorkerSpec((sys.executable, "-I", "-S", str(self.program), answers))

    def new_dialect(self) -> ScriptedDialect:
        self.started += 1
        return ScriptedDialect()

    def check_version(self, version: str | None) -> None:
        if self.too_old is not None:
            raise self.too_old

    def fallback_models(self) -> tuple[ModelCard, ...]:
        return (ModelCard("fallback"),)


def make_request(
    *texts: str, max_tokens: int | None = None, principal: str = "p", model: str = "echo"
) -> TurnRequest:
    """A request whose texts are the user's and the assistant's in turn."""
    roles = ("user", "assistant")
    messages = [Message(roles[i % 2], (TextPart(text),)) for i, text in enumerate(texts)]
    prior = transcript.history_length(messages)
    digests = transcript.digests(messages)
    return TurnRequest(
        turn_id="turn-1",
        principal=principal,
        model=model,
        messages=tuple(messages),
        prior=prior,
        prior_digest=digests[prior - 1] if prior else transcript.EMPTY,
        digest=digests[-1],
        options=TurnOptions(max_tokens=max_tokens),
    )


@pytest.fixture
def request_for() -> Callable[..., TurnRequest]:
    """Makes turn requests from texts."""
    return make_request


@pytest.fixture
async def provide(
    tmp_path: Path, remains: Any, anyio_backend: object
) -> AsyncIterator[Callable[..., ScriptedProvider]]:
    """Makes scripted providers, closes them, and checks that nothing is left of them."""
    made: list[ScriptedProvider] = []

    def make(
        deadlines: Deadlines | None = None, supervision: Supervision | None = None, **limits: Any
    ) -> ScriptedProvider:
        sizes = PoolLimits(**{"min_spare": 0, "max_workers": 2, **limits})
        made.append(
            ScriptedProvider(
                tmp_path, sizes, deadlines or Deadlines(), supervision or Supervision()
            )
        )
        return made[-1]

    yield make
    for provider in made:
        await provider.aclose()
    remains.check()


@pytest.fixture
def read_all() -> Callable[..., Awaitable[tuple[list[Any], HubError | None]]]:
    """Reads a stream to its end: the chunks, and the error it ended with."""

    async def read(stream: Any) -> tuple[list[Any], HubError | None]:
        chunks: list[Any] = []
        try:
            async for batch in stream:
                assert batch
                chunks += batch
        except HubError as error:
            return chunks, error
        return chunks, None

    return read
