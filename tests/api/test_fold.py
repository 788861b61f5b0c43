"""The whole answer is the fold of the stream, and for an echo both are what was said."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.api.streams import batches, lines_of, texts

from llm_mcp_hub.api.openai.wire import DONE, EventEncoder, whole
from llm_mcp_hub.domain.chunk import (
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.completion import fold

TEXTS = texts(60)
CHUNKS = st.lists(st.one_of(TEXTS.map(TextChunk), TEXTS.map(ReasoningChunk)), max_size=8)


def numbered(data: bytes) -> list[tuple[int, str]]:
    """The id and the data of every event."""
    found = []
    for number, line in lines_of(data):
        assert number.startswith("id: ")
        assert line.startswith("data: ")
        found.append((int(number[4:]), line[6:]))
    return found


def events(data: bytes) -> list[dict]:
    *sent, (_, done) = numbered(data)
    assert done == "[DONE]"
    return [json.loads(line) for _, line in sent]


@given(CHUNKS, st.lists(st.integers(0, 8), max_size=4), st.booleans())
def test_the_deltas_of_a_stream_join_to_the_whole_answer(chunks, cuts, include_usage):
    finish = FinishChunk(FinishReason.STOP, Usage(input_tokens=5, output_tokens=7))
    stream = [*chunks, finish]
    encoder = EventEncoder("turn-1", 0.0, "a/b", include_usage=include_usage)
    data = b"".join(encoder.encode(batch) for batch in batches(stream, cuts))
    completion = fold(stream)
    assert completion is not None
    data += encoder.end(completion, len(stream))
    answer = whole(completion, "turn-1", 0.0, "a/b")

    sent = events(data)
    deltas = [event["choices"][0]["delta"] for event in sent if event["choices"]]
    assert (
        "".join(delta.get("content", "") for delta in deltas) == answer.choices[0].message.content
    )
    assert "".join(d.get("reasoning_content", "") for d in deltas) == completion.reasoning
    assert [d["role"] for d in deltas if "role" in d] == ["assistant"]
    finished = [e["choices"][0]["finish_reason"] for e in sent if e["choices"]]
    assert finished == [None] * (len(finished) - 1) + ["stop"]
    assert [event for event in sent if event.get("usage")] == sent[-1:] * include_usage
    assert data.count(DONE) == 1


def test_the_pieces_of_streamed_calls_join_to_the_calls_of_the_whole_answer():
    stream = [
        TextChunk("I look."),
        ToolCallChunk(0, "call-a", "weather"),
        ToolArgumentsChunk(0, '{"city":'),
        ToolArgumentsChunk(0, '"Seoul"}'),
        ToolCallChunk(1, "call-b", "time"),
        FinishChunk(FinishReason.TOOL_CALLS, Usage()),
    ]
    completion = fold(stream)
    assert completion is not None
    encoder = EventEncoder("turn-1", 0.0, "a/b", include_usage=False)
    sent = events(encoder.encode(stream) + encoder.end(completion, len(stream)))

    calls: dict[int, dict] = {}
    for event in sent:
        for delta in event["choices"][0]["delta"].get("tool_calls", []):
            call = calls.setdefault(delta["index"], {"arguments": ""})
            call["arguments"] += delta["function"].pop("arguments")
            call |= {"id": delta["id"], "type": delta["type"]} if "id" in delta else {}
            call |= delta["function"]
    whole_calls = whole(completion, "turn-1", 0.0, "a/b").choices[0].message.tool_calls
    assert [(c.id, c.type, c.function.name) for c in whole_calls] == [
        (c["id"], c["type"], c["name"]) for c in calls.values()
    ]
    assert [c["arguments"] for c in calls.values()] == ['{"city":"Seoul"}', ""]
    assert sent[-1]["choices"][0]["finish_reason"] == "tool_calls"


def test_beside_calls_there_is_no_empty_text():
    stream = [ToolCallChunk(0, "call-a", "f"), FinishChunk(FinishReason.TOOL_CALLS, Usage())]
    completion = fold(stream)
    assert completion is not None
    assert whole(completion, "turn-1", 0.0, "a/b").choices[0].message.content is None


@given(CHUNKS, st.booleans(), st.integers(0, 12))
def test_the_events_after_any_id_are_those_that_followed_it_at_first(chunks, include_usage, cut):
    finish = FinishChunk(FinishReason.STOP, Usage(input_tokens=5, output_tokens=7))
    stream = [*chunks, finish]
    completion = fold(stream)
    assert completion is not None

    def sent(seen: int | None) -> list[tuple[int, str]]:
        encoder = EventEncoder("turn-1", 0.0, "a/b", include_usage=include_usage, seen=seen)
        rest = stream[max(0, seen or 0) :]
        return numbered(encoder.encode(rest) + encoder.end(completion, len(stream)))

    whole_stream = sent(None)
    assert [number for number, _ in whole_stream] == list(range(len(whole_stream)))
    *_, (last, done) = whole_stream
    assert done == "[DONE]"
    seen = min(cut, last - 1)
    assert sent(seen) == whole_stream[seen + 1 :]


@settings(max_examples=25, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200))
def test_an_echo_is_the_same_whole_streamed_and_said(http, text):
    body = {"model": "echo/echo", "messages": [{"role": "user", "content": text}]}
    answer = http.post("/v1/chat/completions", json=body)
    streamed = http.post("/v1/chat/completions", json=body | {"stream": True})

    assert answer.json()["choices"][0]["message"]["content"] == text
    sent = events(streamed.content)
    assert "".join(e["choices"][0]["delta"].get("content", "") for e in sent) == text
