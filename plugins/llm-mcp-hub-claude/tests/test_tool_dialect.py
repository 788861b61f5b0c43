"""Calls in the protocol machine, on recorded lines and on made ones."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import ToolResultPart, TurnRequest
from llm_mcp_hub.domain.chunk import (
    FinishChunk,
    FinishReason,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import InvalidRequest, ProviderFailed, ProviderStreamCut, WorkerGarbled
from llm_mcp_hub.providers.dialect import Event, Pong, TurnFailed, UsageSeen
from llm_mcp_hub_claude.dialect import ClaudeDialect
from llm_mcp_hub_claude.testing.turns import message, turn_request

RECORDED = (Path(__file__).parent / "transcripts/tools/one_call.jsonl").read_bytes().splitlines()
CALLED_AT = next(i for i, line in enumerate(RECORDED) if b"message_stop" in line) + 1
CALL_ID = "toolu_6af29fe9"
WEATHER = Tool("get_weather", "weather")
USAGE = Usage(input_tokens=21, cached_tokens=3, output_tokens=20)
BEGUN = Usage(input_tokens=21, cached_tokens=3, output_tokens=1)
CALL = [
    UsageSeen(BEGUN),
    ToolCallChunk(0, CALL_ID, "get_weather"),
    ToolArgumentsChunk(0, '{"city": "Seoul"}'),
    UsageSeen(USAGE),
    FinishChunk(FinishReason.TOOL_CALLS, USAGE),
]


def asked() -> TurnRequest:
    return turn_request("weather?", tools=[WEATHER])


def answered(*results: ToolResultPart, parallel: bool = True) -> TurnRequest:
    new = message("tool", *results)
    said = message("assistant", "calling")
    tools = [WEATHER]
    return turn_request("weather?", said, new, tools=tools, parallel_tool_calls=parallel)


SUNNY = answered(ToolResultPart(CALL_ID, "sunny"))


def sent(dialect: ClaudeDialect) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in dialect.data_to_send().splitlines()]


def replies(dialect: ClaudeDialect) -> list[dict[str, Any]]:
    """The JSON-RPC replies that have been sent."""
    lines = [line["response"] for line in sent(dialect) if line["type"] == "control_response"]
    return [line["response"]["mcp_response"] for line in lines]


def suspended() -> ClaudeDialect:
    dialect = ClaudeDialect()
    dialect.begin(asked(), continued=False)
    dialect.receive(RECORDED[:CALLED_AT])
    dialect.data_to_send()
    return dialect


def test_a_tool_that_the_model_does_not_see_fails_the_turn() -> None:
    lines = [line.replace(b'["mcp__client__get_weather"]', b"[]") for line in RECORDED[:CALLED_AT]]
    assert lines != RECORDED[:CALLED_AT]
    dialect = ClaudeDialect()
    dialect.begin(asked(), continued=False)
    failures = [event for event in dialect.receive(lines) if isinstance(event, TurnFailed)]
    assert isinstance(failures[0].error, InvalidRequest)
    assert "get_weather" in failures[0].error.message


def batches(lines: list[bytes], sizes: list[int]) -> list[list[bytes]]:
    found = []
    for size in sizes:
        found.append(lines[:size])
        lines = lines[size:]
    return [*found, *([line] for line in lines)]


@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 8), max_size=20), more=st.lists(st.integers(0, 8)))
def test_a_recorded_call_and_its_result_whatever_the_batching(
    sizes: list[int], more: list[int]
) -> None:
    dialect = ClaudeDialect()
    dialect.begin(asked(), continued=False)
    events: list[Event] = []
    for batch in batches(RECORDED[:CALLED_AT], sizes):
        events += dialect.receive(batch)
    assert events == CALL
    [greeted, _, listed] = replies(dialect)
    assert greeted["result"]["protocolVersion"] == "2025-11-25"
    [tool] = listed["result"]["tools"]
    assert (tool["name"], tool["description"]) == ("get_weather", "weather")
    dialect.begin(SUNNY, continued=True)
    [given] = replies(dialect)
    content = [{"type": "text", "text": "sunny"}]
    assert given == {"jsonrpc": "2.0", "id": 2, "result": {"content": content, "isError": False}}
    events = []
    for batch in batches(RECORDED[CALLED_AT:], more):
        events += dialect.receive(batch)
    assert events == [
        # What was still to come of the limits, and of the wait.
        Pong(),
        Pong(),
        UsageSeen(BEGUN),
        *(TextChunk(text) for text in ("ech", "o: ", "wea", "the", "r?")),
        UsageSeen(USAGE),
        FinishChunk(FinishReason.STOP, USAGE),
    ]


def test_the_conversation_goes_in_only_once_the_tools_are_known() -> None:
    dialect = ClaudeDialect()
    dialect.begin(asked(), continued=False)
    [greeting] = sent(dialect)
    assert greeting["request"]["sdkMcpServers"] == ["client"]
    lists = next(i for i, line in enumerate(RECORDED) if b"tools/list" in line)
    dialect.receive(RECORDED[:lists])
    assert all(line["type"] != "user" for line in sent(dialect))
    dialect.receive([RECORDED[lists]])
    assert [line["type"] for line in sent(dialect)] == ["control_response", "user"]


def test_without_tools_claude_code_is_told_of_no_server() -> None:
    dialect = ClaudeDialect()
    dialect.begin(turn_request("hello"), continued=False)
    assert sent(dialect)[0]["request"] == {"subtype": "initialize", "systemPrompt": [""]}


@pytest.mark.parametrize("kind", [b'"type":"message_start"', b'"type":"result"'])
def test_a_tool_that_does_not_wait_for_results_is_not_used_again(kind: bytes) -> None:
    dialect = suspended()
    [line] = [line for line in RECORDED[CALLED_AT:] if kind in line]
    with pytest.raises(WorkerGarbled):
        dialect.receive([line])


@pytest.mark.parametrize("kind", [b'"type":"message_start"', b'"type":"result"'])
def test_a_tool_that_answers_a_call_itself_is_not_used_again(kind: bytes) -> None:
    dialect = ClaudeDialect()
    dialect.begin(asked(), continued=False)
    [line] = [line for line in RECORDED[CALLED_AT:] if kind in line]
    with pytest.raises(WorkerGarbled):
        dialect.receive([*(x for x in RECORDED[:CALLED_AT] if b"tools/call" not in x), line])


def test_the_answer_ends_only_once_the_results_are_asked_for() -> None:
    dialect = ClaudeDialect()
    dialect.begin(asked(), continued=False)
    [call] = [line for line in RECORDED[:CALLED_AT] if b"tools/call" in line]
    events = dialect.receive([line for line in RECORDED[:CALLED_AT] if line != call])
    assert events == CALL[:-1]
    assert dialect.receive([call]) == CALL[-1:]


def test_an_interrupt_reaches_a_tool_that_waits() -> None:
    dialect = suspended()
    dialect.interrupt()
    assert [line["request"] for line in sent(dialect)] == [{"subtype": "interrupt"}]


def test_a_call_that_breaks_off_is_not_told_twice() -> None:
    dialect = ClaudeDialect()
    dialect.begin(asked(), continued=False)
    start = next(line for line in RECORDED if b"message_start" in line)
    events = dialect.receive([*RECORDED[: CALLED_AT - 3], start])
    assert events[:3] == CALL[:3]
    [again, failed] = events[3:]
    assert again == UsageSeen(BEGUN + BEGUN)
    assert isinstance(failed, TurnFailed)
    assert isinstance(failed.error, ProviderStreamCut)


def test_what_a_turn_with_calls_was_charged_with_the_one_that_fails_is_not() -> None:
    dialect = suspended()
    dialect.begin(SUNNY, continued=True)
    end = next(i for i, line in enumerate(RECORDED) if b'"type":"result"' in line)
    result = RECORDED[end].replace(b'"is_error":false', b'"is_error":true')
    told = dialect.receive([*RECORDED[CALLED_AT:end], result])
    assert isinstance(told[-1], TurnFailed)
    assert [event for event in told if isinstance(event, UsageSeen)][-1] == UsageSeen(USAGE)


def test_arguments_that_are_no_object_end_the_answer() -> None:
    dialect = ClaudeDialect()
    dialect.begin(asked(), continued=False)
    lines = [line.replace(rb"{\"city\": \"Seoul\"}", b"[1]") for line in RECORDED[:CALLED_AT]]
    *_, failed = dialect.receive(lines)
    assert isinstance(failed, TurnFailed)
    assert isinstance(failed.error, ProviderFailed)


def second_call(lines: list[bytes]) -> list[bytes]:
    """The lines with one more call in the same message."""
    block = [line for line in lines if b"content_block_" in line or b"tools/call" in line]
    at = next(i for i, line in enumerate(lines) if b"message_delta" in line)
    more = [
        line.replace(CALL_ID.encode(), b"toolu_2").replace(b"cli-11", b"cli-x") for line in block
    ]
    return [*lines[:at], *more, *lines[at:]]


def test_of_two_calls_the_second_is_told_when_the_first_is_answered() -> None:
    dialect = ClaudeDialect()
    first = turn_request("weather?", tools=[WEATHER], parallel_tool_calls=False)
    dialect.begin(first, continued=False)
    assert dialect.receive(second_call(RECORDED[:CALLED_AT])) == CALL
    dialect.data_to_send()
    dialect.begin(answered(ToolResultPart(CALL_ID, "sunny"), parallel=False), continued=True)
    [question] = sent(dialect)
    told = dialect.receive([control_reply(str(question["request_id"]))])
    assert told == [
        ToolCallChunk(0, "toolu_2", "get_weather"),
        ToolArgumentsChunk(0, '{"city": "Seoul"}'),
        FinishChunk(FinishReason.TOOL_CALLS, Usage()),
    ]
    [given] = replies(dialect)
    assert given["id"] == 2
    dialect.begin(answered(ToolResultPart("toolu_2", "windy"), parallel=False), continued=True)
    [given] = replies(dialect)
    assert given["result"]["content"][0]["text"] == "windy"
    assert dialect.receive(RECORDED[CALLED_AT:])[-1] == FinishChunk(FinishReason.STOP, USAGE)


def control_reply(request_id: str) -> bytes:
    response = {"subtype": "success", "request_id": request_id, "response": {}}
    return msgspec.json.encode({"type": "control_response", "response": response})
