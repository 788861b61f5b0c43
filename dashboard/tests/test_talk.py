"""What is shown of a conversation: pure, from the REST API's JSON."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub_dashboard.ui import talk_views


def entry(*parts, role="assistant"):
    return {"message": {"role": role, "parts": list(parts)}, "created_at": 1.0}


def shown(*parts):
    (message,) = talk_views.messages([entry(*parts)], 10)
    return message["parts"]


def test_a_picture_of_an_unknown_kind_is_named_and_not_shown():
    image = {"type": "image", "media_type": "image/svg+xml", "data": "AAAA"}
    unknown, known = shown(image, {**image, "media_type": "image/png"})
    assert (unknown["kind"], unknown["text"], unknown["label"]) == ("data", "", "image/svg+xml")
    assert known["text"].startswith("data:image/png;base64,AAAA")


def test_a_call_has_its_tool_s_name_and_its_arguments_line_by_line():
    arguments = '{"city":"<b>Seoul</b>","days":1.50}'
    (row,) = shown({"type": "tool_call", "id": "c1", "name": "weather", "arguments": arguments})
    assert (row["kind"], row["label"], row["call"]) == ("call", "weather", "c1")
    assert row["text"] == '{\n  "city": "<b>Seoul</b>",\n  "days": 1.50\n}'
    assert row["glance"] == '{ "city": "<b>Seoul</b>", "days": 1.50 }'


def test_a_result_is_named_after_the_tool_that_was_called_before_what_is_shown():
    call = {"type": "tool_call", "id": "c1", "name": "weather", "arguments": "{}"}
    result = {"type": "tool_result", "call_id": "c1", "text": "fine"}
    (latest,) = talk_views.messages([entry(call), entry(result, role="tool")], 1)
    assert latest["role"] == "tool"
    assert [(row["kind"], row["label"], row["text"]) for row in latest["parts"]] == [
        ("result", "weather", "fine")
    ]


def test_a_result_that_failed_says_so_and_its_pictures_follow_it():
    image = {"media_type": "image/png", "data": "AAAA"}
    rows = shown(
        {"type": "tool_result", "call_id": "c9", "text": "no", "is_error": True, "images": [image]}
    )
    assert [(row["kind"], row["failed"]) for row in rows] == [("result", True), ("image", False)]
    assert rows[0]["label"] == "c9"


def test_a_part_that_is_not_known_is_named_by_what_it_says_of_itself():
    (row,) = shown({"type": "file", "name": "a.pdf", "media_type": "application/pdf", "data": "x"})
    assert (row["kind"], row["label"], row["text"]) == ("data", "a.pdf application/pdf", "")


@given(st.text())
def test_a_text_that_is_no_json_is_shown_as_it_is(text):
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError:
        (row,) = shown({"type": "tool_call", "id": "c", "name": "n", "arguments": text})
        assert row["text"] == text


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_json_means_the_same_when_it_is_laid_out(value):
    text = msgspec.json.encode([value]).decode()
    (row,) = shown({"type": "tool_result", "call_id": "c", "text": text})
    assert msgspec.json.decode(row["text"]) == [value]
