"""Conversations as lines: exactly what was said, in the turns it was said in."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import ImagePart, Message, TextPart, ToolCallPart, ToolResultPart
from llm_mcp_hub_claude.history import replay, says_something
from llm_mcp_hub_claude.testing.turns import message

texts = st.text(st.characters(codec="utf-8"), max_size=20)
conversations = st.lists(
    st.builds(
        lambda role, parts: Message(role, tuple(TextPart(part) for part in parts)),
        st.sampled_from(["user", "assistant", "tool"]),
        st.lists(texts, max_size=3),
    ),
    max_size=8,
)


def lines_of(steps: list[bytes]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for step in steps for line in step.splitlines()]


@given(conversations)
def test_every_text_arrives_unchanged_and_in_order(messages: list[Message]) -> None:
    while messages and messages[-1].role == "assistant":
        messages.pop()
    said: list[str] = []
    for line in lines_of(replay(messages)):
        content = line["message"]["content"]
        said += [content] if isinstance(content, str) else [block["text"] for block in content]
    texts = [p.text for m in messages for p in m.parts if isinstance(p, TextPart)]
    expected = [text for text in texts if text.strip()]
    if any(says_something(m) for m in messages if m.role != "assistant"):
        assert said[: len(expected)] == expected[: len(said)]
    else:
        assert said == []


@given(conversations)
def test_only_the_last_line_asks_for_an_answer_and_roles_alternate(
    messages: list[Message],
) -> None:
    steps = replay(messages)
    lines = lines_of(steps)
    asking = [line for line in lines if line["type"] == "user" and "shouldQuery" not in line]
    assert asking == lines[-1:]
    assert all(step.count(b'"type":"user"') == 1 for step in steps)
    roles = [line["type"] for line in lines]
    assert all(one != two for one, two in pairwise(roles))


def test_images_and_tool_calls_are_real_blocks() -> None:
    call = ToolCallPart("toolu_1", "weather", '{"city":"Seoul"}')
    steps = replay(
        [
            message("user", "look", ImagePart("image/png", "AAAA")),
            message("assistant", call),
            message("user", "hurry"),
            message("tool", ToolResultPart("toolu_1", "sunny")),
        ]
    )
    first, second, third = lines_of(steps)
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    assert first["message"]["content"][1] == {"type": "image", "source": source}
    assert second["message"]["content"] == [
        {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "mcp__client__weather",
            "input": {"city": "Seoul"},
        }
    ]
    assert [b["type"] for b in third["message"]["content"]] == ["tool_result", "text"]


def test_results_keep_their_images_and_say_when_they_are_errors() -> None:
    image = ImagePart("image/png", "AAAA")
    calls = [ToolCallPart(f"call.{number}", "x.y", "{}") for number in range(3)]
    results = [
        ToolResultPart("call.2", "", (image,)),
        ToolResultPart("call.0", "no", (image,), is_error=True),
        ToolResultPart("call.1", ""),
    ]
    said = [message("user", "go"), message("assistant", *calls)]
    _, second, third = lines_of(
        replay([*said, *(message("tool", each) for each in results), message("user", "well?")])
    )
    ids = [block["id"] for block in second["message"]["content"]]
    blocks = third["message"]["content"]
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    seen = {"type": "image", "source": source}
    assert blocks == [
        {"type": "tool_result", "tool_use_id": ids[2], "content": [seen]},
        {"type": "tool_result", "tool_use_id": ids[0], "content": "no", "is_error": True},
        {"type": "tool_result", "tool_use_id": ids[1], "content": ""},
        seen,
        {"type": "text", "text": "well?"},
    ]
    assert "shouldQuery" not in third


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"a":1}', {"a": 1}),
        ("", {"arguments": ""}),
        ("not json", {"arguments": "not json"}),
        ("[1]", {"arguments": [1]}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(
    written: str, sent: dict[str, Any]
) -> None:
    call = message("assistant", ToolCallPart("toolu_1", "weather", written))
    _, line, _ = lines_of(replay([message("user", "a"), call, message("user", "b")]))
    assert line["message"]["content"][0]["input"] == sent


def test_a_line_is_one_line_whatever_is_said() -> None:
    [step] = replay([message("user", "a\nb\r\n\u2028\x00")])
    assert step.count(b"\n") == 1
