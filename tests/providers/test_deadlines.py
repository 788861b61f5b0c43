"""Whichever deadline passes first ends the turn with an error that names it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import TextChunk
from llm_mcp_hub.errors import QueueTimeout, TurnTimeout
from llm_mcp_hub.providers.deadlines import Deadlines, DeadlineWatch

Request = Callable[..., TurnRequest]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Read = Callable[..., Awaitable[tuple[list[Any], Exception | None]]]


class Clock(asyncio.SelectorEventLoop):
    """A loop whose clock is moved by hand."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds
        self.call_soon(self.stop)
        self.run_forever()


@pytest.fixture
def clock() -> Iterator[Clock]:
    loop = Clock()
    yield loop
    loop.close()


class Watched:
    def __init__(self, clock: Clock, **deadlines: float) -> None:
        self.errors: list[TurnTimeout] = []

        async def make() -> DeadlineWatch:
            values = {"first_chunk": 100.0, "idle": 100.0, "total": 1000.0, **deadlines}
            found = Deadlines(**values)
            return DeadlineWatch(found, clock.now + found.total, self.errors.append)

        self.watch = clock.run_until_complete(make())

    @property
    def passed(self) -> list[str]:
        return [error.message.split("`")[1] for error in self.errors]


def test_the_first_chunk_is_awaited_no_longer_than_its_deadline(clock: Clock) -> None:
    watched = Watched(clock, first_chunk=10)
    watched.watch.waiting()
    clock.move(9.9)
    assert watched.passed == []
    clock.move(0.1)
    assert watched.passed == ["first_chunk"]
    clock.move(1000)
    assert watched.passed == ["first_chunk"]


def test_a_later_chunk_is_awaited_no_longer_than_idle(clock: Clock) -> None:
    watched = Watched(clock, first_chunk=100, idle=10)
    clock.move(1)
    for _ in range(3):
        watched.watch.chunk()
        watched.watch.waiting()
        clock.move(9.9)
    assert watched.passed == []
    clock.move(0.1)
    assert watched.passed == ["idle"]


def test_waiting_again_without_a_chunk_gains_no_time(clock: Clock) -> None:
    watched = Watched(clock, idle=10)
    watched.watch.chunk()
    for _ in range(5):
        watched.watch.waiting()
        clock.move(2)
    assert watched.passed == ["idle"]


def test_the_readers_own_time_counts_for_the_total_alone(clock: Clock) -> None:
    watched = Watched(clock, first_chunk=10, idle=10, total=100)
    watched.watch.chunk()
    for _ in range(9):
        clock.move(10)
    assert watched.passed == []
    watched.watch.waiting()
    clock.move(9.9)
    assert watched.passed == []
    clock.move(0.1)
    assert watched.passed == ["total"]


def test_the_total_passes_even_while_chunks_come(clock: Clock) -> None:
    watched = Watched(clock, total=20)
    for _ in range(10):
        watched.watch.chunk()
        watched.watch.waiting()
        clock.move(2)
    assert watched.passed == ["total"]


def test_a_stopped_watch_says_nothing(clock: Clock) -> None:
    watched = Watched(clock, first_chunk=10)
    watched.watch.stop()
    clock.move(1000)
    assert watched.passed == []


@pytest.mark.parametrize("name", ["start", "first_chunk", "idle", "total"])
def test_a_deadline_of_no_time_is_refused(name: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({name: 0}, Deadlines)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("deadlines", "steps", "name", "said"),
    [
        ({"first_chunk": 0.05}, '["hang"]', "first_chunk", 0),
        ({"idle": 0.05}, '[["text","a"],"hang"]', "idle", 1),
        ({"total": 0.1}, '["flood"]', "total", 1),
    ],
)
async def test_a_silent_or_endless_program_is_given_up(
    provide: Callable[..., Any],
    request_for: Request,
    read_all: Read,
    until: Until,
    deadlines: dict[str, float],
    steps: str,
    name: str,
    said: int,
) -> None:
    provider = provide(Deadlines(**deadlines), min_spare=1)
    await provider.start()
    await until(lambda: provider.status().pool.blank == 1)
    stream = await provider.open_turn(request_for(steps))
    worker = stream._lease.member.worker
    async with asyncio.timeout(20):
        chunks, error = await read_all(stream)
    assert isinstance(error, TurnTimeout)
    assert f"`{name}`" in error.message
    assert len(chunks) >= said
    assert all(isinstance(chunk, TextChunk) for chunk in chunks)
    assert not worker.alive
    await stream.aclose()
    assert provider.status().pool.parked == 0


@pytest.mark.anyio
async def test_a_slow_reader_does_not_make_the_program_late(
    provide: Callable[..., Any], request_for: Request, until: Until
) -> None:
    provider = provide(Deadlines(idle=0.04))
    stream = await provider.open_turn(request_for('[["text","a"],["finish","stop"]]'))
    worker = stream._lease.member.worker
    chunks: list[Any] = []
    async for batch in stream:
        chunks += batch
        if len(chunks) == 1:
            await until(lambda: bool(worker._lines))
            await asyncio.sleep(0.1)
    assert len(chunks) == 2
    await stream.aclose()


@pytest.mark.anyio
async def test_waiting_for_a_worker_counts_for_the_total(
    provide: Callable[..., Any], request_for: Request
) -> None:
    provider = provide(max_workers=1)
    busy = await provider.open_turn(request_for('["hang"]'))
    provider._deadlines = Deadlines(total=0.05)
    before = time.monotonic()
    with pytest.raises(TurnTimeout, match="`total`"):
        await provider.open_turn(request_for('["hang"]'))
    assert time.monotonic() - before < 10
    assert provider.status().pool.queued == 0
    await busy.aclose()


@pytest.mark.anyio
async def test_nobody_waits_for_a_worker_longer_than_the_queue_allows(
    provide: Callable[..., Any], request_for: Request
) -> None:
    provider = provide(max_workers=1, queue_seconds=1.0)
    busy = await provider.open_turn(request_for('["hang"]'))
    provider._pool._limits = msgspec.structs.replace(provider._pool._limits, queue_seconds=0.02)
    with pytest.raises(QueueTimeout):
        await provider.open_turn(request_for('["hang"]'))
    await busy.aclose()
