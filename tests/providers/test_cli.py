"""A provider that is a program: tested before it serves, repaired without a restart."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import FinishChunk, TextChunk, Usage
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import (
    Draining,
    HubError,
    InternalError,
    LoginRequired,
    ProviderUnavailable,
    WorkerDied,
    WorkerGarbled,
    WorkerStartFailed,
)
from llm_mcp_hub.providers import self_test
from llm_mcp_hub.providers.conversation import Conversation
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.turn import REPLACEMENTS
from llm_mcp_hub.workers.process import Worker

pytestmark = pytest.mark.anyio

Provide = Callable[..., Any]
Request = Callable[..., TurnRequest]
Read = Callable[..., Awaitable[tuple[list[Any], HubError | None]]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]

STATE = '["state",["finish","stop"]]'


async def turn(provider: Any, request: TurnRequest, read_all: Read) -> list[Any]:
    """One whole turn; what the program said of its state."""
    stream = await provider.open_turn(request)
    chunks, error = await read_all(stream)
    await stream.aclose()
    if error is not None:
        raise error
    assert isinstance(chunks[-1], FinishChunk)
    found: list[Any] = json.loads(chunks[0].text)
    return found


# The self-test


async def test_requests_that_come_during_the_self_test_wait_for_it(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide()
    states = await asyncio.gather(*(turn(provider, request_for(STATE), read_all) for _ in range(4)))
    assert len({state[0] for state in states}) == 4
    # One worker for the test and one for each conversation, so there was one test.
    assert provider.started == 5
    assert provider.status().version == "1.0"
    assert [card.name for card in await provider.models()] == ["m"]


@pytest.mark.parametrize(
    ("answers", "kind", "detail"),
    [
        ({"probe": ["die"]}, WorkerStartFailed, "broken beyond repair"),
        ({"probe": ["hang"]}, WorkerStartFailed, None),
        ({"probe": [["nonsense"]]}, WorkerStartFailed, "KeyError"),
        ({"probe": [["login"]]}, LoginRequired, None),
        ({"inspect": ["die"]}, WorkerStartFailed, "broken beyond repair"),
        ({"inspect": ["hang"]}, WorkerStartFailed, None),
        ({"inspect": [["inspect", "refused"]]}, LoginRequired, None),
    ],
)
async def test_a_failed_self_test_makes_the_provider_unavailable_with_its_reason(
    provide: Provide, request_for: Request, answers: Any, kind: type[HubError], detail: str | None
) -> None:
    provider = provide(Deadlines(start=0.3 if "hang" in str(answers) else 20.0))
    provider.answers = answers
    with pytest.raises(kind) as failure:
        await provider.open_turn(request_for(STATE))
    assert detail is None or detail in (failure.value.detail or "")
    status = provider.status()
    assert status.state is ProviderState.UNAVAILABLE
    assert status.reason == failure.value.message
    assert [card.name for card in await provider.models()] == ["fallback"]


@pytest.mark.parametrize("where", ["trouble", "too_old"])
@pytest.mark.parametrize("error", [ProviderUnavailable("Install it."), KeyError("a defect")])
async def test_whatever_keeps_the_program_from_starting_is_a_visible_state(
    provide: Provide, request_for: Request, where: str, error: Exception
) -> None:
    provider = provide()
    setattr(provider, where, error)
    expected = type(error) if isinstance(error, HubError) else InternalError
    with pytest.raises(expected):
        await provider.open_turn(request_for(STATE))
    assert provider.status().state is ProviderState.UNAVAILABLE
    assert provider.status().reason


async def test_a_repaired_program_is_tried_again_and_not_before_its_time(
    provide: Provide, request_for: Request, read_all: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provide()
    provider.trouble = ProviderUnavailable("Install it.")
    for _ in range(3):
        with pytest.raises(ProviderUnavailable):
            await provider.open_turn(request_for(STATE))
    provider.trouble = None
    with pytest.raises(ProviderUnavailable):
        await provider.open_turn(request_for(STATE))
    assert provider.started == 0
    monkeypatch.setattr(self_test, "RETEST_SECONDS", 0.0)
    assert await turn(provider, request_for(STATE), read_all)
    assert provider.status().state is ProviderState.AVAILABLE
    assert provider.status().reason == ""


async def test_each_caller_gets_an_error_of_his_own(provide: Provide, request_for: Request) -> None:
    provider = provide()
    provider.trouble = ProviderUnavailable("Install it.")
    errors = await asyncio.gather(
        *(provider.open_turn(request_for(STATE)) for _ in range(3)), return_exceptions=True
    )
    assert len(set(map(id, errors))) == 3


async def test_closing_during_the_self_test_leaves_nothing_and_refuses_those_who_wait(
    provide: Provide, request_for: Request, until: Until, remains: Any
) -> None:
    provider = provide()
    provider.answers = {"probe": ["hang"]}
    await provider.start()
    waiting = asyncio.create_task(provider.open_turn(request_for(STATE)))
    await until(lambda: provider.started == 1 and remains.now() != remains.before)
    async with asyncio.timeout(20):
        await provider.aclose()
        await asyncio.wait([waiting])
    assert isinstance(waiting.exception(), Draining)
    remains.check()


async def test_a_caller_who_leaves_during_the_self_test_does_not_end_it(
    provide: Provide, request_for: Request, until: Until
) -> None:
    provider = provide()
    waiting = asyncio.create_task(provider.open_turn(request_for(STATE)))
    await until(lambda: provider._supervisor._test.under_way)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await until(lambda: provider.status().state is ProviderState.AVAILABLE)


# The login


async def test_a_refused_login_shows_until_a_turn_succeeds(
    provide: Provide, request_for: Request, read_all: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provide(min_spare=1, max_workers=4)
    pid = (await turn(provider, request_for(STATE), read_all))[0]
    assert provider._verified_at
    provider._supervisor._test._ended_at = float("-inf")
    with pytest.raises(LoginRequired):
        await turn(provider, request_for('[["login"]]'), read_all)
    assert provider.status().state is ProviderState.UNAVAILABLE
    assert provider.status().reason == "The login was refused."
    assert provider.status().pool.parked == provider.status().pool.blank == 0
    started = provider.started
    with pytest.raises(LoginRequired):
        await turn(provider, request_for(STATE), read_all)
    assert provider.started == started
    monkeypatch.setattr(self_test, "RETEST_SECONDS", 0.0)
    stream = await provider.open_turn(request_for(STATE, "answer", STATE))
    # The self-test has passed, but it can't know what only the vendor can say.
    assert provider.status().state is ProviderState.UNAVAILABLE
    chunks, error = await read_all(stream)
    await stream.aclose()
    assert error is None
    assert json.loads(chunks[0].text)[0] != pid
    assert provider.status().state is ProviderState.AVAILABLE


async def test_a_turn_that_succeeds_beside_a_refused_one_clears_the_status(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide()
    good = await provider.open_turn(request_for(STATE))
    with pytest.raises(LoginRequired):
        await turn(provider, request_for('[["login"]]'), read_all)
    assert provider.status().state is ProviderState.UNAVAILABLE
    await read_all(good)
    await good.aclose()
    assert provider.status().state is ProviderState.AVAILABLE
    # It was started before the refusal all the same.
    assert provider.status().pool.parked == 0


async def test_a_program_that_is_gone_later_leaves_those_that_run_serving(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide()
    stream = await provider.open_turn(request_for(STATE))
    chunks, _ = await read_all(stream)
    await stream.aclose()
    provider.trouble = ProviderUnavailable("Install it again.")
    for _ in range(2):
        with pytest.raises(ProviderUnavailable):
            await provider.open_turn(request_for(STATE))
    assert provider.status().state is ProviderState.AVAILABLE
    assert "Install it again." in provider.status().warning
    answer = chunks[0].text
    pid = json.loads(answer)[0]
    steps = request_for(STATE, answer, '["state","die"]')
    stream = await provider.open_turn(steps)
    chunks, _ = await read_all(stream)
    await stream.aclose()
    assert json.loads(chunks[0].text)[0] == pid
    # That was the last one.
    assert provider.status().state is ProviderState.UNAVAILABLE
    assert provider.status().reason == "Install it again."
    assert provider.status().warning == ""


async def test_a_single_failed_start_does_not_make_the_provider_unavailable(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide(max_workers=1)
    await turn(provider, request_for(STATE), read_all)
    provider.answers = {"probe": ["die"]}
    with pytest.raises(WorkerStartFailed):
        await provider.open_turn(request_for(STATE))
    assert provider.status().state is ProviderState.AVAILABLE
    provider.answers = {}
    assert await turn(provider, request_for(STATE), read_all)


# Turns


async def test_a_continued_worker_is_told_so_and_a_lost_one_gets_the_history(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide(max_workers=4)
    stream = await provider.open_turn(request_for(STATE))
    chunks, _ = await read_all(stream)
    await stream.aclose()
    answer = chunks[0].text
    pid, continued, turns = json.loads(answer)
    assert (continued, turns) == (False, 1)
    again = await turn(provider, request_for(STATE, answer, STATE), read_all)
    assert again == [pid, True, 2]
    lost = await turn(provider, request_for(STATE, answer, STATE), read_all)
    assert lost[0] != pid
    assert lost[1:] == [False, 1]


@pytest.mark.parametrize("aside", ["", '["quota","day",0.5],["pong"],'])
async def test_a_worker_that_dies_of_its_turn_is_not_replaced_for_ever(
    provide: Provide, request_for: Request, read_all: Read, aside: str
) -> None:
    provider = provide()
    stream = await provider.open_turn(request_for('[["text","a"],["finish","stop"]]'))
    await read_all(stream)
    await stream.aclose()
    started = provider.started
    stream = await provider.open_turn(
        request_for('[["text","a"],["finish","stop"]]', "a", f'[{aside}"die"]')
    )
    chunks, error = await read_all(stream)
    await stream.aclose()
    assert chunks == []
    assert isinstance(error, WorkerDied)
    assert provider.started == started + REPLACEMENTS


@pytest.mark.parametrize(
    ("steps", "kind"),
    [
        ('[["text","a"],"die"]', WorkerDied),
        ('[["text","a"],"garbage"]', WorkerGarbled),
        ('[["text","a"],["nonsense"]]', WorkerGarbled),
        ('[["text","a"],["login"]]', LoginRequired),
    ],
)
async def test_a_turn_that_fails_raises_after_its_chunks_and_its_worker_is_not_kept(
    provide: Provide, request_for: Request, steps: str, kind: type[HubError], until: Until
) -> None:
    provider = provide()
    stream = await provider.open_turn(request_for(steps))
    conversation = stream._lease.member
    chunks: list[Any] = []
    with pytest.raises(kind):
        await collect(stream, chunks)
    assert conversation.alive == (kind is LoginRequired)
    assert chunks == [TextChunk("a")]
    await stream.aclose()
    await until(conversation.worker.exited.done)
    assert provider.status().pool.parked == provider.status().pool.claimed == 0


@pytest.mark.parametrize(
    ("steps", "used"),
    [
        ('[["used",3],["text","a"],["used",5],["login"]]', 5),
        ('[["together",["used",3],["login"]]]', 3),
        ('[["used",3],["text","a"],"die"]', 3),
        ('[["together",["used",3],["nonsense"]]]', 3),
        ('[["text","a"],["login"]]', 0),
        ('[["used",3],["text","a"],["finish","stop"]]', 1),
    ],
)
async def test_what_a_turn_has_used_is_known_however_it_ends(
    provide: Provide, request_for: Request, read_all: Read, steps: str, used: int
) -> None:
    stream = await provide().open_turn(request_for(steps))
    assert stream.usage == Usage()
    await read_all(stream)
    assert stream.usage == Usage(output_tokens=used)
    await stream.aclose()
    assert stream.usage == Usage(output_tokens=used)


async def test_what_a_turn_has_used_that_is_given_up_is_known(
    provide: Provide, request_for: Request
) -> None:
    stream = await provide().open_turn(request_for('[["used",3],["text","a"],"hang"]'))
    async for _ in stream:
        break
    await stream.aclose()
    assert stream.usage == Usage(output_tokens=3)


async def test_a_worker_that_dies_once_it_has_used_something_is_not_replaced(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide()
    stream = await provider.open_turn(request_for('[["used",3],"die"]'))
    started = provider.started
    _, error = await read_all(stream)
    await stream.aclose()
    assert isinstance(error, WorkerDied)
    assert (provider.started, stream.usage) == (started, Usage(output_tokens=3))


async def test_a_parked_worker_that_dies_after_it_has_spoken_is_not_replaced(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide()
    first = '[["text","a"],["finish","stop"]]'
    stream = await provider.open_turn(request_for(first))
    await read_all(stream)
    await stream.aclose()
    started = provider.started
    stream = await provider.open_turn(request_for(first, "a", '[["text","b"],"die"]'))
    assert stream._lease.continued
    chunks, error = await read_all(stream)
    await stream.aclose()
    assert chunks == [TextChunk("b")]
    assert isinstance(error, WorkerDied)
    assert provider.started == started


async def test_a_worker_that_fails_right_after_the_last_chunk_is_not_kept(
    provide: Provide, request_for: Request, read_all: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provide()
    monkeypatch.setattr(provider, "_turn_ended", lambda _: None)  # it alone would end the worker
    steps = '[["together",["text","a"],["finish","stop"],["login"]]]'
    stream = await provider.open_turn(request_for(steps))
    chunks, error = await read_all(stream)
    await stream.aclose()
    assert len(chunks) == 2
    assert isinstance(error, LoginRequired)
    assert provider.status().pool.parked == 0


async def test_a_turn_given_up_says_nothing_about_the_login(
    provide: Provide, request_for: Request, read_all: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provide()
    ended: list[object] = []
    monkeypatch.setattr(provider, "_turn_ended", ended.append)
    stream = await provider.open_turn(request_for('["hang"]'))
    reading = asyncio.create_task(read_all(stream))
    await asyncio.sleep(0)
    await stream.aclose()
    assert isinstance((await reading)[1], WorkerDied)
    assert ended == []


async def collect(stream: Any, chunks: list[Any]) -> None:
    async for batch in stream:
        chunks += batch


async def test_a_reader_that_stops_at_the_last_chunk_has_had_a_whole_turn(
    provide: Provide, request_for: Request
) -> None:
    provider = provide()
    stream = await provider.open_turn(request_for(STATE))
    async for batch in stream:
        if isinstance(batch[-1], FinishChunk):
            break
    await stream.aclose()
    assert provider._verified_at
    assert provider.status().pool.parked == 1


async def test_a_defect_of_the_dialect_at_the_beginning_loses_no_worker(
    provide: Provide, request_for: Request, until: Until
) -> None:
    provider = provide(max_workers=1)
    with pytest.raises(KeyError):
        await provider.open_turn(request_for("defect"))
    assert provider.status().pool.claimed == 0
    stream = await provider.open_turn(request_for(STATE))
    await stream.aclose()
    await until(lambda: provider.status().pool.claimed == 0)


async def test_a_defect_of_the_dialect_at_the_end_loses_no_worker(
    provide: Provide, request_for: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provide(max_workers=1)
    stream = await provider.open_turn(request_for('["hang"]'))

    def defect(_: Conversation) -> None:
        raise KeyError

    monkeypatch.setattr(Conversation, "interrupt", defect)
    with pytest.raises(KeyError):
        await stream.aclose()
    assert provider.status().pool.claimed == 0


async def test_what_the_vendor_tells_of_its_limits_shows_in_the_status(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide()
    steps = (
        '[["quota","day",0.5],["quota","week",0.1],["quota","day",0.6],"state",["finish","stop"]]'
    )
    await turn(provider, request_for(steps), read_all)
    assert {w.name: w.utilization for w in provider.status().quota} == {"day": 0.6, "week": 0.1}


async def test_a_start_that_hangs_before_the_program_runs_is_given_up(
    provide: Provide, request_for: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_spec: object) -> Worker:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(Worker, "start", never)
    provider = provide(Deadlines(start=0.02))
    with pytest.raises(WorkerStartFailed, match="no sign of life"):
        await provider.open_turn(request_for(STATE))


async def test_closing_is_bounded_with_turns_starts_and_waiters_under_way(
    provide: Provide, request_for: Request, remains: Any, until: Until
) -> None:
    provider = provide(max_workers=2)
    busy = await provider.open_turn(request_for('["hang"]'))
    provider.answers = {"probe": ["hang"]}
    starting = asyncio.create_task(provider.open_turn(request_for(STATE)))
    waiting = asyncio.create_task(provider.open_turn(request_for(STATE)))
    await until(lambda: provider.status().pool.queued == 2)
    async with asyncio.timeout(20):
        await asyncio.gather(provider.aclose(), provider.aclose())
        await asyncio.wait([starting, waiting])
    assert isinstance(starting.exception(), Draining)
    assert isinstance(waiting.exception(), Draining)
    remains.check()
    await busy.aclose()


async def test_what_a_worker_says_to_its_interruption_is_no_answer(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide()
    stream = await provider.open_turn(request_for('["hang"]'))
    reading = asyncio.create_task(read_all(stream))
    await asyncio.sleep(0)
    stream._lease.member.worker._take(b'["text","late"]\n["finish","stop"]\n')
    await stream.aclose()
    chunks, error = await reading
    assert chunks == []
    assert isinstance(error, WorkerDied)
    assert provider._verified_at is None


async def test_a_turn_given_up_while_its_worker_is_replaced_takes_no_other(
    provide: Provide, request_for: Request, read_all: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provide()
    first = '[["text","a"],["finish","stop"]]'
    stream = await provider.open_turn(request_for(first))
    await read_all(stream)
    await stream.aclose()
    stream = await provider.open_turn(request_for(first, "a", '["die"]'))
    claim, asked, gate = provider._pool.claim, asyncio.Event(), asyncio.Event()

    async def slow_claim(*arguments: object, **options: object) -> object:
        asked.set()
        await gate.wait()
        return await claim(*arguments, **options)

    monkeypatch.setattr(provider._pool, "claim", slow_claim)
    reading = asyncio.create_task(read_all(stream))
    async with asyncio.timeout(20):
        await asked.wait()
        await stream.aclose()
        gate.set()
        chunks, error = await reading
    assert chunks == []
    assert isinstance(error, WorkerDied)
    assert provider.status().pool.claimed == 0
