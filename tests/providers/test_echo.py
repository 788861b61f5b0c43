"""The echo provider, end to end with its real child processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.completion import fold
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import Draining, UnknownModel, WorkerDied
from llm_mcp_hub.providers import echo, echo_worker
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.dialect import Pong
from llm_mcp_hub.providers.echo import EchoProvider, EchoSettings
from llm_mcp_hub.workers.limits import PoolLimits

Request = Callable[..., TurnRequest]
Read = Callable[..., Awaitable[tuple[list[Any], Exception | None]]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]

TEXT = " the quick\nbrown  fox "


@given(st.text("ab \n\t\u00a0"))
def test_words_join_to_the_text_again(text: str) -> None:
    pieces = echo_worker.words(text)
    assert "".join(pieces) == text
    assert all(pieces)
    assert all(piece.split() == [piece.strip()] for piece in pieces[:-1] if piece.strip())


@pytest.fixture
async def make(remains: Any, anyio_backend: object) -> AsyncIterator[Callable[..., EchoProvider]]:
    made: list[EchoProvider] = []

    def make_one(word_seconds: float = 0.0, **limits: Any) -> EchoProvider:
        pool = PoolLimits(**{"min_spare": 0, "max_workers": 2, **limits})
        made.append(EchoProvider("echo", EchoSettings(word_seconds, pool)))
        return made[-1]

    yield make_one
    for provider in made:
        await provider.aclose()
    remains.check()


def pid_of(stream: Any) -> int:
    return int(stream._lease.member.worker.pid)


pytestmark = pytest.mark.anyio


def test_it_comes_only_where_it_is_asked_for(tmp_path: Path) -> None:
    (factory,) = echo.hub_register_providers()
    assert not factory.automatic
    context = ProviderContext("mine", factory.settings(), tmp_path, {})
    assert factory.create(context).name == "mine"


async def test_it_has_one_model(
    make: Callable[..., EchoProvider], request_for: Request, remains: Any
) -> None:
    provider = make()
    with pytest.raises(UnknownModel):
        await provider.open_turn(request_for("hello", model="other"))
    remains.check()


@pytest.mark.parametrize("word_seconds", [0.0, 0.001])
@pytest.mark.parametrize("text", [TEXT, "", "한국어 텍스트 😀"])
async def test_it_says_the_last_user_text_word_by_word(
    make: Callable[..., EchoProvider],
    request_for: Request,
    read_all: Read,
    text: str,
    word_seconds: float,
) -> None:
    provider = make(word_seconds)
    stream = await provider.open_turn(request_for("first", "answer", text))
    chunks, error = await read_all(stream)
    await stream.aclose()
    assert error is None
    said = [chunk.text for chunk in chunks[:-1]]
    assert said == echo_worker.words(text)
    usage = Usage(input_tokens=2 + len(text.split()), output_tokens=len(said))
    assert chunks[-1] == FinishChunk(FinishReason.STOP, usage)
    completion = fold(chunks)
    assert completion is not None
    assert completion.text == text


async def test_a_limit_cuts_the_answer_short(
    make: Callable[..., EchoProvider], request_for: Request, read_all: Read
) -> None:
    provider = make()
    stream = await provider.open_turn(request_for("one two three", max_tokens=2))
    chunks, _ = await read_all(stream)
    assert "".join(chunk.text for chunk in chunks[:-1]) == "one two"
    assert chunks[-1].reason is FinishReason.LENGTH
    await stream.aclose()
    # What was stored is not what the worker holds, so it is not kept.
    assert provider.status().pool.parked == 0


async def test_a_conversation_goes_on_in_the_same_process(
    make: Callable[..., EchoProvider], request_for: Request, read_all: Read
) -> None:
    provider = make()
    first = await provider.open_turn(request_for("one"))
    pid = pid_of(first)
    await read_all(first)
    await first.aclose()
    await first.aclose()
    assert provider.status().pool.parked == 1
    stranger = await provider.open_turn(request_for("one", "one", "two", principal="q"))
    assert pid_of(stranger) != pid
    await stranger.aclose()
    second = await provider.open_turn(request_for("one", "one", "two"))
    assert pid_of(second) == pid
    chunks, _ = await read_all(second)
    assert chunks[0] == TextChunk("two")
    await second.aclose()
    assert provider.status().pool.parked == 1
    assert provider.status().pool.served == 3


@pytest.mark.parametrize("read", [0, 1])
async def test_a_turn_given_up_ends_its_process(
    make: Callable[..., EchoProvider],
    request_for: Request,
    until: Until,
    running: Callable[[int], bool],
    read: int,
) -> None:
    provider = make(word_seconds=10.0 if not read else 0.001)
    stream = await provider.open_turn(request_for("word " * 10_000))
    pid = pid_of(stream)
    chunks = aiter(stream)
    for _ in range(read):
        assert await anext(chunks)
    await stream.aclose()
    await until(lambda: not running(pid))
    with pytest.raises(WorkerDied):
        await anext(chunks)
    await until(lambda: provider.status().pool.claimed == 0)
    assert provider.status().pool.parked == 0


async def test_giving_up_ends_a_read_that_waits_and_claims_nothing_new(
    make: Callable[..., EchoProvider], request_for: Request, read_all: Read
) -> None:
    provider = make(word_seconds=30.0)
    first = await provider.open_turn(request_for(""))
    await read_all(first)
    await first.aclose()
    stream = await provider.open_turn(request_for("", "", "slow"))
    assert stream._lease is not None
    assert stream._lease.continued
    reading = asyncio.create_task(read_all(stream))
    await asyncio.sleep(0)
    await stream.aclose()
    async with asyncio.timeout(20):
        chunks, error = await reading
    assert chunks == []
    assert isinstance(error, WorkerDied)
    assert provider.status().pool.served == 2
    assert provider.status().pool.claimed == 0


async def test_a_process_killed_between_turns_is_replaced_unnoticed(
    make: Callable[..., EchoProvider], request_for: Request, read_all: Read
) -> None:
    provider = make()
    first = await provider.open_turn(request_for("one"))
    pid = pid_of(first)
    await read_all(first)
    await first.aclose()
    # Without a turn of the loop in between the hub can't have noticed before it writes.
    os.kill(pid, signal.SIGKILL)
    second = await provider.open_turn(request_for("one", "one", "two"))
    chunks, error = await read_all(second)
    assert error is None
    assert chunks[0] == TextChunk("two")
    assert pid_of(second) != pid
    assert provider.status().pool.claimed == 1
    await second.aclose()
    assert provider.status().pool.claimed == 0


async def test_a_process_killed_in_mid_turn_fails_the_turn_after_the_chunks_that_came(
    make: Callable[..., EchoProvider], request_for: Request, read_all: Read
) -> None:
    provider = make(word_seconds=0.001)
    stream = await provider.open_turn(request_for("word " * 100_000))
    chunks = aiter(stream)
    assert (await anext(chunks))[0] == TextChunk("word")
    os.kill(pid_of(stream), signal.SIGKILL)
    seen, error = await read_all(chunks)
    assert isinstance(error, WorkerDied)
    assert "exit status -9" in error.message
    assert all(isinstance(chunk, TextChunk) for chunk in seen)
    await stream.aclose()
    assert provider.status().pool.parked == 0


async def test_closing_the_provider_ends_turns_under_way_and_refuses_new_ones(
    make: Callable[..., EchoProvider], request_for: Request, remains: Any
) -> None:
    provider = make(word_seconds=30.0, min_spare=1)
    stream = await provider.open_turn(request_for("slow"))
    await provider.aclose()
    remains.check()
    with pytest.raises(Draining):
        await anext(aiter(stream))
    await stream.aclose()
    with pytest.raises(Draining):
        await provider.open_turn(request_for("late"))
    await provider.start()
    await provider.aclose()
    remains.check()


async def test_many_turns_at_once_share_the_processes(
    make: Callable[..., EchoProvider], request_for: Request, read_all: Read
) -> None:
    provider = make(max_workers=2)

    async def turn(text: str) -> str:
        stream = await provider.open_turn(request_for(text))
        chunks, error = await read_all(stream)
        await stream.aclose()
        assert error is None
        return "".join(chunk.text for chunk in chunks[:-1])

    texts = [f"text {number}" for number in range(12)]
    async with asyncio.timeout(30):
        assert await asyncio.gather(*map(turn, texts)) == texts


async def test_it_is_available_once_its_self_test_has_passed(
    make: Callable[..., EchoProvider], until: Until
) -> None:
    provider = make(min_spare=1)
    assert provider.status().state is ProviderState.STARTING
    await provider.start()
    await until(lambda: provider.status().state is ProviderState.AVAILABLE)
    await until(lambda: provider.status().pool.blank == 1)
    assert [card.name for card in await provider.models()] == ["echo"]
    assert provider.credential_status() is None


async def test_a_sign_of_life_is_given_between_words_and_takes_none_of_them(
    make: Callable[..., EchoProvider], request_for: Request, read_all: Read
) -> None:
    provider = make(word_seconds=0.05)
    stream = await provider.open_turn(request_for("one two three"))
    conversation = stream._lease.member
    pongs = 0
    understand = conversation.dialect.receive

    def count(lines: list[bytes]) -> list[Any]:
        nonlocal pongs
        found: list[Any] = list(understand(lines))
        pongs += found.count(Pong())
        return found

    conversation.dialect.receive = count
    for _ in range(3):
        assert conversation.ping()
    chunks, error = await read_all(stream)
    await stream.aclose()
    assert error is None
    assert pongs == 3
    assert fold(chunks).message.text == "one two three"
    assert provider.status().pool.parked == 1
