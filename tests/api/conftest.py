"""A served hub for each module, and a provider that does what it is told."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

import httpx
import pytest

from llm_mcp_hub import errors
from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import ProviderState, ProviderStatus, WorkerFigures
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.providers.base import (
    ChunkStream,
    Provider,
    ProviderContext,
    ProviderFactory,
    stream_of,
)
from llm_mcp_hub.testing.hub import TestHub, create_test_hub

PATIENCE_SECONDS = 10.0


class Until(Protocol):
    def __call__(self, condition: Callable[[], object], what: str = ...) -> None: ...


@pytest.fixture(scope="session")
def until() -> Until:
    """Wait for a condition that another thread makes true."""

    def wait(condition: Callable[[], object], what: str = "the condition") -> None:
        tick = threading.Event()
        for _ in range(int(PATIENCE_SECONDS / 0.005)):
            if condition():
                return
            tick.wait(0.005)
        pytest.fail(f"{what} did not come true within {PATIENCE_SECONDS:g} s")

    return wait


class Scripted(Provider):
    """A provider whose last message is an order; also the plugin that registers it.

    `say TEXT` · `refuse ERROR` before anything is spent · `fail ERROR` after some text ·
    `cut` ends without a finish · `crash` raises what is no HubError · `wait` says three words and
    then nothing until it is closed · `hold` waits for `go` and then answers · `pause` says three
    words, waits for `go` and then says `done` · `late ERROR` waits for `go`, then fails, silent ·
    `think TEXT` shows TEXT as reasoning.
    """

    name = "scripted"

    def __init__(self) -> None:
        self.opened = 0
        self.running = 0
        self.requests: list[TurnRequest] = []
        self.go = threading.Event()

    @hookimpl
    def hub_register_providers(self) -> list[ProviderFactory]:
        return [ProviderFactory("scripted", self._create)]

    def _create(self, context: ProviderContext) -> "Scripted":
        return self

    async def start(self) -> None: ...

    async def aclose(self) -> None: ...

    async def models(self) -> list[ModelCard]:
        return [ModelCard("one"), ModelCard("two")]

    def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.AVAILABLE)

    def workers(self) -> tuple[WorkerFigures, ...]:
        return ()

    def credential_status(self) -> None:
        return None

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        self.opened += 1
        verb, _, rest = request.messages[-1].text.partition(" ")
        if verb == "refuse":
            raise getattr(errors, rest)("Said no.", detail="/home/secret/path")
        self.requests.append(request)
        return stream_of(self._chunks(verb, rest))

    async def _chunks(self, verb: str, rest: str) -> AsyncIterator[Chunk]:
        self.running += 1
        try:
            if verb in {"hold", "late"}:
                await asyncio.to_thread(self.go.wait, PATIENCE_SECONDS)
            if verb in {"fail", "cut", "crash", "wait", "pause"}:
                for word in ("some", " words", " first"):
                    yield TextChunk(word)
            if verb == "pause":
                await asyncio.to_thread(self.go.wait, PATIENCE_SECONDS)
            if verb in {"fail", "late"}:
                raise getattr(errors, rest)("Broke.", detail="/home/secret/path")
            if verb == "crash":
                raise ValueError("/home/secret/path")
            if verb == "wait":
                await asyncio.Event().wait()
            if verb == "cut":
                return
            if verb == "think":
                yield ReasoningChunk(rest)
            yield TextChunk("done" if verb == "think" else rest or "done")
            yield FinishChunk(FinishReason.STOP, Usage(input_tokens=3, output_tokens=2))
        finally:
            self.running -= 1


@pytest.fixture(scope="module")
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture(scope="module")
def hub(scripted: Scripted) -> Iterator[TestHub]:
    with create_test_hub(
        {"aliases": {"gpt-4o": "echo/echo"}}, plugins=[("scripted", scripted)]
    ) as served:
        yield served


@pytest.fixture(scope="module")
def http(hub: TestHub) -> Iterator[httpx.Client]:
    """A client of the admin's."""
    with httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=20) as client:
        yield client


class Chat(Protocol):
    def __call__(
        self, *messages: str | dict[str, Any], session: str | None = ..., **fields: Any
    ) -> httpx.Response: ...


@pytest.fixture(scope="session")
def chat_with() -> Callable[[httpx.Client], Chat]:
    """A short way to chat: texts alternate between user and assistant, the first is a user's."""

    def bind(client: httpx.Client) -> Chat:
        def chat(
            *messages: str | dict[str, Any], session: str | None = None, **fields: Any
        ) -> httpx.Response:
            body = {"model": "echo/echo", "messages": conversation(*messages), **fields}
            headers = {} if session is None else {"x-session-id": session}
            return client.post("/v1/chat/completions", json=body, headers=headers)

        return chat

    return bind


@pytest.fixture
def chat(http: httpx.Client, chat_with: Callable[[httpx.Client], Chat]) -> Chat:
    return chat_with(http)


def conversation(*messages: str | dict[str, Any]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    for message in messages:
        if isinstance(message, dict):
            turns.append(message)
        else:
            spoken = sum(turn["role"] in {"user", "assistant"} for turn in turns)
            turns.append({"role": ("user", "assistant")[spoken % 2], "content": message})
    return turns
