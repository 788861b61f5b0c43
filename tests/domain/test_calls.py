"""Which calls a conversation waits for, and what a client offers to a model."""

import pytest

from llm_mcp_hub.domain.calls import answered_alone, open_calls
from llm_mcp_hub.domain.chat import Message, TextPart, ToolCallPart, ToolResultPart
from llm_mcp_hub.domain.tool import NO_TOOLS, Tool, ToolChoice, tools_digest

ASKED = Message("user", (TextPart("?"),))
CALLED = Message("assistant", (ToolCallPart("a", "f", "{}"), ToolCallPart("b", "g", "{}")))
WEATHER = Tool("weather", "Of a city.", {"type": "object", "properties": {"city": {}}})
TIME = Tool("time")


def result(*call_ids: str) -> Message:
    return Message("tool", tuple(ToolResultPart(call_id, "ok") for call_id in call_ids))


def test_calls_are_open_until_a_later_message_has_their_result() -> None:
    def open_after(*messages: Message) -> list[str]:
        return [call.id for call in open_calls(messages)]

    assert open_after(ASKED) == []
    assert open_after(ASKED, CALLED) == ["a", "b"]
    assert open_after(ASKED, CALLED, result("b")) == ["a"]
    assert open_after(ASKED, CALLED, result("b"), ASKED) == ["a"]
    assert open_after(ASKED, CALLED, result("b", "a")) == []
    assert open_after(ASKED, CALLED, result("a"), Message("assistant", ())) == []


def test_a_turn_answers_calls_only_if_it_says_nothing_else() -> None:
    assert answered_alone([result("a"), result("b")]) == {"a", "b"}
    assert answered_alone([result("a"), ASKED]) == frozenset()
    assert answered_alone([ASKED]) == frozenset()


@pytest.mark.parametrize(
    ("choice", "seen"),
    [
        (ToolChoice(), (WEATHER, TIME)),
        (ToolChoice("required"), (WEATHER, TIME)),
        (ToolChoice("none"), ()),
        (ToolChoice("required", ("time",)), (TIME,)),
        (ToolChoice("auto", ("weather",)), (WEATHER,)),
    ],
)
def test_the_choice_decides_what_the_model_sees(choice: ToolChoice, seen: tuple[Tool, ...]) -> None:
    assert choice.among((WEATHER, TIME)) == seen


def test_the_same_tools_have_the_same_digest_whatever_the_order_of_their_keys() -> None:
    turned = Tool("weather", "Of a city.", {"properties": {"city": {}}, "type": "object"})
    assert tools_digest((WEATHER,)) == tools_digest((turned,))
    assert len({tools_digest(t) for t in [(), (WEATHER,), (TIME,), (WEATHER, TIME)]}) == 4
    assert tools_digest(()) == NO_TOOLS
