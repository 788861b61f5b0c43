"""A completion is the fold of its chunks."""

from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import Message, TextPart, ToolCallPart
from llm_mcp_hub.domain.chunk import (
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.completion import Fold, fold

counts = st.integers(0, 10**9)
usages = st.builds(Usage, counts, counts, counts, counts)
pieces = st.lists(st.one_of(st.builds(TextChunk, st.text()), st.builds(ReasoningChunk, st.text())))
finishes = st.builds(FinishChunk, st.sampled_from(FinishReason), usages)


@given(pieces, finishes)
def test_a_completion_holds_the_text_the_reasoning_and_the_finish(
    said: list[TextChunk | ReasoningChunk], finish: FinishChunk
) -> None:
    completion = fold([*said, finish])
    assert completion is not None
    assert completion.text == "".join(c.text for c in said if isinstance(c, TextChunk))
    assert completion.reasoning == "".join(c.text for c in said if isinstance(c, ReasoningChunk))
    assert completion.finish_reason is finish.reason
    assert completion.usage == finish.usage


@given(pieces, finishes, st.integers(0))
def test_the_batches_do_not_matter(
    said: list[TextChunk | ReasoningChunk], finish: FinishChunk, cut: int
) -> None:
    chunks = [*said, finish]
    at = cut % (len(chunks) + 1)
    folded = Fold()
    folded.add(chunks[:at])
    folded.add(chunks[at:])
    assert folded.completion == fold(chunks)


@given(pieces)
def test_there_is_no_completion_before_the_stream_has_finished(
    said: list[TextChunk | ReasoningChunk],
) -> None:
    folded = Fold()
    folded.add(said)
    assert not folded.finished
    assert folded.completion is None


def test_the_answer_as_a_message_leaves_the_reasoning_out() -> None:
    finish = FinishChunk(FinishReason.STOP, Usage())
    answer = fold([ReasoningChunk("hm"), TextChunk("y"), TextChunk("es"), finish])
    silence = fold([finish])
    assert answer is not None
    assert answer.message == Message("assistant", (TextPart("yes"),))
    assert silence is not None
    assert silence.message == Message("assistant", ())


@given(st.lists(usages))
def test_usage_adds_up_figure_by_figure(several: list[Usage]) -> None:
    total = sum(several, Usage())
    assert total.input_tokens == sum(u.input_tokens for u in several)
    assert total.cached_tokens == sum(u.cached_tokens for u in several)
    assert total.output_tokens == sum(u.output_tokens for u in several)
    assert total.reasoning_tokens == sum(u.reasoning_tokens for u in several)


def test_calls_are_put_together_by_their_index_however_their_pieces_are_mixed() -> None:
    finish = FinishChunk(FinishReason.TOOL_CALLS, Usage())
    answer = fold(
        [
            TextChunk("I look."),
            ToolCallChunk(1, "call-b", "time"),
            ToolCallChunk(0, "call-a", "weather"),
            ToolArgumentsChunk(0, '{"city":'),
            ToolArgumentsChunk(0, '"Seoul"}'),
            finish,
        ]
    )
    assert answer is not None
    calls = (
        ToolCallPart("call-a", "weather", '{"city":"Seoul"}'),
        ToolCallPart("call-b", "time", "{}"),
    )
    assert answer.tool_calls == calls
    assert answer.message == Message("assistant", (TextPart("I look."), *calls))
