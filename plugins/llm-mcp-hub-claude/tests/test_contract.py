"""What the provider promises, with the fake tool and with the real one."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from llm_mcp_hub.domain.chat import Effort, ImagePart, ToolCallPart, ToolResultPart, TurnOptions
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import (
    ContextTooLong,
    HubError,
    InvalidRequest,
    LoginRequired,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderStreamCut,
    RequestTooLarge,
    TurnTimeout,
    UnknownModel,
    WorkerDied,
)
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.dialect import Event, Pong
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub_claude.dialect import ClaudeDialect
from llm_mcp_hub_claude.provider import ClaudeProvider
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi, Reply, ToolCall
from llm_mcp_hub_claude.testing.turns import Outcome, message, run_turn, turn_request

pytestmark = pytest.mark.anyio

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def text(*texts: str) -> list[dict[str, object]]:
    return [{"type": "text", "text": each} for each in texts]


async def test_a_turn_is_answered_in_pieces_with_its_usage(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    outcome = await run_turn(provider, turn_request("hello", system="Be brief."))
    assert outcome.completion.text == "echo: hello"
    assert outcome.completion.finish_reason is FinishReason.STOP
    assert outcome.completion.usage == Usage(input_tokens=21, cached_tokens=3, output_tokens=20)
    assert sum(isinstance(chunk, TextChunk) for chunk in outcome.chunks) > 1
    [request] = api.requests
    assert request.system.endswith("Be brief.")
    assert request.conversation == [("user", text("hello"))]
    assert request.body["tools"] == []
    assert "haiku" in request.body["model"]


async def test_the_login_goes_out_as_it_is_and_no_key_of_the_hub_ever(
    make_provider: Callable[..., ClaudeProvider],
    executable: str,
    api: FakeMessagesApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-test")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "test-gateway")
    monkeypatch.setenv("CLAUDE_CODE_USE_BEDROCK", "1")
    provider = make_provider(executable)
    try:
        outcome = await run_turn(provider, turn_request("hello"))
    finally:
        await provider.aclose()
    assert outcome.completion.text == "echo: hello"
    assert api.requests[0].headers["authorization"] == "Bearer sk-ant-oat01-test"
    assert "x-api-key" not in api.requests[0].headers


async def test_without_a_system_prompt_none_of_the_tools_own_is_sent(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    await run_turn(provider, turn_request("hello"))
    assert "Claude Code" not in api.requests[0].system
    assert len(api.requests[0].system) < 200
    # It can't be kept from telling the model its surroundings: those are the worker's own.
    told = [turn[1][0]["text"] for turn in api.requests[0].turns if turn[0] == "system"]
    assert all(str(words).startswith("# Environment") for words in told)
    assert str(Path.cwd()) not in json.dumps(api.requests[0].body)


async def test_the_next_turn_goes_on_in_the_same_worker(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    first = await run_turn(provider, turn_request("one"))
    parked = provider.status().pool.parked
    request = turn_request("one", first.completion.message, "two", "three")
    stream = await provider.open_turn(request)
    assert provider.status().pool.parked == parked - 1
    batches = [chunk async for batch in stream for chunk in batch]
    await stream.aclose()
    assert provider.status().pool.parked == parked
    assert batches
    assert api.requests[-1].conversation == [
        ("user", text("one")),
        ("assistant", text("echo: one")),
        ("user", text("two", "three")),
    ]


async def test_a_history_arrives_as_real_turns(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    image = ImagePart("image/png", PIXEL)
    request = turn_request(
        "a",
        "b",
        message("assistant", "calling", ToolCallPart("toolu_1", "weather", '{"city":"Seoul"}')),
        message("tool", ToolResultPart("toolu_1", "sunny")),
        message("assistant", "It is sunny."),
        message("user", "look", image),
        message("assistant", "A pixel."),
        "and now?",
    )
    outcome = await run_turn(provider, request)
    assert outcome.completion.text == "echo: and now?"
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    call = {"type": "tool_use", "id": "toolu_1", "name": "mcp__client__weather"}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}
    assert len(api.requests) == 1
    assert api.requests[0].conversation == [
        ("user", text("a", "b")),
        ("assistant", [*text("calling"), {**call, "input": {"city": "Seoul"}}]),
        ("user", [result]),
        ("assistant", text("It is sunny.")),
        ("user", [*text("look"), {"type": "image", "source": source}]),
        ("assistant", text("A pixel.")),
        ("user", text("and now?")),
    ]


async def test_reasoning_comes_before_the_answer_and_apart_from_it(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    api.script(Reply(thinking="Let me see."))
    outcome = await run_turn(provider, turn_request("hello"))
    assert outcome.chunks[0] == ReasoningChunk("Let me see.")
    assert outcome.completion.text == "echo: hello"


@pytest.mark.parametrize("words", ["/clear", "/compact", "!ls", "#remember this"])
async def test_what_the_user_says_is_not_a_command(
    provider: ClaudeProvider, api: FakeMessagesApi, words: str
) -> None:
    outcome = await run_turn(provider, turn_request(words))
    assert outcome.completion.text == f"echo: {words}"
    assert api.requests[0].conversation == [("user", text(words))]


async def test_a_file_that_the_user_names_is_not_read(
    provider: ClaudeProvider, api: FakeMessagesApi, tmp_path: Path
) -> None:
    (tmp_path / "secret.txt").write_text("a mark that must not be seen")
    words = f"see @{tmp_path}/secret.txt and @/etc/hostname please"
    await run_turn(provider, turn_request(words))
    await run_turn(provider, turn_request(words, message("assistant", "Which?"), words))
    assert len(api.requests) == 2
    assert "a mark that must not be seen" not in json.dumps([r.body for r in api.requests])
    assert api.requests[0].conversation == [("user", text(words))]


PLAN_LIMIT = {
    "anthropic-ratelimit-unified-status": "rejected",
    "anthropic-ratelimit-unified-representative-claim": "five_hour",
}


@pytest.mark.parametrize(
    ("reply", "error", "retryable"),
    [
        (Reply(status=400, error="messages.0: bad"), InvalidRequest, False),
        (Reply(status=400, error="prompt is too long: 9 > 8"), ContextTooLong, False),
        (Reply(status=404), UnknownModel, False),
        (Reply(status=413), RequestTooLarge, False),
        (Reply(status=429), ProviderRateLimited, True),
        (Reply(status=500), ProviderFailed, True),
        (Reply(status=529), ProviderOverloaded, True),
        (Reply(drop=True), ProviderFailed, True),
    ],
    ids=lambda value: (
        f"{value.status}{'-drop' if value.drop else ''}" if isinstance(value, Reply) else None
    ),
)
async def test_a_failure_of_the_back_end_is_told_as_what_it_is(
    provider: ClaudeProvider,
    api: FakeMessagesApi,
    reply: Reply,
    error: type[HubError],
    retryable: bool,
) -> None:
    api.default = reply
    outcome = await run_turn(provider, turn_request("hello"))
    assert type(outcome.error) is error
    assert outcome.error.retryable is retryable
    assert "scripted" not in outcome.error.message
    assert outcome.error.detail
    assert outcome.chunks == ()
    assert provider.status().state is ProviderState.AVAILABLE


async def test_a_used_up_plan_says_when_it_starts_again(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    headers = {**PLAN_LIMIT, "anthropic-ratelimit-unified-reset": str(int(time.time()) + 7200)}
    api.script(Reply(status=429, headers=headers))
    outcome = await run_turn(provider, turn_request("hello"))
    assert isinstance(outcome.error, ProviderRateLimited)
    assert "5-hour limit" in outcome.error.message
    assert "UTC" in outcome.error.message
    assert outcome.error.retry_after == pytest.approx(7200, abs=60)
    assert outcome.error.retryable is False
    assert [window.name for window in provider.status().quota] == ["five_hour"]
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_login_makes_the_provider_unavailable_with_the_remedy(
    own_provider: ClaudeProvider, api: FakeMessagesApi, status: int
) -> None:
    api.default = Reply(status=status)
    outcome = await run_turn(own_provider, turn_request("hello"))
    assert isinstance(outcome.error, LoginRequired)
    assert "llm-mcp-hub setup claude" in outcome.error.message
    assert own_provider.status().state is ProviderState.UNAVAILABLE
    assert "setup claude" in own_provider.status().reason


async def run_until_released(
    provider: ClaudeProvider, api: FakeMessagesApi, length: int
) -> Outcome:
    """Run a turn whose answer is held; let it go on once so much text has come."""
    stream = await provider.open_turn(turn_request("hello"))
    chunks: list[Chunk] = []
    try:
        async for batch in stream:
            chunks += batch
            if len(Outcome(tuple(chunks)).text) == length:
                api.release()
    except HubError as error:
        return Outcome(tuple(chunks), error)
    finally:
        await stream.aclose()
    return Outcome(tuple(chunks))


async def test_text_is_not_repeated_when_the_stream_breaks(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    api.script(Reply(text="abcdefghij", hold_after=3, then="cut"))
    outcome = await run_until_released(provider, api, 6)
    assert outcome.text == "abcdef"
    assert isinstance(outcome.error, ProviderStreamCut)
    assert outcome.error.retryable is False


async def test_a_stream_that_breaks_before_any_text_is_tried_again(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    api.script(Reply(drop=True))
    outcome = await run_turn(provider, turn_request("hello"))
    assert outcome.completion.text == "echo: hello"
    assert len(api.requests) == 2


async def test_an_overload_in_the_middle_is_told_after_the_text(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    api.script(Reply(text="abcdefghij", hold_after=3, then="error event"))
    outcome = await run_until_released(provider, api, 6)
    assert outcome.text == "abcdef"
    assert isinstance(outcome.error, ProviderOverloaded)
    assert outcome.error.retryable is False


@pytest.mark.parametrize(
    ("stop", "reason"),
    [("max_tokens", FinishReason.LENGTH), ("refusal", FinishReason.CONTENT_FILTER)],
)
async def test_an_answer_that_was_cut_short_ends_there(
    provider: ClaudeProvider, api: FakeMessagesApi, stop: str, reason: FinishReason
) -> None:
    api.script(Reply(stop_reason=stop))
    api.default = Reply(hold_after=0)
    outcome = await run_turn(provider, turn_request("hello"))
    assert outcome.completion.text == "echo: hello"
    assert outcome.completion.finish_reason is reason
    assert outcome.completion.usage == Usage(input_tokens=21, cached_tokens=3, output_tokens=20)
    # The tool may have begun to go on by itself; then it was stopped before anything came.
    await provider._pool.settled()
    await api.wait_async(lambda: all(request.state != "open" for request in api.requests))
    assert [request.state for request in api.requests[1:]] in ([], ["aborted"])


async def test_a_call_of_a_tool_that_does_not_exist_does_not_break_the_turn(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    api.script(
        Reply(text="Let me look. ", calls=(ToolCall("Bash", {"command": "true"}),)),
        Reply(text="I can't."),
    )
    outcome = await run_turn(provider, turn_request("hello"))
    assert outcome.completion.text == "Let me look. I can't."
    assert outcome.completion.finish_reason is FinishReason.STOP
    assert outcome.completion.usage == Usage(input_tokens=42, cached_tokens=6, output_tokens=40)


async def test_options_hold_for_their_turn_only(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    first = await run_turn(provider, turn_request("one"))
    plain = api.requests[-1].body
    history = ["one", first.completion.message, "two"]
    limited = TurnOptions(max_tokens=77, effort=Effort.XHIGH)
    second = await run_turn(provider, turn_request(*history, options=limited))
    assert api.requests[-1].body["max_tokens"] == 77
    assert api.requests[-1].body["output_config"] == {"effort": "xhigh"}
    served = provider.status().pool.parked
    await run_turn(provider, turn_request(*history, second.completion.message, "three"))
    assert provider.status().pool.parked == served
    assert api.requests[-1].body["max_tokens"] == plain["max_tokens"]
    assert api.requests[-1].body["output_config"] == plain["output_config"]


@pytest.mark.parametrize("effort", [Effort.NONE, Effort.MINIMAL, Effort.LOW])
async def test_little_effort_is_the_least_there_is(
    provider: ClaudeProvider, api: FakeMessagesApi, effort: Effort
) -> None:
    await run_turn(provider, turn_request("hello", options=TurnOptions(effort=effort)))
    assert api.requests[-1].body["output_config"] == {"effort": "low"}


async def test_a_caller_who_leaves_stops_the_back_end_and_the_worker(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    api.script(Reply(text="abcdefghij", hold_after=3))
    stream = await provider.open_turn(turn_request("hello"))
    async for _ in stream:
        break
    assert stream._lease is not None
    worker = stream._lease.member.worker
    await stream.aclose()
    await api.wait_async(lambda: api.requests[-1].state == "aborted")
    await asyncio.wait_for(asyncio.shield(worker.exited), 10)
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


async def test_a_parked_worker_that_was_killed_costs_nothing_but_time(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    stream = await provider.open_turn(turn_request("one"))
    assert stream._lease is not None
    worker = stream._lease.member.worker
    async for _ in stream:
        pass
    await stream.aclose()
    os.kill(worker.pid, signal.SIGKILL)
    await asyncio.wait_for(asyncio.shield(worker.exited), 10)
    request = turn_request("one", message("assistant", "echo: one"), "two")
    outcome = await run_turn(provider, request)
    assert outcome.completion.text == "echo: two"
    assert api.requests[-1].conversation == [
        ("user", text("one")),
        ("assistant", text("echo: one")),
        ("user", text("two")),
    ]


async def test_a_back_end_that_says_nothing_runs_into_the_deadline(
    make_provider: Callable[..., ClaudeProvider], executable: str, api: FakeMessagesApi
) -> None:
    api.default = Reply(hang=True)
    provider = make_provider(executable, deadlines=Deadlines(first_chunk=4.0))
    try:
        outcome = await run_turn(provider, turn_request("hello"))
        assert isinstance(outcome.error, TurnTimeout)
        await api.wait_async(lambda: api.requests[-1].state == "aborted")
    finally:
        await provider.aclose()


async def test_a_tool_whose_back_end_hangs_answers_pings_and_sends_nothing_for_them(
    make_provider: Callable[..., ClaudeProvider],
    executable: str,
    api: FakeMessagesApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api.default = Reply(hang=True)
    provider = make_provider(executable, supervision=Supervision(heartbeat_seconds=0.1))
    answers, enough = 0, asyncio.Event()
    understand = ClaudeDialect.receive

    def count(dialect: ClaudeDialect, lines: Sequence[bytes]) -> list[Event]:
        nonlocal answers
        events = understand(dialect, lines)
        answers += events.count(Pong())
        if answers >= 3:  # each is asked for only once the one before it was given
            enough.set()
        return events

    monkeypatch.setattr(ClaudeDialect, "receive", count)
    try:
        stream = await provider.open_turn(turn_request("hello"))
        reading = asyncio.create_task(anext(aiter(stream)))
        await api.wait_async(lambda: len(api.requests) == 1)
        answers = 0
        async with asyncio.timeout(30):
            await enough.wait()
        assert not reading.done()
        assert len(api.requests) == 1
        assert api.unstreamed_requests == []
        assert api.others == []
        await stream.aclose()
        with pytest.raises(WorkerDied):
            await reading
    finally:
        await provider.aclose()


async def test_workers_that_rest_answer_pings_and_stay_as_they_are(
    own_provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    await own_provider.start()
    first = await run_turn(own_provider, turn_request("one"))
    assert first.text == "echo: one"
    await own_provider._pool.settled()
    resting = own_provider._pool.idle()
    assert len(resting) == 2  # the blank and the parked one
    asked = len(api.requests)
    for _ in range(2):
        own_provider._resting._ask()
        async with asyncio.timeout(30):
            while not all(one.worker.unread for one in resting):  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.002)
        own_provider._resting._look()
    assert own_provider._pool.idle() == resting
    assert len(api.requests) == asked
    assert api.unstreamed_requests == []
    request = turn_request("one", message("assistant", "echo: one"), "two")
    stream = await own_provider.open_turn(request)
    assert stream._lease is not None
    assert stream._lease.continued
    assert [chunk async for batch in stream for chunk in batch][-1].__class__ is FinishChunk
    await stream.aclose()
    assert (await run_turn(own_provider, turn_request("three"))).text == "echo: three"


async def test_a_tool_that_hangs_is_replaced_before_it_has_spoken(
    make_provider: Callable[..., ClaudeProvider], executable: str, api: FakeMessagesApi
) -> None:
    # A start on a busy machine is no silence: only the stopped one fails to answer in time.
    supervision = Supervision(heartbeat_seconds=0.5, answer_seconds=3.0)
    provider = make_provider(executable, supervision=supervision)
    try:
        assert (await run_turn(provider, turn_request("one"))).text == "echo: one"
        await provider._pool.settled()
        (parked,) = (one for one in provider.workers() if one.state == "parked")
        assert parked.pid is not None
        os.kill(parked.pid, signal.SIGSTOP)
        request = turn_request("one", message("assistant", "echo: one"), "two")
        assert (await run_turn(provider, request)).completion.text == "echo: two"
        await provider._pool.settled()
        with pytest.raises(ProcessLookupError):
            os.kill(parked.pid, 0)
    finally:
        await provider.aclose()


async def test_two_conversations_at_once_do_not_meet(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    outcomes = await asyncio.gather(
        run_turn(provider, turn_request("red", principal="a")),
        run_turn(provider, turn_request("blue", principal="b")),
    )
    assert [outcome.completion.text for outcome in outcomes] == ["echo: red", "echo: blue"]
    assert all(len(request.conversation) == 1 for request in api.requests)


async def test_the_models_are_those_that_the_tool_lists(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    await run_turn(provider, turn_request("hello"))
    names = [card.name for card in await provider.models()]
    assert names[0] == "default"
    assert {"sonnet", "opus", "haiku"} <= set(names)
    assert provider.status().version is not None


async def test_a_full_model_id_is_used_as_it_is(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    for model in ("claude-haiku-5-5", "claude-opus-4-1-20250805"):
        outcome = await run_turn(provider, turn_request("hello", model=model))
        assert outcome.completion.text == "echo: hello"
        assert api.requests[-1].body["model"] == model
    # Only the one that the tool does not list was tried out.
    assert [r.body["model"] for r in api.unstreamed_requests] == ["claude-opus-4-1-20250805"]


async def test_a_model_that_does_not_exist_is_never_replaced_by_another(
    provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    api.unstreamed = Reply(status=404)
    outcome = await run_turn(provider, turn_request("hello", model="claude-nope-9"))
    assert isinstance(outcome.error, UnknownModel)
    assert api.requests == []


async def test_nothing_is_left_when_the_provider_is_closed(
    own_provider: ClaudeProvider, api: FakeMessagesApi
) -> None:
    stream = await own_provider.open_turn(turn_request("hello"))
    assert stream._lease is not None
    worker = stream._lease.member.worker
    async for _ in stream:
        pass
    await stream.aclose()
    await own_provider.aclose()
    assert worker.exited.done()
    figures = own_provider.status().pool
    assert (figures.blank, figures.parked, figures.claimed, figures.starting) == (0, 0, 0, 0)
