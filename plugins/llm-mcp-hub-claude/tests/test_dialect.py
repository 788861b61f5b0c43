"""The protocol machine on recorded lines: whatever their batching, the events are the same."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import Effort, TurnOptions, TurnRequest
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, ReasoningChunk, TextChunk, Usage
from llm_mcp_hub.domain.status import QuotaWindow
from llm_mcp_hub.errors import (
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
    WorkerGarbled,
)
from llm_mcp_hub.providers.dialect import (
    Event,
    Inspected,
    Pong,
    QuotaSeen,
    Ready,
    TurnFailed,
    UsageSeen,
)
from llm_mcp_hub_claude.dialect import ClaudeDialect
from llm_mcp_hub_claude.testing.turns import message, turn_request

TRANSCRIPTS = Path(__file__).parent / "transcripts"
NAMES = sorted(path.stem for path in TRANSCRIPTS.glob("*.jsonl"))
RESETS_AT = 1_795_197_057.0
NOW = RESETS_AT - 7200.0
USAGE = Usage(input_tokens=21, cached_tokens=3, output_tokens=20)
BEGUN = Usage(input_tokens=21, cached_tokens=3, output_tokens=1)
"""What a message has used that has only begun, as the tool tells it."""
SUBSCRIPTION = {"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN", "apiProvider": "firstParty"}
HISTORY = (message("user", "earlier"), message("assistant", "earlier answer"))


def recorded(name: str) -> list[bytes]:
    return (TRANSCRIPTS / f"{name}.jsonl").read_bytes().splitlines()


def sent(dialect: ClaudeDialect) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in dialect.data_to_send().splitlines()]


def begun(request: TurnRequest | None = None) -> ClaudeDialect:
    """A dialect whose next turn has begun on a worker that is past all preparation."""
    dialect = ClaudeDialect(clock=lambda: NOW)
    dialect.begin(request or turn_request("hello"), continued=True)
    return dialect


def play(name: str, sizes: list[int] | None = None) -> list[Event]:
    """All events of a recording, fed in batches of these sizes and the rest line by line."""
    dialect = ClaudeDialect(clock=lambda: NOW)
    if name == "whole_turn":
        dialect.probe()
        options = TurnOptions(effort=Effort.LOW)
        dialect.begin(turn_request(*HISTORY, "now", options=options), continued=False)
    else:
        dialect = begun()
    lines = recorded(name)
    events: list[Event] = []
    for size in sizes or []:
        events += dialect.receive(lines[:size])
        lines = lines[size:]
    for line in lines:
        events += dialect.receive([line])
    return events


def only_error(events: list[Event]) -> HubError:
    [error] = [event.error for event in events if isinstance(event, TurnFailed)]
    return error


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextChunk))


def last_usage(events: list[Event]) -> Usage:
    return next((e.usage for e in reversed(events) if isinstance(e, UsageSeen)), Usage())


def seen(events: list[Event]) -> list[object]:
    """Events in a form that can be compared: errors have no equality."""
    return [
        (type(e.error), e.error.message, e.error.retry_after) if isinstance(e, TurnFailed) else e
        for e in events
    ]


@pytest.mark.parametrize("name", NAMES)
@given(sizes=st.lists(st.integers(0, 8), max_size=30))
def test_the_batching_of_lines_changes_nothing(name: str, sizes: list[int]) -> None:
    assert seen(play(name, sizes)) == seen(play(name))


def test_a_whole_turn_from_the_probe_to_the_finish() -> None:
    assert play("whole_turn") == [
        Ready("2.1.329"),
        UsageSeen(BEGUN),
        *(TextChunk(text) for text in ("ec", "ho", ": ", "no", "w")),
        UsageSeen(USAGE),
        FinishChunk(FinishReason.STOP, USAGE),
    ]


def test_nothing_of_the_conversation_is_sent_before_the_account_was_checked() -> None:
    dialect = ClaudeDialect()
    options = TurnOptions(max_tokens=50, effort=Effort.HIGH)
    request = turn_request(*HISTORY, "now", system="Be brief.", options=options)
    dialect.begin(request, continued=False)
    requests = [line["request"] for line in sent(dialect)]
    assert requests == [{"subtype": "initialize", "systemPrompt": ["Be brief."]}]
    assert dialect.receive([reply("hub-1", account=SUBSCRIPTION)]) == []
    env = {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": "50"}
    assert [line["request"] for line in sent(dialect)] == [
        {"subtype": "set_model", "model": "haiku"},
        {"subtype": "apply_flag_settings", "settings": {"effortLevel": "high", "env": env}},
    ]
    assert dialect.receive([reply("hub-3")]) == []
    assert dialect.data_to_send() == b""
    assert dialect.receive([reply("hub-2")]) == []
    [line] = sent(dialect)
    assert line["shouldQuery"] is False
    assert line["client_composed"] is True
    dialect.receive([b'{"type":"result","subtype":"success","is_error":false}'])
    answer, question = sent(dialect)
    assert answer["type"] == "assistant"
    assert question["message"] == {"role": "user", "content": "now"}
    assert question["client_composed"] is True
    assert "shouldQuery" not in question


@pytest.mark.parametrize(
    "account",
    [
        None,
        {"tokenSource": "none"},
        {"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN", "apiKeySource": "ANTHROPIC_API_KEY"},
        {"tokenSource": "none", "apiKeySource": "apiKeyHelper"},
        {"tokenSource": "ANTHROPIC_AUTH_TOKEN"},
        {"tokenSource": "apiKeyHelper"},
        {"apiProvider": "bedrock"},
    ],
)
def test_a_login_that_is_no_subscription_is_refused_before_anything_is_spent(
    account: dict[str, str] | None,
) -> None:
    fields = {} if account is None else {"account": account}
    dialect = ClaudeDialect()
    dialect.inspect()
    [inspected] = dialect.receive([reply("hub-1", **fields)])
    assert isinstance(inspected, Inspected)
    assert isinstance(inspected.refusal, LoginRequired)
    assert "llm-mcp-hub setup claude" in inspected.refusal.message
    dialect = ClaudeDialect()
    dialect.begin(turn_request("hello"), continued=False)
    dialect.data_to_send()
    assert isinstance(only_error(dialect.receive([reply("hub-1", **fields)])), LoginRequired)
    assert [line["request"] for line in sent(dialect)] == [{"subtype": "interrupt"}]


@pytest.mark.parametrize(
    "account",
    [
        {"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR", "apiProvider": "firstParty"},
        {"subscriptionType": "Claude Max", "apiProvider": "firstParty"},
        {"tokenSource": "claude.ai", "apiKeySource": "none"},
    ],
)
def test_a_subscription_passes(account: dict[str, str]) -> None:
    dialect = ClaudeDialect()
    dialect.inspect()
    models = [{"value": "sonnet", "displayName": "Sonnet"}]
    [inspected] = dialect.receive([reply("hub-1", account=account, models=models)])
    assert isinstance(inspected, Inspected)
    assert inspected.refusal is None
    assert [card.name for card in inspected.models] == ["sonnet"]


def test_a_key_that_turns_up_later_ends_the_turn() -> None:
    dialect = begun()
    dialect.data_to_send()
    line = b'{"type":"system","subtype":"init","apiKeySource":"ANTHROPIC_API_KEY"}'
    assert isinstance(only_error(dialect.receive([line])), LoginRequired)
    assert [line["request"] for line in sent(dialect)] == [{"subtype": "interrupt"}]


def test_a_continued_turn_sends_the_new_messages_only_and_as_one() -> None:
    dialect = begun(turn_request(*HISTORY, "one", "two"))
    [line] = sent(dialect)
    blocks = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert line["message"] == {"role": "user", "content": blocks}


def test_a_model_that_the_tool_replaces_is_refused() -> None:
    dialect = ClaudeDialect()
    dialect.begin(turn_request("hello", model="claude-opus-4-1"), continued=False)
    lines = [reply("hub-1", account=SUBSCRIPTION), reply("hub-2", model="claude-opus-5-5")]
    error = only_error(dialect.receive(lines))
    assert isinstance(error, UnknownModel)
    assert "claude-opus-5-5" in error.message
    assert b"hello" not in dialect.data_to_send()
    dialect = ClaudeDialect()
    dialect.begin(turn_request("hello", model="claude-opus-5-5[1m]"), continued=False)
    assert dialect.receive(lines) == []
    assert b"hello" in dialect.data_to_send()


def test_options_are_told_when_they_differ_from_what_the_worker_has() -> None:
    dialect = begun(turn_request("one", options=TurnOptions(effort=Effort.LOW)))
    [settings] = sent(dialect)
    assert settings["request"]["settings"] == {
        "effortLevel": "low",
        "env": {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": None},
    }
    dialect.receive([reply("hub-1"), *recorded("two_turns")])
    dialect.data_to_send()
    dialect.begin(turn_request("two", options=TurnOptions(effort=Effort.LOW)), continued=True)
    assert [line["type"] for line in sent(dialect)] == ["user"]
    dialect.receive(recorded("two_turns"))
    dialect.begin(turn_request("three"), continued=True)
    [settings] = sent(dialect)
    assert settings["request"]["settings"]["effortLevel"] is None


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("haiku", "haiku"),
        ("fast", "haiku"),
        ("claude-haiku-5-5", "haiku"),
        ("claude-opus-4-1", "claude-opus-4-1"),
    ],
)
def test_a_model_is_told_by_its_short_name_where_it_has_one(asked: str, told: str) -> None:
    dialect = ClaudeDialect({"fast": "haiku"})
    dialect.begin(turn_request("hello", model=asked), continued=False)
    models = [{"value": "haiku", "resolvedModel": "claude-haiku-5-5"}]
    dialect.receive([reply("hub-1", account=SUBSCRIPTION, models=models)])
    assert sent(dialect)[1]["request"] == {"subtype": "set_model", "model": told}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("not_found", UnknownModel),
        ("auth_failed", LoginRequired),
        ("rate_limit", ProviderRateLimited),
        ("check_server_error", ProviderFailed),
        ("check_failed", ProviderFailed),
    ],
)
def test_a_model_that_the_tool_does_not_take_is_never_replaced_by_another(
    code: str, kind: type[HubError]
) -> None:
    dialect = ClaudeDialect()
    dialect.begin(turn_request("hello", model="claude-opus-4-1"), continued=False)
    dialect.receive([reply("hub-1", account=SUBSCRIPTION)])
    line = {"subtype": "error", "request_id": "hub-2", "error": "model not changed"}
    whole = {"type": "control_response", "response": {**line, "error_code": code}}
    assert type(only_error(dialect.receive([msgspec.json.encode(whole)]))) is kind
    assert b"hello" not in dialect.data_to_send()


@pytest.mark.parametrize(
    ("name", "kind", "retryable"),
    [
        ("not_logged_in", LoginRequired, False),
        ("401", LoginRequired, False),
        ("403", LoginRequired, False),
        ("400", InvalidRequest, False),
        ("404", UnknownModel, False),
        ("413", RequestTooLarge, False),
        ("429", ProviderRateLimited, True),
        ("429_retry_after", ProviderRateLimited, True),
        ("429_unified", ProviderRateLimited, False),
        ("500", ProviderFailed, True),
        ("529", ProviderOverloaded, True),
        ("cut_before", ProviderFailed, True),
        ("connection_lost", ProviderFailed, True),
        ("hang", TurnTimeout, False),
        ("error_event", ProviderOverloaded, False),
        ("cut_and_repeated", ProviderStreamCut, False),
    ],
)
def test_each_recorded_failure_has_its_error(
    name: str, kind: type[HubError], retryable: bool
) -> None:
    events = play(name)
    error = only_error(events)
    assert type(error) is kind
    assert error.retryable is retryable
    assert isinstance(events[-1], TurnFailed)


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("429", Usage()),
        ("cut_before", Usage()),
        ("hang", Usage()),
        ("error_event", BEGUN),
        ("cut_and_repeated", BEGUN),
    ],
)
def test_what_a_turn_that_fails_has_used_is_known(name: str, used: Usage) -> None:
    assert last_usage(play(name)) == used


@pytest.mark.parametrize("name", ["error_event", "whole_turn", "max_tokens", "refusal"])
def test_what_a_turn_has_used_is_known_as_soon_as_its_text(name: str) -> None:
    events = play(name)
    first = next(i for i, event in enumerate(events) if isinstance(event, TextChunk))
    assert last_usage(events[:first]) == BEGUN
    end = next((i for i, event in enumerate(events) if isinstance(event, FinishChunk)), None)
    if end is not None:
        finish = events[end]
        assert isinstance(finish, FinishChunk)
        assert last_usage(events[:end]) == finish.usage


def test_what_only_the_result_of_a_failed_turn_tells_counts_too() -> None:
    result = next(line for line in recorded("unknown_tool") if b'"type":"result"' in line)
    events = begun().receive([result.replace(b'"is_error":false', b'"is_error":true')])
    assert isinstance(events[-1], TurnFailed)
    assert last_usage(events) == USAGE + USAGE


def test_a_message_that_broke_before_any_text_is_paid_for_too() -> None:
    lines = recorded("two_turns")
    start = next(line for line in lines if b"message_start" in line)
    events = begun().receive([start, *lines[:12]])
    assert text_of(events)
    assert last_usage(events) == BEGUN + USAGE


def test_a_plan_limit_says_which_and_until_when() -> None:
    events = play("429_unified")
    error = only_error(events)
    assert "5-hour limit is used up until 2026-11-20 17:50 UTC" in error.message
    assert error.retry_after == 7200.0
    assert (
        QuotaSeen(
            (
                QuotaWindow("five_hour", 1, RESETS_AT, "rejected"),
                QuotaWindow("seven_day", 0.4, 1_795_279_857, "allowed"),
            )
        )
        in events
    )


def test_a_momentary_limit_says_how_long_the_tool_had_waited() -> None:
    assert only_error(play("429_retry_after")).retry_after == pytest.approx(2.434)


def test_a_warning_about_the_limit_is_seen_and_the_turn_goes_on() -> None:
    events = play("limit_warning")
    [quota] = [event for event in events if isinstance(event, QuotaSeen)]
    assert quota.windows[0].utilization == 0.91
    assert isinstance(events[-1], FinishChunk)


def test_text_that_begins_again_is_cut_off_and_the_repetition_stopped() -> None:
    dialect = begun()
    dialect.data_to_send()
    events = dialect.receive(recorded("cut_and_repeated"))
    assert text_of(events) == "echo: hello "
    assert [line["request"] for line in sent(dialect)] == [{"subtype": "interrupt"}]


def test_a_retry_after_text_is_not_waited_for() -> None:
    lines = recorded("cut_and_repeated")
    retry = next(i for i, line in enumerate(lines) if b"api_retry" in line)
    assert isinstance(only_error(begun().receive(lines[: retry + 1])), ProviderStreamCut)


def test_a_second_message_start_after_text_is_a_repetition_too() -> None:
    lines = [line for line in recorded("cut_and_repeated") if b"api_retry" not in line]
    events = begun().receive(lines)
    assert text_of(events) == "echo: hello "
    assert isinstance(only_error(events), ProviderStreamCut)


def test_a_message_that_begins_again_before_any_text_goes_on() -> None:
    lines = recorded("two_turns")
    start = next(line for line in lines if b"message_start" in line)
    events = begun().receive([start, *lines])
    assert text_of(events)
    assert any(isinstance(event, FinishChunk) for event in events)


def test_reasoning_is_not_told_twice_either() -> None:
    lines = recorded("two_turns")
    start = next(line for line in lines if b"message_start" in line)
    thought = (
        b'{"type":"stream_event","event":{"type":"content_block_delta","delta":'
        b'{"type":"thinking_delta","thinking":"hm"}}}'
    )
    events = begun().receive([start, thought, start, thought, *lines])
    thoughts = [event for event in events if isinstance(event, ReasoningChunk)]
    assert thoughts == [ReasoningChunk("hm")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("max_tokens", FinishReason.LENGTH), ("refusal", FinishReason.CONTENT_FILTER)],
)
def test_an_answer_that_was_cut_short_ends_there_and_the_tool_is_stopped(
    name: str, reason: FinishReason
) -> None:
    dialect = begun()
    dialect.data_to_send()
    events = dialect.receive(recorded(name))
    chunks = [e for e in events if isinstance(e, TextChunk | FinishChunk | TurnFailed)]
    assert chunks[-1] == FinishChunk(reason, USAGE)
    assert "more" not in text_of(events)
    assert [line["request"] for line in sent(dialect)] == [{"subtype": "interrupt"}]


def test_a_call_of_a_tool_that_does_not_exist_is_left_out() -> None:
    events = play("unknown_tool")
    assert text_of(events) == "echo: hello tool_use_hallucinated"
    usage = Usage(input_tokens=42, cached_tokens=6, output_tokens=40)
    assert events[-1] == FinishChunk(FinishReason.STOP, usage)


def test_nothing_is_told_after_an_interrupt() -> None:
    dialect = begun()
    dialect.interrupt()
    dialect.interrupt()
    assert [line["type"] for line in sent(dialect)] == ["user", "control_request"]
    assert dialect.receive(recorded("interrupt")) == []


def test_an_answer_without_a_stream_is_told_whole() -> None:
    lines = [line for line in recorded("two_turns") if b"stream_event" not in line]
    assert text_of(begun().receive(lines[:6]))


def test_the_second_turn_has_its_own_usage() -> None:
    dialect = begun()
    lines = recorded("two_turns")
    first_end = next(i for i, line in enumerate(lines) if b'"type":"result"' in line) + 1
    first = dialect.receive(lines[:first_end])
    dialect.begin(turn_request(*HISTORY, "again"), continued=True)
    second = dialect.receive(lines[first_end:])
    assert first[-1] == second[-1] == FinishChunk(FinishReason.STOP, USAGE)


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"something_new","event":"a text","subtype":7}',
        b'{"type":"system","subtype":"hook","event":"a text"}',
        b'{"type":"keep_alive"}',
        b'{"type":"stream_event","event":{"type":"ping"}}',
        b'{"type":"stream_event","event":{"type":"content_block_delta","delta":{"type":"new"}}}',
    ],
)
def test_what_is_not_known_is_ignored(line: bytes) -> None:
    dialect = begun()
    assert dialect.receive([line]) == []
    assert dialect.receive(recorded("two_turns"))


@pytest.mark.parametrize(
    "line",
    [b"Segmentation fault", b'{"type":', b"\xff\xfe", b'{"type":"stream_event","event":7}', b"[]"],
)
def test_what_is_not_the_protocol_is_an_error(line: bytes) -> None:
    with pytest.raises(WorkerGarbled):
        begun().receive([line])


def test_a_request_of_the_tools_own_is_declined_at_once() -> None:
    dialect = begun()
    dialect.data_to_send()
    line = b'{"type":"control_request","request_id":"x","request":{"subtype":"can_use_tool"}}'
    assert dialect.receive([line]) == []
    [answer] = sent(dialect)
    assert answer["response"]["request_id"] == "x"
    assert answer["response"]["subtype"] == "error"


def test_a_step_of_the_protocol_that_is_refused_ends_the_turn() -> None:
    dialect = ClaudeDialect()
    dialect.begin(turn_request("hello"), continued=False)
    line = {"subtype": "error", "request_id": "hub-1", "error": "Unsupported"}
    events = dialect.receive([msgspec.json.encode({"type": "control_response", "response": line})])
    assert isinstance(only_error(events), WorkerGarbled)


def whole_turn(ping_at: int | None) -> tuple[list[object], list[dict[str, Any]]]:
    """Events and bytes of a turn, with a sign of life asked for and given before one line."""
    dialect = ClaudeDialect(clock=lambda: NOW)
    dialect.probe()
    options = TurnOptions(effort=Effort.LOW)
    dialect.begin(turn_request(*HISTORY, "now", options=options), continued=False)
    events: list[Event] = []
    said = sent(dialect)
    for index, line in enumerate(recorded("whole_turn")):
        if index == ping_at:
            assert dialect.ping()
            (question,) = sent(dialect)
            assert question["request"] == {"subtype": "get_binary_version"}
            answer = reply(str(question["request_id"]), version="2.1.329")
            assert dialect.receive([answer]) == [Pong()]
        events += dialect.receive([line])
        said += sent(dialect)
    return seen(events), said


@pytest.mark.parametrize("ping_at", range(len(recorded("whole_turn"))))
def test_a_sign_of_life_changes_nothing_of_a_turn_wherever_it_comes(ping_at: int) -> None:
    assert whole_turn(ping_at) == whole_turn(None)


def test_an_answer_that_refuses_is_a_sign_of_life_too() -> None:
    dialect = ClaudeDialect()
    dialect.ping()
    (question,) = sent(dialect)
    line = {"subtype": "error", "request_id": question["request_id"], "error": "Unsupported"}
    events = dialect.receive([msgspec.json.encode({"type": "control_response", "response": line})])
    assert events == [Pong()]


def test_a_turn_in_which_nothing_is_said_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        ClaudeDialect().begin(turn_request(" \n"), continued=False)


def reply(request_id: str, **fields: object) -> bytes:
    response = {"subtype": "success", "request_id": request_id, "response": fields}
    return msgspec.json.encode({"type": "control_response", "response": response})
