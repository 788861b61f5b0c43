"""Sessions that other clients name in headers of their own, and what must not disturb them."""

import pytest

from llm_mcp_hub.api.session_hints import hinted_id
from llm_mcp_hub.domain.ids import is_session_id
from llm_mcp_hub.testing.hub import create_test_hub

CHAT_ID = "x-openwebui-chat-id"
TASK = "x-openwebui-task"
TITLE = "### Task: Generate a title for: USER hello"


@pytest.fixture(scope="module")
def hub(scripted):
    sessions = {"id_headers": ["X-Conversation", "X-OpenWebUI-Chat-Id"]}
    with create_test_hub({"sessions": sessions}, plugins=[("scripted", scripted)]) as served:
        yield served


@pytest.fixture
def say(http):
    """Chat as Open WebUI does: the whole history each time, and its id of the chat."""

    def post(*texts, chat="c", **headers):
        messages = [
            {"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)
        ]
        named = {CHAT_ID: chat} | {name.replace("_", "-"): value for name, value in headers.items()}
        response = http.post(
            "/v1/chat/completions",
            json={"model": "echo/echo", "messages": messages},
            headers=named,
        )
        assert response.status_code == 200, response.text
        return response

    return post


@pytest.fixture
def stored(http):
    def texts(session):
        found = http.get(f"/v1/sessions/{session}")
        if found.status_code == 404:
            return None
        parts = (entry["message"]["parts"] for entry in found.json()["messages"])
        return ["".join(part["text"] for part in each) for each in parts]

    return texts


def test_the_client_s_id_is_the_session_s(say, stored):
    assert say("a", chat="own").headers["x-session-id"] == "own"
    assert say("a", "a", "b", chat="own").headers["x-session-id"] == "own"

    assert stored("own") == ["a", "a", "b", "b"]


def test_x_session_id_goes_before_it(say, stored):
    assert say("a", chat="hinted", x_session_id="named").headers["x-session-id"] == "named"
    assert "x-session-id" not in say("a", chat="hinted", x_session_id="none").headers

    assert stored("hinted") is None


def test_the_header_that_is_configured_first_goes_first(say):
    assert say("a", chat="second", x_conversation="first").headers["x-session-id"] == "first"
    empty = say("b", chat="second", x_conversation="{{LIBRECHAT_BODY_CONVERSATIONID}}")
    assert empty.headers["x-session-id"] == "second"


@pytest.mark.parametrize(
    "value", ["", "{{LIBRECHAT_BODY_CONVERSATIONID}}", "x{{CHAT_ID}}", "new", "null", "None"]
)
def test_what_names_nothing_is_no_hint(say, value):
    assert say(f"unnamed {value}", chat=value).headers["x-session-id"].startswith("sess-")


@pytest.mark.parametrize("value", ["a b", "ü", "x" * 129, "../etc/passwd"])
def test_what_can_not_be_a_session_id_becomes_one(say, value):
    raw = value.encode("latin-1")
    session = say(f"odd {value}", chat=raw).headers["x-session-id"]

    assert is_session_id(session)
    assert session == hinted_id(raw)
    assert say(f"odd {value}", f"odd {value}", "on", chat=raw).headers["x-session-id"] == session
    assert hinted_id(raw + b"x") != session


def test_a_task_beside_the_chat_is_answered_and_leaves_it_alone(say, stored, http):
    say("hello", chat="tasks")
    before = http.get("/v1/sessions").json()["data"]
    response = say(TITLE, chat="tasks")

    assert response.json()["choices"][0]["message"]["content"] == TITLE
    assert "x-session-id" not in response.headers
    assert stored("tasks") == ["hello", "hello"]
    assert http.get("/v1/sessions").json()["data"] == before
    say("hello", "hello", "more", chat="tasks")
    assert stored("tasks") == ["hello", "hello", "more", "more"]


def test_a_task_that_says_so_begins_no_session(say, stored):
    response = say("Write a search query.", chat="early", **{TASK: "query_generation"})

    assert "x-session-id" not in response.headers
    assert stored("early") is None
    say("hello", chat="early", **{TASK: ""})
    assert stored("early") == ["hello", "hello"]


def test_a_history_that_is_not_the_session_s_is_kept_elsewhere(say, stored):
    say("a", chat="kept")
    other = say("x", "y", "z", chat="kept").headers["x-session-id"]

    assert other.startswith("sess-")
    assert stored("kept") == ["a", "a"]
    assert stored(other) == ["x", "y", "z", "z"]
    again = say("x", "y", "z", "z", "on", chat="kept").headers["x-session-id"]
    assert (again, stored("kept")) == (other, ["a", "a"])


def test_the_first_answer_can_be_made_anew(say, stored):
    say("a", chat="anew")
    say("a", "a", "b", chat="anew")
    assert say("a", chat="anew").headers["x-session-id"] == "anew"

    assert stored("anew") == ["a", "a"]


def test_a_chat_that_went_on_elsewhere_is_gone_on_with(say, stored):
    say("a", chat="away")
    say("a", "a", "b", "other model", "c", chat="away")

    assert stored("away") == ["a", "a", "b", "other model", "c", "c"]


def test_two_models_asked_at_once_under_one_id_are_both_answered(http, chat, scripted, until):
    scripted.go.clear()
    named = {CHAT_ID: "both"}
    body = {"model": "scripted/one", "messages": [{"role": "user", "content": "pause"}]}
    with http.stream(
        "POST", "/v1/chat/completions", json=body | {"stream": True}, headers=named
    ) as first:
        assert first.headers["x-session-id"] == "both"
        second = http.post(
            "/v1/chat/completions", json=body | {"model": "echo/echo"}, headers=named
        )
        assert second.status_code == 200
        assert "x-session-id" not in second.headers
        scripted.go.set()
        assert "[DONE]" in first.read().decode()
