"""In Anthropic's dialect, too, the whole answer is the fold of the stream."""

import json
from itertools import groupby

import msgspec
import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tests.api.streams import batches, lines_of, texts

from llm_mcp_hub import errors
from llm_mcp_hub.api.anthropic.objects import MessageEvent
from llm_mcp_hub.api.anthropic.wire import STOP_REASONS, EventEncoder, whole
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.completion import fold

TEXTS = texts(40)
INPUTS = st.dictionaries(TEXTS, st.one_of(st.integers(-(2**31), 2**31), TEXTS, st.booleans()))
USAGE = Usage(input_tokens=9, cached_tokens=4, output_tokens=7, reasoning_tokens=2)
_events = TypeAdapter(RawMessageStreamEvent)


@st.composite
def streams(draw) -> list[Chunk]:
    """Reasoning, text and calls, in any order and in pieces."""
    chunks: list[Chunk] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["text", "reasoning", "call"]), max_size=7)):
        if kind == "call":
            chunks.append(ToolCallChunk(calls, f"call_{calls}", draw(st.sampled_from("fgh"))))
            text = draw(INPUTS.map(json.dumps))
            cut = draw(st.integers(0, len(text)))
            chunks += [ToolArgumentsChunk(calls, text[:cut]), ToolArgumentsChunk(calls, text[cut:])]
            calls += 1
        else:
            chunks.append((TextChunk if kind == "text" else ReasoningChunk)(draw(TEXTS)))
    reason = FinishReason.TOOL_CALLS if calls else draw(st.sampled_from(FinishReason))
    return [*chunks, FinishChunk(reason, USAGE)]


def events(data: bytes) -> list[dict]:
    """The data of every event, whose name is its type."""
    found = []
    for name, line in lines_of(data):
        body = json.loads(line.removeprefix("data: "))
        msgspec.convert(body, MessageEvent)
        assert name == f"event: {body['type']}"
        found.append(body)
    return found


def sent(stream: list[Chunk], cuts: list[int], *, show_thinking: bool) -> list[dict]:
    encoder = EventEncoder("turn-1", "a/b", show_thinking=show_thinking)
    data = b"".join(encoder.encode(batch) for batch in batches(stream, cuts))
    completion = fold(stream)
    assert completion is not None
    return events(data + encoder.end(completion, len(stream)))


def as_the_sdk_folds(stream_events: list[dict]) -> dict:
    """The message that the official library makes of the events."""
    snapshot = None
    buffers: dict[int, bytes] = {}
    for one in stream_events:
        if one["type"] != "ping":
            snapshot = accumulate_event(
                event=_events.validate_python(one), current_snapshot=snapshot, json_bufs=buffers
            )
    assert snapshot is not None
    return snapshot.to_dict()


def joined(content: list[dict]) -> list[tuple]:
    """The blocks, those of reasoning and of text joined, calls one by one."""
    texts = {
        kind: "".join(block[kind] for block in content if block["type"] == kind)
        for kind in ("thinking", "text")
    }
    calls = [
        (block["id"], block["name"], block["input"])
        for block in content
        if block["type"] == "tool_use"
    ]
    return [*texts.items(), *calls]


@given(streams(), st.lists(st.integers(0, 12), max_size=4), st.booleans())
def test_the_events_that_the_official_library_folds_are_the_whole_answer(
    stream, cuts, show_thinking
):
    completion = fold(stream)
    assert completion is not None
    answer = msgspec.to_builtins(whole(completion, "turn-1", "a/b", show_thinking=show_thinking))
    folded = as_the_sdk_folds(sent(stream, cuts, show_thinking=show_thinking))

    assert joined(folded["content"]) == joined(answer["content"])
    assert {name: folded.get(name) for name in answer if name != "content"} == {
        name: value for name, value in answer.items() if name != "content"
    }
    assert [block["type"] for block in answer["content"]] == sorted(
        (block["type"] for block in answer["content"]),
        key=["thinking", "text", "tool_use"].index,
    )
    if not show_thinking:
        assert all(block["type"] != "thinking" for block in folded["content"])


@given(streams(), st.lists(st.integers(0, 12), max_size=4), st.booleans())
def test_every_block_begins_grows_and_ends_before_the_next_one(stream, cuts, show_thinking):
    names = [one["type"] for one in sent(stream, cuts, show_thinking=show_thinking)]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]

    found = sent(stream, cuts, show_thinking=show_thinking)[2:-2]
    for number, (index, group) in enumerate(groupby(found, lambda one: one["index"])):
        first, *deltas, last = group
        assert index == number
        assert first["type"] == "content_block_start"
        assert {delta["type"] for delta in deltas} <= {"content_block_delta"}
        assert last["type"] == "content_block_stop"


def test_a_cut_of_the_batches_changes_nothing():
    stream: list[Chunk] = [
        ReasoningChunk("Hm."),
        TextChunk("I "),
        TextChunk("look."),
        ToolCallChunk(0, "call_a", "weather"),
        ToolArgumentsChunk(0, '{"city":"Seoul"}'),
        ToolCallChunk(1, "call_b", "time"),
        FinishChunk(FinishReason.TOOL_CALLS, USAGE),
    ]
    at_once = sent(stream, [], show_thinking=True)
    one_by_one = sent(stream, list(range(len(stream))), show_thinking=True)

    assert at_once == one_by_one
    assert [one["content_block"]["type"] for one in at_once if "content_block" in one] == [
        "thinking",
        "text",
        "tool_use",
        "tool_use",
    ]


def test_arguments_of_an_earlier_call_that_come_late_still_reach_it():
    stream: list[Chunk] = [
        ToolCallChunk(0, "call_a", "f"),
        ToolArgumentsChunk(0, '{"a":'),
        ToolCallChunk(1, "call_b", "g"),
        ToolArgumentsChunk(0, "1}"),
        ToolArgumentsChunk(1, '{"b":2}'),
        FinishChunk(FinishReason.TOOL_CALLS, USAGE),
    ]

    folded = as_the_sdk_folds(sent(stream, [], show_thinking=False))
    assert [block["input"] for block in folded["content"]] == [{"a": 1}, {"b": 2}]


def test_a_call_that_was_cut_has_no_input_and_a_reason_to_stop_that_says_so():
    stream: list[Chunk] = [
        ToolCallChunk(0, "call_a", "f"),
        ToolArgumentsChunk(0, '{"a": [1, 2'),
        FinishChunk(FinishReason.LENGTH, USAGE),
    ]
    completion = fold(stream)
    assert completion is not None

    answer = msgspec.to_builtins(whole(completion, "turn-1", "a/b", show_thinking=False))
    assert answer["content"][0]["input"] == {}
    assert answer["stop_reason"] == "max_tokens"


def test_tokens_read_from_a_cache_are_no_input_tokens_and_none_is_lost():
    completion = fold([FinishChunk(FinishReason.STOP, USAGE)])
    assert completion is not None
    usage = whole(completion, "turn-1", "a/b", show_thinking=False).usage

    assert (usage.input_tokens, usage.cache_read_input_tokens) == (5, 4)
    assert usage.cache_creation_input_tokens == 0
    assert usage.output_tokens_details.thinking_tokens == 2


@pytest.mark.parametrize("reason", FinishReason)
def test_every_reason_to_finish_has_a_name_here(reason):
    assert STOP_REASONS[reason] in {"end_turn", "max_tokens", "refusal", "tool_use"}


def test_an_answer_that_breaks_off_ends_with_an_error_that_names_the_turn():
    encoder = EventEncoder("turn-1", "a/b", show_thinking=False)
    encoder.encode([TextChunk("some")])
    (last,) = events(encoder.fail(errors.WorkerDied("It ended.", detail="/home/secret")))

    assert last == {
        "type": "error",
        "error": {
            "type": "api_error",
            "message": "It ended.",
            "details": {"error_code": "worker_died", "param": None},
        },
        "request_id": "turn-1",
    }
