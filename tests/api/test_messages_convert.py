"""Requests of Anthropic's dialect: understood, refused by name, or named as without effect."""

from typing import Any

import msgspec
import pytest

from llm_mcp_hub.api.anthropic.convert import BUDGETS, IGNORED, REFUSED, Converted, convert_request
from llm_mcp_hub.api.anthropic.schemas import MessagesRequest
from llm_mcp_hub.api.openai.convert import convert_request as convert_chat
from llm_mcp_hub.api.openai.schemas import ChatCompletionRequest
from llm_mcp_hub.domain.chat import Effort, ImagePart, Message, TextPart, ToolResultPart
from llm_mcp_hub.domain.linked_image import LinkedImage
from llm_mcp_hub.domain.tool import ToolChoice
from llm_mcp_hub.domain.transcript import digests
from llm_mcp_hub.errors import InvalidRequest, UnsupportedParameter

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"name": "f", "input_schema": {"type": "object"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjcgeA=="}
PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def converted(messages: list[Any] = HELLO, **fields: Any) -> Converted:
    body = {"model": "a/b", "max_tokens": 64, "messages": messages, **fields}
    return convert_request(msgspec.convert(body, MessagesRequest))


def said(content: Any, role: str = "user") -> tuple[Message, ...]:
    return converted([{"role": role, "content": content}]).command.messages


@pytest.mark.parametrize("name", IGNORED)
def test_what_merely_tunes_the_answer_is_named_as_without_effect(name):
    kind = MessagesRequest.__annotations__[name]
    value: Any = "x" if "str" in str(kind) else 1

    assert converted(**{name: value}).ignored == (name,)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_change_the_answer_is_refused_by_name(name):
    value: Any = ["x"] if "list" in str(MessagesRequest.__annotations__[name]) else {"x": 1}
    with pytest.raises(UnsupportedParameter) as refusal:
        converted(**{name: value})

    assert refusal.value.param == name


def test_an_empty_list_of_what_is_refused_is_fine():
    assert converted(stop_sequences=[], mcp_servers=[]).ignored == ()


@pytest.mark.parametrize("name", ["metadata", "user_profile_id", "nobody_knows"])
def test_what_has_no_meaning_here_is_accepted(name):
    assert converted(**{name: {"user_id": "x"}}).ignored == ()


def test_edits_that_only_clear_thinking_are_named_and_others_refused():
    keep = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    assert converted(context_management=keep).ignored == ("context_management",)

    with pytest.raises(UnsupportedParameter):
        converted(context_management={"edits": [{"type": "clear_tool_uses_20250919"}]})
    with pytest.raises(UnsupportedParameter):
        converted(context_management={"edits": [], "more": 1})


@pytest.mark.parametrize("most", [0, -1])
def test_max_tokens_is_at_least_one(most):
    with pytest.raises(InvalidRequest) as refusal:
        converted(max_tokens=most)

    assert refusal.value.param == "max_tokens"


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        (None, None),
        ("Be brief.", "Be brief."),
        (
            [
                {"type": "text", "text": "One.", "cache_control": {"type": "ephemeral"}},
                {"type": "text", "text": "Two."},
            ],
            "One.\n\nTwo.",
        ),
        ([], ""),
    ],
)
def test_a_system_prompt_is_text_or_blocks_of_it(system, expected):
    assert converted(system=system).command.system == expected


def test_instructions_among_the_messages_count_as_part_of_the_system_prompt():
    command = converted([{"role": "system", "content": "Two."}, *HELLO], system="One.").command

    assert command.system == "One.\n\nTwo."
    assert [message.role for message in command.messages] == ["user"]


def test_results_are_messages_of_their_own_before_what_the_user_says():
    messages = said(
        [
            {"type": "text", "text": "and so"},
            {"type": "tool_result", "tool_use_id": "a", "content": "one"},
            {
                "type": "tool_result",
                "tool_use_id": "b",
                "is_error": True,
                "content": [
                    {"type": "text", "text": "two"},
                    {"type": "image", "source": PIXEL},
                    {"type": "text", "text": "three"},
                ],
            },
            {"type": "tool_result", "tool_use_id": "c"},
        ]
    )

    image = ImagePart("image/png", "iVBORw0KGgo=")
    assert messages == (
        Message("tool", (ToolResultPart("a", "one"),)),
        Message("tool", (ToolResultPart("b", "two\nthree", (image,), is_error=True),)),
        Message("tool", (ToolResultPart("c", ""),)),
        Message("user", (TextPart("and so"),)),
    )


def test_reasoning_of_earlier_answers_is_dropped_and_named():
    request = converted(
        [
            *HELLO,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm.", "signature": ""},
                    {"type": "redacted_thinking", "data": "xxx"},
                    {"type": "text", "text": "Hello."},
                ],
            },
            *HELLO,
        ]
    )

    assert request.ignored == ("messages.content.thinking",)
    assert request.command.messages[1] == Message("assistant", (TextPart("Hello."),))


@pytest.mark.parametrize("inside", [False, True])
def test_an_image_by_its_url_is_left_to_the_hub_to_fetch(inside):
    block: dict[str, Any] = {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}}
    if inside:
        block = {"type": "tool_result", "tool_use_id": "a", "content": [block]}
    (message,) = said([block])

    (part,) = message.parts
    (image,) = part.images if isinstance(part, ToolResultPart) else (part,)
    assert isinstance(image, LinkedImage)
    assert image.url == "https://x/a.png"
    assert image.where.startswith("messages[0].content[0]")


def test_a_document_of_plain_text_is_text_with_its_title():
    source = {"type": "text", "media_type": "text/plain", "data": "Once."}
    (message,) = said([{"type": "document", "source": source, "title": "A tale"}])

    assert message.text == "A tale\n\nOnce."


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": PIXEL},
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [{"type": "document", "source": PDF}],
        },
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        {"type": "search_result", "source": "x", "title": "x", "content": []},
        {"type": "server_tool_use", "id": "a", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "a", "content": []},
        {"type": "container_upload", "file_id": "file_1"},
    ],
)
def test_a_block_that_can_not_be_given_to_the_models_is_refused_where_it_stands(block):
    with pytest.raises(UnsupportedParameter) as refusal:
        said([{"type": "text", "text": "look"}, block])

    assert str(refusal.value.param).startswith("messages[0].content[1]")


@pytest.mark.parametrize(
    ("role", "content"),
    [
        ("user", []),
        ("user", ""),
        ("user", [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]),
        ("assistant", [{"type": "tool_result", "tool_use_id": "a"}]),
        ("assistant", [{"type": "image", "source": PIXEL}]),
        ("user", [{"type": "image", "source": PIXEL | {"media_type": "image/bmp"}}]),
        ("user", [{"type": "image", "source": PIXEL | {"data": "no base64!"}}]),
    ],
)
def test_a_block_that_makes_no_sense_is_refused(role, content):
    with pytest.raises(InvalidRequest) as refusal:
        said(content, role)

    assert str(refusal.value.param).startswith("messages[0].content")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice()),
        ({"type": "auto"}, ToolChoice()),
        ({"type": "any"}, ToolChoice("required")),
        ({"type": "tool", "name": "f"}, ToolChoice("required", ("f",))),
        ({"type": "none"}, ToolChoice("none")),
    ],
)
def test_every_choice_among_tools_is_understood(choice, expected):
    command = converted(tools=[TOOL], tool_choice=choice).command

    assert command.tool_choice == expected
    assert command.parallel_tool_calls


@pytest.mark.parametrize("kind", ["auto", "any", "tool"])
def test_parallel_calls_can_be_disabled_with_every_choice(kind):
    choice = {"type": kind, "name": "f", "disable_parallel_tool_use": True}

    assert not converted(tools=[TOOL], tool_choice=choice).command.parallel_tool_calls


def test_a_tool_is_taken_as_it_is():
    given = TOOL | {"type": "custom", "description": "Does f.", "strict": True}
    request = converted(tools=[given | {"input_examples": [{}], "cache_control": None}])

    (tool,) = request.command.tools
    assert (tool.name, tool.description, tool.strict) == ("f", "Does f.", True)
    assert tool.parameters == {"type": "object"}
    assert request.ignored == ("tools.input_examples",)


@pytest.mark.parametrize(
    "kind", ["web_search_20250305", "bash_20250124", "computer_20250124", "mcp_toolset"]
)
def test_a_tool_of_anthropics_own_is_refused_by_its_type(kind):
    with pytest.raises(UnsupportedParameter) as refusal:
        converted(tools=[TOOL, {"type": kind, "name": "x"}])

    assert refusal.value.param == "tools[1].type"
    assert kind in refusal.value.message


@pytest.mark.parametrize(
    ("thinking", "effort", "shown"),
    [
        (None, None, False),
        ({"type": "disabled"}, Effort.NONE, False),
        ({"type": "adaptive"}, None, True),
        ({"type": "adaptive", "display": "omitted"}, None, False),
        ({"type": "between_tools"}, None, True),
        ({"type": "enabled", "budget_tokens": 1024}, Effort.LOW, True),
        ({"type": "enabled", "budget_tokens": 10_000, "display": "omitted"}, Effort.HIGH, False),
        ({"type": "enabled", "budget_tokens": BUDGETS[-1][0] + 1}, Effort.XHIGH, True),
    ],
)
def test_thinking_says_how_hard_and_whether_it_is_shown(thinking, effort, shown):
    request = converted(thinking=thinking)

    assert request.command.options.effort is effort
    assert request.show_thinking is shown


@pytest.mark.parametrize(
    ("wanted", "effort"), [("low", Effort.LOW), ("xhigh", Effort.XHIGH), ("max", Effort.XHIGH)]
)
def test_a_wanted_effort_counts_more_than_a_budget(wanted, effort):
    thinking = {"type": "enabled", "budget_tokens": 4000}
    request = converted(thinking=thinking, output_config={"effort": wanted})

    assert request.command.options.effort is effort


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(InvalidRequest):
        converted(thinking={"type": "enabled", "budget_tokens": 0})


@pytest.mark.parametrize(
    "fields",
    [
        {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        {"output_format": {"type": "json_schema", "schema": SCHEMA}},
    ],
)
def test_a_form_of_the_answer_is_taken_by_either_name(fields):
    form = converted(**fields).command.response_format

    assert (form.kind, form.schema, form.strict) == ("json_schema", SCHEMA, True)


def test_a_conversation_has_the_same_digests_as_in_openais_dialect():
    here = converted(
        [
            {"role": "user", "content": [{"type": "text", "text": "Look."}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I do."},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
                    {"type": "tool_use", "id": "b", "name": "g", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "one"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "two"},
                    {"type": "text", "text": "Well?"},
                    {"type": "image", "source": PIXEL},
                ],
            },
        ]
    )
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    url = "data:image/png;base64,iVBORw0KGgo="
    there = convert_chat(
        msgspec.convert(
            {
                "model": "a/b",
                "messages": [
                    {"role": "user", "content": "Look."},
                    {"role": "assistant", "content": "I do.", "tool_calls": calls},
                    {"role": "tool", "tool_call_id": "a", "content": "one"},
                    {"role": "tool", "tool_call_id": "b", "content": "two"},
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": "Well?"},
                            {"type": "image_url", "image_url": {"url": url}},
                        ],
                    },
                ],
            },
            ChatCompletionRequest,
        )
    )

    assert digests(here.command.messages) == digests(there.messages)
