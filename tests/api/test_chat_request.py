"""What a chat request says, as the model gets it, and the shape of what comes back."""

import json

import pytest

PNG = "data:image/png;base64,iVBORw0KGgo="


def user(content):
    return {"role": "user", "content": content}


def heard(scripted):
    """The last request, as the model got it: system prompt, and roles with what they say."""
    request = scripted.requests[-1]
    return request.system, [(message.role, message.text) for message in request.messages]


def ask(chat, *messages, **fields):
    answer = chat(*messages, model="scripted/one", session="none", **fields)
    assert answer.status_code == 200, answer.text
    return answer


def test_instructions_of_both_roles_are_joined_wherever_they_stand(chat, scripted):
    said = [
        {"role": "system", "content": "Be brief."},
        user("say one"),
        {"role": "developer", "content": [{"type": "text", "text": "Be "}, text("kind.")]},
    ]
    ask(chat, *said)
    assert heard(scripted) == ("Be brief.\n\nBe kind.", [("user", "say one")])


def text(value):
    return {"type": "text", "text": value}


def test_parts_of_a_text_are_one_text(chat, scripted):
    ask(chat, user([text("say "), text("one")]))
    assert heard(scripted)[1] == [("user", "say one")]


def test_an_image_by_value_reaches_the_model_in_its_place(chat, scripted):
    ask(chat, user([text("say "), {"type": "image_url", "image_url": {"url": PNG}}, text("one")]))
    (message,) = scripted.requests[-1].messages
    assert [type(part).__name__ for part in message.parts] == ["TextPart", "ImagePart", "TextPart"]
    assert (message.parts[1].media_type, message.parts[1].data) == ("image/png", "iVBORw0KGgo=")


@pytest.mark.parametrize("detail", ["low", "auto"])
def test_the_detail_of_an_image_is_no_hindrance(chat, detail):
    ask(chat, user([{"type": "image_url", "image_url": {"url": PNG, "detail": detail}}]))


@pytest.mark.parametrize(
    "answer",
    [
        {"content": None},
        {"content": []},
        {"content": "", "refusal": None, "audio": None, "tool_calls": None, "name": "x"},
    ],
)
def test_an_answer_in_the_history_may_be_empty_in_any_way(chat, scripted, answer):
    ask(chat, user("say one"), {"role": "assistant", **answer}, user("say two"))
    assert heard(scripted)[1][1:] == [("assistant", ""), ("user", "say two")]


@pytest.mark.parametrize(
    "answer",
    [
        {"content": None, "refusal": "I won't."},
        {"content": [{"type": "refusal", "refusal": "I won't."}]},
    ],
)
def test_a_refusal_in_the_history_is_what_the_model_said(chat, scripted, answer):
    ask(chat, user("say one"), {"role": "assistant", **answer}, user("say two"))
    assert heard(scripted)[1][1] == ("assistant", "I won't.")


def test_fields_that_are_null_are_not_there(chat):
    fields = dict.fromkeys(
        ("stream", "max_tokens", "tools", "tool_choice", "response_format", "temperature", "stop")
    )
    assert "x-hub-ignored" not in ask(chat, "say one", **fields).headers


def test_fields_that_nobody_knows_are_not_looked_at(chat):
    assert ask(chat, "say one", enable_thinking=True, extra_body={"x": 1})


def test_the_newer_name_of_the_limit_wins(chat, scripted):
    ask(chat, "say one", max_tokens=5, max_completion_tokens=7)
    assert scripted.requests[-1].options.max_tokens == 7


def test_the_effort_reaches_the_model(chat, scripted):
    ask(chat, "say one", reasoning_effort="high")
    assert scripted.requests[-1].options.effort == "high"


def test_a_whole_answer_has_every_field_that_clients_read(chat):
    body = ask(chat, "say one").json()
    assert body.pop("id").startswith("chatcmpl-")
    assert isinstance(body.pop("created"), int)
    assert body == {
        "object": "chat.completion",
        "model": "scripted/one",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "one", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


def test_every_event_of_a_stream_has_every_field_that_clients_read(chat):
    raw = ask(chat, "say one", stream=True)
    assert raw.headers["content-type"].startswith("text/event-stream")
    lines = [line[6:] for line in raw.text.split("\n") if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    assert len({(event["id"], event["created"], event["model"]) for event in events}) == 1
    for event in events:
        assert event["object"] == "chat.completion.chunk"
        (choice,) = event["choices"]
        assert set(choice) == {"index", "delta", "logprobs", "finish_reason"}
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [event["choices"][0]["finish_reason"] for event in events] == [None, None, "stop"]


def test_the_headers_of_an_answer_name_its_turn_and_its_session(chat):
    answer = chat("say one", model="scripted/one")
    assert answer.headers["x-turn-id"].startswith("turn-")
    assert answer.headers["x-session-id"]
    assert "x-session-id" not in ask(chat, "say one").headers


def test_an_error_has_the_four_fields_and_says_whether_to_try_again(chat):
    answer = chat("hello", n=2)
    assert set(answer.json()) == {"error"}
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("data", ["xx", "AAAA", "iVBORw0KGgo", "iVBORw0K\nGgo=", "PHN2Zy8+"])
def test_what_is_no_image_is_refused_before_a_model_is_shown_it(chat, data):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    refused = chat({"role": "user", "content": [image]}, model="scripted/one")
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "messages[0].content[0].image_url.url"


def test_an_image_is_what_it_is_whatever_it_is_called(chat, scripted):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,/9j/4AAQ"}}
    said = [image, {"type": "text", "text": "say x"}]
    assert chat({"role": "user", "content": said}, model="scripted/one").status_code == 200
    assert scripted.requests[-1].messages[-1].parts[0].media_type == "image/jpeg"
