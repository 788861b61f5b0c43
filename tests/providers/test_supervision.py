"""Supervision with a real program: hung workers, crashes, updates, and recovery from each."""

import asyncio
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import FinishChunk, TextChunk
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import HubError, ProviderUnavailable, WorkerDied, WorkerHung
from llm_mcp_hub.providers import self_test
from llm_mcp_hub.providers.conversation import Conversation
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.providers.turn import REPLACEMENTS

pytestmark = pytest.mark.anyio

Provide = Callable[..., Any]
Request = Callable[..., TurnRequest]
Read = Callable[..., Awaitable[tuple[list[Any], HubError | None]]]
Until = Callable[[Callable[[], bool]], Awaitable[None]]

STATE = '["state",["finish","stop"]]'
QUICK = Supervision(heartbeat_seconds=0.05, answer_seconds=0.3, resting_seconds=0)
RESTING = Supervision(heartbeat_seconds=0, answer_seconds=0.3, resting_seconds=0.05)


async def turn(provider: Any, request: TurnRequest, read_all: Read) -> list[Any]:
    """One whole turn."""
    stream = await provider.open_turn(request)
    chunks, error = await read_all(stream)
    await stream.aclose()
    if error is not None:
        raise error
    assert isinstance(chunks[-1], FinishChunk)
    return chunks


def pids(provider: Any) -> list[int]:
    """The workers that can be used, in no order."""
    return [one.pid for one in provider.workers() if one.state != "ending"]


# Hung workers


async def test_a_worker_that_hangs_before_it_has_spoken_is_replaced_within_the_turn(
    provide: Provide,
    request_for: Request,
    read_all: Read,
    until: Until,
    running: Callable[[int], bool],
) -> None:
    provider = provide(supervision=QUICK)
    answer = (await turn(provider, request_for(STATE), read_all))[0].text
    (parked,) = provider._pool.idle()
    parked.worker._spawned.signal(signal.SIGSTOP)
    chunks = await turn(provider, request_for(STATE, answer, STATE), read_all)
    pid, continued, turns = json.loads(chunks[0].text)
    assert pid != parked.pid
    assert (continued, turns) == (False, 1)
    await until(lambda: not running(parked.pid))


async def test_a_worker_that_freezes_at_its_turn_is_replaced_and_no_more_often_than_a_dead_one(
    provide: Provide, request_for: Request, read_all: Read
) -> None:
    provider = provide(supervision=QUICK, max_workers=4)
    await turn(provider, request_for(STATE), read_all)
    started = provider.started
    with pytest.raises(WorkerHung) as failure:
        await turn(provider, request_for('["freeze"]'), read_all)
    assert provider.started == started + 1 + REPLACEMENTS
    assert "sign of life" in failure.value.message
    assert not failure.value.retryable


async def test_a_worker_that_hangs_after_it_has_spoken_ends_the_turn_and_is_killed(
    provide: Provide,
    request_for: Request,
    read_all: Read,
    until: Until,
    running: Callable[[int], bool],
) -> None:
    provider = provide(supervision=QUICK)
    stream = await provider.open_turn(request_for('[["text","a"],"freeze"]'))
    pid = stream._lease.member.worker.pid
    chunks, error = await read_all(stream)
    assert chunks == [TextChunk("a")]
    assert isinstance(error, WorkerHung)
    await until(lambda: not running(pid))
    await stream.aclose()
    assert provider.status().pool.parked == 0


async def test_a_slow_worker_that_answers_pings_is_not_given_up(
    provide: Provide, request_for: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provide(supervision=Supervision(heartbeat_seconds=0.02))
    stream = await provider.open_turn(request_for('["hang"]'))
    conversation = stream._lease.member
    answers, enough = 0, asyncio.Event()
    understand = conversation.dialect.receive

    def count(lines: list[bytes]) -> list[Any]:
        nonlocal answers
        answers += lines.count(b'["pong"]')
        if answers == 5:  # each was asked for anew, so the one before it was accepted
            enough.set()
        found: list[Any] = understand(lines)
        return found

    monkeypatch.setattr(conversation.dialect, "receive", count)
    reading = asyncio.create_task(anext(aiter(stream)))
    async with asyncio.timeout(20):
        await enough.wait()
    assert conversation.alive
    reading.cancel()
    await asyncio.wait([reading])
    await stream.aclose()


async def test_a_worker_without_a_ping_is_left_to_the_deadlines(
    provide: Provide, request_for: Request, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    provider = provide(supervision=QUICK)
    stream = await provider.open_turn(request_for('["hang"]'))
    conversation = stream._lease.member
    asked: list[bool] = []
    monkeypatch.setattr(conversation.dialect, "ping", lambda: bool(asked.append(True)))
    await until(lambda: asked == [True])
    await until(lambda: stream._watch._handle.when() > asyncio.get_running_loop().time() + 10)
    assert conversation.alive
    await stream.aclose()


async def test_resting_workers_that_hang_are_given_up_and_the_spare_is_started_again(
    provide: Provide,
    request_for: Request,
    read_all: Read,
    until: Until,
    running: Callable[[int], bool],
) -> None:
    provider = provide(supervision=RESTING, min_spare=1, max_workers=3)
    await turn(provider, request_for(STATE), read_all)
    await until(lambda: provider.status().pool.blank == 1)
    resting = provider._pool.idle()
    assert len(resting) == 2
    for conversation in resting:
        conversation.worker._spawned.signal(signal.SIGSTOP)
    stopped = {conversation.worker.pid for conversation in resting}
    await until(lambda: not any(map(running, stopped)))
    await until(lambda: provider.status().pool.blank == 1 and not stopped & set(pids(provider)))
    assert provider.status().pool.parked == 0
    assert provider.status().state is ProviderState.AVAILABLE


async def test_resting_workers_that_live_are_kept_however_often_they_are_asked(
    provide: Provide, request_for: Request, read_all: Read, until: Until
) -> None:
    provider = provide(min_spare=1, max_workers=3)
    answer = (await turn(provider, request_for(STATE), read_all))[0].text
    await until(lambda: provider.status().pool.blank == 1)
    before = provider._pool.idle()
    assert len(before) == 2
    for _ in range(3):
        provider._resting._ask()
        await until(lambda: all(one.worker.unread for one in before))
        provider._resting._look()
    assert provider._pool.idle() == before
    again = await turn(provider, request_for(STATE, answer, STATE), read_all)
    assert json.loads(again[0].text) == [json.loads(answer)[0], True, 2]


async def test_a_worker_that_is_claimed_while_it_is_asked_serves_its_turn(
    provide: Provide, request_for: Request, read_all: Read, until: Until
) -> None:
    provider = provide(min_spare=1)
    await provider.start()
    await until(lambda: provider.status().pool.blank == 1)
    (conversation,) = provider._pool.idle()
    provider._resting._ask()
    stream = await provider.open_turn(request_for(STATE))
    assert stream._lease.member is conversation
    chunks, error = await read_all(stream)
    await stream.aclose()
    assert error is None
    assert len(chunks) == 2
    # Its answer came during the turn: it owes none any more.
    provider._resting._look()
    assert conversation.alive
    assert provider.status().pool.parked == 1


async def test_an_answer_to_a_ping_does_not_keep_a_dead_worker_from_being_replaced(
    provide: Provide, request_for: Request, read_all: Read, until: Until
) -> None:
    provider = provide(min_spare=1)
    await provider.start()
    await until(lambda: provider.status().pool.blank == 1)
    (conversation,) = provider._pool.idle()
    provider._resting._ask()
    await until(lambda: conversation.worker.unread)
    stream = await provider.open_turn(request_for('["die"]'))
    assert stream._lease.member is conversation
    _, error = await read_all(stream)
    await stream.aclose()
    assert isinstance(error, WorkerDied)
    assert stream._replacements == 0


async def test_a_resting_worker_that_garbles_is_given_up(
    provide: Provide, until: Until, running: Callable[[int], bool]
) -> None:
    provider = provide(min_spare=1)
    provider.answers = {"ping": [["nonsense"]]}
    await provider.start()
    await until(lambda: provider.status().pool.blank == 1)
    (conversation,) = provider._pool.idle()
    provider._resting._ask()
    await until(lambda: bool(conversation.worker._lines))  # read, not only written
    provider._resting._look()
    assert not conversation.alive
    await until(lambda: not running(conversation.worker.pid))


# A program that breaks, and is repaired


async def test_a_program_that_crashes_in_a_loop_is_stopped_and_recovers_when_it_is_repaired(
    provide: Provide,
    request_for: Request,
    read_all: Read,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(self_test, "RETEST_SECONDS", 1000.0)
    provider = provide(supervision=Supervision(max_crashes=2), max_workers=4)
    provider._supervisor._test._backoff._first = 0.05
    await turn(provider, request_for(STATE), read_all)
    provider.answers = {"probe": ["die"]}
    for _ in range(3):
        with pytest.raises(HubError):
            await provider.open_turn(request_for(STATE))
    assert provider.status().state is ProviderState.UNAVAILABLE
    assert "more than 2 times" in provider.status().reason
    assert provider.status().pool.paused
    started = provider.started
    with pytest.raises(ProviderUnavailable) as failure:
        await provider.open_turn(request_for(STATE))
    assert failure.value.retry_after
    # Broken still: it is tested by itself, and nothing else is started.
    await until(lambda: provider.started >= started + 2)
    assert provider.status().state is ProviderState.UNAVAILABLE
    provider.answers = {}
    await until(lambda: provider.status().state is ProviderState.AVAILABLE)
    assert provider.status().reason == ""
    assert await turn(provider, request_for(STATE), read_all)


async def test_workers_that_die_while_they_rest_count(provide: Provide, until: Until) -> None:
    provider = provide(supervision=Supervision(max_crashes=0), min_spare=1)
    await provider.start()
    await until(lambda: provider.status().pool.blank == 1)
    (conversation,) = provider._pool.idle()
    conversation.worker._spawned.signal(signal.SIGKILL)
    await until(lambda: provider.status().state is ProviderState.UNAVAILABLE)
    assert "exit status -9" in provider.status().reason


async def test_workers_that_the_hub_stops_do_not_count(
    provide: Provide, request_for: Request, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provide(supervision=Supervision(max_crashes=0), max_workers=2)
    lost: list[HubError] = []
    monkeypatch.setattr(provider._supervisor, "lost", lost.append)
    for _ in range(3):
        stream = await provider.open_turn(request_for('["hang"]'))
        conversation: Conversation = stream._lease.member
        await stream.aclose()
        await until(conversation.worker.exited.done)
    assert lost == []
    assert provider.status().state is ProviderState.AVAILABLE


async def test_a_failed_self_test_at_the_start_needs_no_request_to_be_repeated(
    provide: Provide, until: Until
) -> None:
    provider = provide(min_spare=1)
    provider._supervisor._test._backoff._first = 0.05
    provider.trouble = ProviderUnavailable("Install it.")
    await provider.start()
    await until(lambda: provider.status().state is ProviderState.UNAVAILABLE)
    provider.trouble = None
    await until(lambda: provider.status().state is ProviderState.AVAILABLE)
    await until(lambda: provider.status().pool.blank == 1)


# What is told


async def test_what_happens_to_workers_is_logged_with_its_provider_and_process(
    provide: Provide, request_for: Request, read_all: Read, until: Until
) -> None:
    provider = provide()
    with structlog.testing.capture_logs() as lines:
        answer = (await turn(provider, request_for(STATE), read_all))[0].text
        pid = json.loads(answer)[0]
        stream = await provider.open_turn(request_for(STATE, answer, '[["text","a"],"die"]'))
        await read_all(stream)
        await stream.aclose()
    mine = [line for line in lines if line.get("pid") == pid]
    assert all(line["provider"] == "scripted" for line in mine)
    # The turn may give it back before the pool has heard of its end.
    assert mine.pop()["event"] in {"worker.died", "worker.discarded"}
    assert [(line["event"], line["log_level"], line["reason"]) for line in mine] == [
        ("worker.started", "info", ""),
        ("worker.claimed", "debug", "blank"),
        ("worker.parked", "debug", ""),
        ("worker.claimed", "debug", "parked"),
    ]
    (lost,) = (line for line in lines if line["event"] == "worker.lost")
    assert lost["code"] == "worker_died"
    assert f"pid {pid}" in lost["detail"]


async def test_its_workers_are_shown_with_what_they_do(
    provide: Provide, request_for: Request, read_all: Read, until: Until
) -> None:
    provider = provide(min_spare=1, max_workers=4)
    answer = (await turn(provider, request_for(STATE), read_all))[0].text
    busy = await provider.open_turn(request_for('["hang"]'))
    await until(lambda: provider.status().pool.blank == 1)
    shown = {one.state.value: one for one in provider.workers()}
    assert shown.keys() == {"blank", "parked", "claimed"}
    assert shown["parked"].pid == json.loads(answer)[0]
    assert shown["claimed"].pid == busy._lease.member.pid
    await busy.aclose()


# A program that is replaced


def replace(program: Path, text: str) -> None:
    """As an update does: another file in the place of the old one."""
    other = program.with_name("update")
    other.write_text(text)
    other.replace(program)


async def test_an_update_that_works_takes_over_and_interrupts_nobody(
    provide: Provide, request_for: Request, read_all: Read, until: Until
) -> None:
    provider = provide(min_spare=1, max_workers=4)
    chunks = await turn(provider, request_for(STATE), read_all)
    await until(lambda: provider.status().pool.blank == 1)
    answer = chunks[0].text
    busy = await provider.open_turn(request_for('[["text","a"],["finish","stop"]]'))
    old = set(pids(provider))
    updated = provider.program.read_text().replace(
        "[[ANSWERS.get(verb, verb)]]",
        '[["ready", "2.0"] if verb == "probe" else [ANSWERS.get(verb, verb)]]',
    )
    replace(provider.program, updated)
    provider._supervisor._test._look_now()
    await until(lambda: provider.status().version == "2.0" and provider.status().pool.parked == 0)
    chunks, error = await read_all(busy)
    await busy.aclose()
    assert error is None
    assert [type(chunk) for chunk in chunks] == [TextChunk, FinishChunk]
    # Neither the parked one nor the one that was busy serves another turn.
    again = await turn(provider, request_for(STATE, answer, STATE), read_all)
    assert json.loads(again[0].text)[0] not in old
    await until(lambda: not old & set(pids(provider)))
    assert provider.status().warning == ""


async def test_an_update_that_fails_leaves_the_old_workers_serving_until_it_is_repaired(
    provide: Provide,
    request_for: Request,
    read_all: Read,
    until: Until,
    running: Callable[[int], bool],
) -> None:
    provider = provide(min_spare=1, max_workers=4)
    chunks = await turn(provider, request_for(STATE), read_all)
    await until(lambda: provider.status().pool.blank == 1)
    answer = chunks[0].text
    parked = json.loads(answer)[0]
    good = provider.program.read_text()
    (blank,) = (one.pid for one in provider.workers() if one.state == "blank")
    replace(provider.program, "import sys; sys.exit('a broken update')")
    # The claim takes the blank, and the spare in its place would be of the update.
    fresh = await turn(provider, request_for(STATE), read_all)
    assert json.loads(fresh[0].text)[0] == blank
    await until(lambda: bool(provider.status().warning))
    assert provider.status().state is ProviderState.AVAILABLE
    assert provider.status().pool.paused
    again = await turn(provider, request_for(STATE, answer, STATE), read_all)
    assert json.loads(again[0].text) == [parked, True, 2]
    # Whoever needs a fresh one is told why there is none.
    with pytest.raises(HubError, match="ended or misbehaved while it started"):
        await provider.open_turn(request_for(STATE, "something else", STATE))
    replace(provider.program, good)
    provider._supervisor._test._look_now()
    await until(lambda: provider.status().pool.blank == 1)
    assert provider.status().warning == ""
    assert await turn(provider, request_for(STATE, "something else", STATE), read_all)
