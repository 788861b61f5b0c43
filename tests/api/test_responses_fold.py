"""Of the Responses API, too, the whole answer is the fold of the stream. Pure."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.api.streams import batches, lines_of, texts

from llm_mcp_hub.api.responses.convert import echo
from llm_mcp_hub.api.responses.maker import Maker
from llm_mcp_hub.api.responses.objects import ResponseObject
from llm_mcp_hub.api.responses.output import (
    item_status,
    output_of,
    output_of_completion,
    turn_of_item,
)
from llm_mcp_hub.api.responses.schemas import (
    ResponseRequest,
    ResponseTextConfig,
    ResponseTextFormat,
)
from llm_mcp_hub.api.responses.wire import ResponseEvents
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
from llm_mcp_hub.errors import QueueTimeout, RateLimited

TURN = "turn-0123456789abcdef01234567"
ECHO = echo(ResponseRequest("hello"), None, store=True)
TEXTS = texts(20)


@st.composite
def streams(draw) -> list[Chunk]:
    """What a provider may say: reasoning, text and calls in any order."""
    chunks: list[Chunk] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["text", "reasoning", "call", "more"]), max_size=9)):
        if kind == "text":
            chunks.append(TextChunk(draw(TEXTS)))
        elif kind == "reasoning":
            chunks.append(ReasoningChunk(draw(TEXTS)))
        elif kind == "call":
            chunks.append(ToolCallChunk(calls, f"call-{calls}", "f"))
            calls += 1
        elif calls:
            chunks.append(ToolArgumentsChunk(draw(st.integers(0, calls - 1)), draw(TEXTS)))
    reason = draw(st.sampled_from(list(FinishReason)))
    return [*chunks, FinishChunk(reason, Usage(input_tokens=5, output_tokens=7))]


def maker() -> Maker:
    return Maker(TURN, 1.5, "a/b", ECHO)


def sent(stream: list[Chunk], cuts: list[int] = [], seen: int | None = None) -> list[dict]:  # noqa: B006
    """The events of a stream that comes in batches."""
    encoder = ResponseEvents(maker(), seen)
    data = b"".join(encoder.encode(batch) for batch in batches(stream, cuts))
    completion = fold(stream)
    assert completion is not None
    return events(data + encoder.end(completion, len(stream)))


def events(data: bytes) -> list[dict]:
    found = []
    for name, line in lines_of(data):
        event = json.loads(line.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def folded(sent_events: list[dict]) -> list[dict]:
    """The answer's items, put together from the events alone, as a client would."""
    items: list[dict] = []
    open_items: set[int] = set()
    for event in sent_events:
        kind, index = event["type"], event.get("output_index", -1)
        if kind == "response.output_item.added":
            assert index == len(items)
            items.append(event["item"])
            open_items.add(index)
        elif kind == "response.output_item.done":
            open_items.remove(index)
            item = items[index]
            if item["type"] == "message":
                item["status"] = event["item"]["status"]
            elif item["type"] == "function_call":
                item["arguments"] = item["arguments"] or "{}"
                item["status"] = event["item"]["status"]
            assert item == event["item"]
        elif index >= 0:
            assert index in open_items
            item = items[index]
            assert event["item_id"] == item["id"]
            if kind == "response.content_part.added":
                item["content"].append(event["part"])
            elif kind == "response.reasoning_summary_part.added":
                item["summary"].append(event["part"])
            elif kind == "response.output_text.delta":
                item["content"][event["content_index"]]["text"] += event["delta"]
            elif kind == "response.reasoning_summary_text.delta":
                item["summary"][event["summary_index"]]["text"] += event["delta"]
            elif kind == "response.function_call_arguments.delta":
                item["arguments"] += event["delta"]
            else:
                assert kind.endswith(".done")
    assert not open_items
    return items


def merged(items: list[dict]) -> dict:
    """What is said in items, whatever their number and order."""
    return {
        "reasoning": "".join(p["text"] for i in items for p in i.get("summary", [])),
        "text": "".join(p["text"] for i in items for p in i.get("content", [])),
        "calls": [
            (i["call_id"], i["name"], i["arguments"]) for i in items if i["type"] == "function_call"
        ],
    }


@given(streams(), st.lists(st.integers(0, 9), max_size=4))
def test_the_events_of_a_stream_put_together_are_the_answer_at_its_end(stream, cuts):
    all_events = sent(stream, cuts)

    assert [event["sequence_number"] for event in all_events] == list(range(len(all_events)))
    assert [event["type"] for event in all_events[:2]] == [
        "response.created",
        "response.in_progress",
    ]
    ended = all_events[-1]["response"]
    assert all_events[-1]["type"] == f"response.{ended['status']}"
    assert folded(all_events) == ended["output"]


@given(streams())
def test_the_whole_answer_says_what_the_stream_says(stream):
    completion = fold(stream)
    assert completion is not None
    whole = json.loads(
        msgspec.json.encode(maker().ended(output_of_completion(TURN, completion), completion))
    )
    ended = sent(stream)[-1]["response"]

    assert merged(whole.pop("output")) == merged(ended.pop("output"))
    assert whole == ended
    msgspec.convert(ended | {"output": []}, ResponseObject)


@given(streams())
def test_a_usual_answer_is_the_very_same_whole_and_streamed(stream):
    *said, finish = stream
    order = {ReasoningChunk: 0, TextChunk: 1, ToolCallChunk: 2, ToolArgumentsChunk: 3}
    usual = [*sorted(said, key=lambda chunk: order[type(chunk)]), finish]
    completion = fold(usual)
    assert completion is not None

    assert output_of_completion(TURN, completion) == output_of(
        TURN, usual, item_status(completion.finish_reason)
    )


@given(streams(), st.integers(0, 40))
def test_the_events_after_any_number_are_those_that_followed_it_at_first(stream, seen):
    assert sent(stream, seen=seen) == sent(stream)[seen + 1 :]


def test_a_plain_answer_is_told_in_the_order_that_clients_know():
    stream: list[Chunk] = [
        ReasoningChunk("Hm."),
        TextChunk("One"),
        TextChunk(" two"),
        ToolCallChunk(0, "call-a", "weather"),
        ToolArgumentsChunk(0, '{"city":"Seoul"}'),
        FinishChunk(FinishReason.TOOL_CALLS, Usage()),
    ]

    assert [event["type"].removeprefix("response.") for event in sent(stream)] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (FinishReason.LENGTH, "max_output_tokens"),
        (FinishReason.CONTENT_FILTER, "content_filter"),
    ],
)
def test_an_answer_that_was_cut_short_is_incomplete_and_says_why(reason, told):
    last = sent([TextChunk("One"), FinishChunk(reason, Usage())])[-1]

    assert last["type"] == "response.incomplete"
    assert last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": told}
    assert last["response"]["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize("begun", [True, False])
def test_an_answer_that_breaks_off_ends_with_its_failure_twice(begun):
    encoder = ResponseEvents(maker())
    data = encoder.encode([TextChunk("One")]) if begun else b""
    told = events(data + encoder.fail(QueueTimeout("Waited.")))

    failed, error = told[-2:]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": "Waited."}
    assert [item["content"][0]["text"] for item in failed["response"]["output"]] == ["One"] * begun
    assert (error["type"], error["code"]) == ("error", "queue_timeout")
    assert error["error"]["message"] == "Waited."


def test_a_refusal_where_a_form_was_asked_for_is_one_whole_and_streamed():
    form = ResponseTextConfig(ResponseTextFormat("json_object"))
    made = Maker(TURN, 1.5, "a/b", echo(ResponseRequest("hi", text=form), None, store=True))
    stream: list[Chunk] = [
        TextChunk("I won't"),
        TextChunk(" say."),
        FinishChunk(FinishReason.CONTENT_FILTER, Usage()),
    ]
    completion = fold(stream)
    assert completion is not None
    encoder = ResponseEvents(made)
    told = events(encoder.encode(stream) + encoder.end(completion, len(stream)))

    output = output_of_completion(TURN, completion, refusals=made.refusals)
    whole = json.loads(msgspec.json.encode(made.ended(output, completion)))
    assert whole == told[-1]["response"]
    assert whole["status"] == "completed"
    (message,) = whole["output"]
    assert message["status"] == "completed"
    assert message["content"] == [{"type": "refusal", "refusal": "I won't say."}]
    deltas = [event["delta"] for event in told if event["type"] == "response.refusal.delta"]
    assert "".join(deltas) == "I won't say."
    assert [event["refusal"] for event in told if event["type"] == "response.refusal.done"] == [
        "I won't say."
    ]
    assert not [event for event in told if "output_text" in event["type"]]


def test_a_limit_has_the_code_that_the_reference_has_for_it():
    encoder = ResponseEvents(maker())
    failed = events(encoder.fail(RateLimited("Later.")))[-2]

    assert failed["response"]["error"]["code"] == "rate_limit_exceeded"


def test_the_id_of_an_item_names_its_turn():
    (item,) = output_of(TURN, [TextChunk("One")], "completed")

    assert turn_of_item(item.id) == TURN
    assert turn_of_item("msg_1") is None
