"""Whichever deadline passes first ends the turn with an error that names it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from tests.providers.conftest import Clock

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import TextChunk
from llm_mcp_hub.errors import QueueTimeout, TurnTimeout, WorkerStartFailed
from llm_mcp_hub.providers.deadlines import Deadline, Deadlines, DeadlineWatch, TimeLimits
from llm_mcp_hub.providers.supervision import Supervision

Request = Callable[..., TurnRequest]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Read = Callable[..., Awaitable[tuple[list[Any], Exception | None]]]


NO_HEARTBEAT = Supervision(heartbeat_seconds=0)
HEARTBEAT = Supervision(heartbeat_seconds=15, answer_seconds=10)


class Watched:
    def __init__(
        self, clock: Clock, supervision: Supervision | None = None, **deadlines: float
    ) -> None:
        self.passed: list[str] = []
        self.pings: list[float] = []
        self.hung_at: list[float] = []
        self.can_be_pinged = True
        self.unread = False
        self._clock = clock

        async def make() -> DeadlineWatch:
            values = {"first_chunk": 100.0, "idle": 100.0, "total": 1000.0, **deadlines}
            limits = TimeLimits(Deadlines(**values), supervision or NO_HEARTBEAT)
            return DeadlineWatch(limits, clock.now + values["total"], self)

        self.watch = clock.run_until_complete(make())

    def late(self, name: Deadline) -> None:
        self.passed.append(name)

    def ping(self) -> bool:
        self.pings.append(self._clock.now)
        return self.can_be_pinged

    def unanswered(self) -> bool:
        if not self.unread:
            self.hung_at.append(self._clock.now)
        return not self.unread


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


# Signs of life


def test_a_worker_that_is_silent_is_asked_and_given_up_if_it_does_not_answer(clock: Clock) -> None:
    watched = Watched(clock, HEARTBEAT)
    watched.watch.waiting()
    clock.move(14.9)
    assert watched.pings == []
    clock.move(0.1)
    assert watched.pings == [15]
    clock.move(9.9)
    assert watched.hung_at == []
    clock.move(0.1)
    assert watched.hung_at == [25]
    clock.move(1000)
    assert (watched.pings, watched.hung_at, watched.passed) == ([15], [25], [])


def test_a_worker_that_answers_is_asked_again_after_the_next_silence(clock: Clock) -> None:
    watched = Watched(clock, HEARTBEAT)
    for _ in range(4):
        clock.move(15)
        clock.move(5)
        watched.watch.heard()
    assert watched.pings == [15, 35, 55, 75]
    assert watched.hung_at == []


def test_the_next_silence_is_noticed_however_long_an_answer_may_take(clock: Clock) -> None:
    watched = Watched(clock, Supervision(heartbeat_seconds=2, answer_seconds=90))
    for _ in range(3):
        clock.move(2)
        watched.watch.heard()
    assert watched.pings == [2, 4, 6]


def test_a_worker_that_answers_pings_is_still_held_to_its_deadlines(clock: Clock) -> None:
    watched = Watched(clock, HEARTBEAT, first_chunk=40)
    for _ in range(8):
        clock.move(5)
        watched.watch.heard()
    assert watched.passed == ["first_chunk"]
    assert watched.hung_at == []


def test_whoever_keeps_talking_is_not_asked(clock: Clock) -> None:
    watched = Watched(clock, HEARTBEAT)
    for step in range(20):
        clock.move(14)
        if step % 2:
            watched.watch.heard()
        else:
            watched.watch.chunk()
            watched.watch.waiting()
    assert watched.pings == []


def test_nobody_is_asked_while_the_reader_keeps_the_worker_waiting(clock: Clock) -> None:
    watched = Watched(clock, HEARTBEAT)
    watched.watch.chunk()
    for _ in range(10):
        clock.move(20)
    assert watched.pings == []
    watched.watch.waiting()
    clock.move(14.9)
    assert watched.pings == []
    clock.move(0.1)
    assert watched.pings == [215]


def test_a_worker_that_was_asked_before_the_reader_left_is_asked_anew(clock: Clock) -> None:
    watched = Watched(clock, HEARTBEAT)
    clock.move(15)
    watched.watch.chunk()
    clock.move(60)
    watched.watch.waiting()
    clock.move(12)
    clock.move(3)
    assert watched.hung_at == []
    assert watched.pings == [15, 90]


def test_an_answer_that_nobody_has_read_yet_counts(clock: Clock) -> None:
    watched = Watched(clock, HEARTBEAT, first_chunk=500)
    watched.unread = True
    clock.move(15)
    clock.move(60)
    assert watched.hung_at == []
    watched.unread = False
    clock.move(15)
    clock.move(10)
    assert watched.pings == [15, 90]
    assert watched.hung_at == [100]


def test_who_can_not_be_asked_is_held_to_the_deadlines_alone(clock: Clock) -> None:
    watched = Watched(clock, HEARTBEAT, first_chunk=50)
    watched.can_be_pinged = False
    for second in range(50):
        clock.move(1)
        if second == 20:
            watched.watch.heard()
    assert watched.pings == [15]
    assert watched.hung_at == []
    assert watched.passed == ["first_chunk"]


def test_a_heartbeat_of_no_time_is_none(clock: Clock) -> None:
    watched = Watched(clock, NO_HEARTBEAT, first_chunk=500)
    clock.move(499)
    assert watched.pings == []


@pytest.mark.parametrize("name", list(Deadline))
def test_each_deadline_has_an_error_that_names_it_and_a_count(name: Deadline) -> None:
    limits = TimeLimits(Deadlines(), Supervision())
    error = limits.late(name, "detail")
    assert f"`{name}` deadline" in error.message
    assert f"`deadlines.{name}`" in error.message
    assert f"{getattr(Deadlines(), name):g} s" in error.message
    assert error.detail == "detail"
    assert isinstance(error, WorkerStartFailed if name is Deadline.START else TurnTimeout)
    assert limits.passed == {each: int(each is name) for each in Deadline}


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
    assert provider.status().deadlines == {each: int(each == name) for each in Deadline}


@pytest.mark.anyio
async def test_a_slow_reader_does_not_make_the_program_late(
    provide: Callable[..., Any], request_for: Request, until: Until
) -> None:
    provider = provide(Deadlines(idle=0.02))
    stream = await provider.open_turn(request_for('[["text","a"],"hang"]'))
    worker = stream._lease.member.worker
    batches = aiter(stream)
    assert await anext(batches) == [TextChunk("a")]
    stream._watch._check()  # by itself it would look with the first heartbeat
    # It has had its look several times over, and found the reader to be late.
    first_look = stream._watch._handle.when()
    await until(lambda: stream._watch._handle.when() > first_look + 0.1)
    worker.send(b'["turn",[["finish","stop"]]]\n')
    await until(lambda: worker.unread)
    assert len(await anext(batches)) == 1
    await stream.aclose()
    assert provider.status().deadlines["idle"] == 0


@pytest.mark.anyio
async def test_waiting_for_a_worker_counts_for_the_total(
    provide: Callable[..., Any], request_for: Request
) -> None:
    provider = provide(max_workers=1)
    busy = await provider.open_turn(request_for('["hang"]'))
    provider._time_limits = TimeLimits(Deadlines(total=0.05), Supervision())
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
    provider._pool._line._seconds = 0.02
    with pytest.raises(QueueTimeout):
        await provider.open_turn(request_for('["hang"]'))
    await busy.aclose()
