"""Chains, aliases and the default model over HTTP: who answers, and that the reply says so."""

import json

import pytest

from llm_mcp_hub.api import sse
from llm_mcp_hub.testing.hub import create_test_hub

CHAT = "/v1/chat/completions"
CHAIN = "scripted/one,echo/echo"


@pytest.fixture(scope="module")
def hub(scripted):
    aliases = {"safe": ["scripted/one", "echo/echo"], "default": "echo/echo", "gone": "nobody/x"}
    with create_test_hub({"aliases": aliases}, plugins=[("scripted", scripted)]) as served:
        yield served


def answered_by(response):
    return response.headers["x-hub-provider"], response.headers["x-hub-model"]


def events(response):
    lines = (line for line in response.text.splitlines() if line.startswith("data: {"))
    return [json.loads(line.removeprefix("data: ")) for line in lines]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "text", "who"),
    [
        (CHAIN, "say x", "scripted/one"),
        (CHAIN, "refuse ProviderRateLimited", "echo/echo"),
        ("safe", "refuse LoginRequired", "echo/echo"),
        ("echo", "say x", "echo/echo"),
    ],
)
def test_the_reply_names_who_has_answered(chat, stream, model, text, who):
    response = chat(text, model=model, stream=stream)

    assert response.status_code == 200
    assert answered_by(response) == (who.partition("/")[0], who)
    bodies = events(response) if stream else [response.json()]
    assert {body["model"] for body in bodies} == {who}


@pytest.mark.parametrize("stream", [False, True])
def test_when_nobody_can_answer_that_is_a_proper_status(chat, stream):
    response = chat("refuse LoginRequired", model="scripted/one,scripted/two", stream=stream)

    assert response.status_code == 503
    error = response.json()["error"]
    assert error["code"] == "login_required"
    assert "scripted/one: Said no. scripted/two: Said no." in error["message"]
    assert "x-hub-model" not in response.headers


def test_after_the_first_chunk_the_error_is_the_first_one_s(chat):
    response = chat("fail ProviderRateLimited", model=CHAIN, stream=True)

    assert answered_by(response) == ("scripted", "scripted/one")
    assert events(response)[-1]["error"]["code"] == "provider_rate_limited"


@pytest.fixture
def soon(monkeypatch):
    """A stream that is silent says so at once."""
    monkeypatch.setattr(sse, "HOLD_SECONDS", 0.02)
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.03)


def slowly(http, scripted, path, body, headers=None):
    """The answer to a request whose answer takes longer than a proxy would wait."""
    scripted.go.clear()
    with http.stream("POST", path, json=body | {"stream": True}, headers=headers) as response:
        parts = response.iter_text()
        first = next(parts)
        scripted.go.set()
        return response, first + "".join(parts)


@pytest.mark.parametrize(
    ("order", "who"), [("hold", "scripted/one"), ("late ProviderRateLimited", "echo/echo")]
)
def test_a_chain_keeps_its_connection_alive_before_it_is_known_who_answers(
    http, scripted, soon, order, who
):
    message = {"role": "user", "content": order}
    body = {"model": CHAIN, "messages": [message], "seed": 1}
    response, text = slowly(http, scripted, CHAT, body, {"x-session-id": order.replace(" ", "-")})

    assert response.status_code == 200
    assert text.startswith(": keep-alive\n\n")
    assert "x-hub-provider" not in response.headers
    assert response.headers.get_list("x-hub-ignored") == ["seed"]
    assert len(response.headers.get_list("x-turn-id")) == 1
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: {")]
    assert {json.loads(one)["model"] for one in data} == {who}
    assert text.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("path", "body", "event"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "late LoginRequired"}]}, "data: "),
        ("/v1/responses", {"input": "late LoginRequired"}, "event: error"),
        (
            "/v1/messages",
            {"max_tokens": 9, "messages": [{"role": "user", "content": "late LoginRequired"}]},
            "event: error",
        ),
    ],
)
def test_when_nobody_can_answer_any_more_a_stream_that_has_begun_ends_with_the_error(
    http, scripted, soon, path, body, event
):
    body = body | {"model": "scripted/one,scripted/two"}
    response, text = slowly(http, scripted, path, body)

    assert response.status_code == 200
    assert response.headers.get("request-id", response.headers["x-turn-id"]).startswith("turn-")
    assert ("request-id" in response.headers) is (path == "/v1/messages")
    assert text.startswith(": keep-alive\n\n")
    last = text.rstrip("\n").rpartition("\n\n")[2]
    assert last.startswith(event)
    assert "scripted/one: Broke. scripted/two: Broke." in last


@pytest.mark.parametrize("model", [{}, {"model": ""}, {"model": None}, {"model": "default"}])
def test_a_request_that_names_no_model_gets_the_default(http, model):
    body = {"messages": [{"role": "user", "content": "hello"}]} | model
    response = http.post(CHAT, json=body)

    assert response.status_code == 200
    assert answered_by(response) == ("echo", "echo/echo")


def test_a_session_goes_on_with_its_model_if_none_is_named(chat, http):
    chat("say x", session="its-own", model="scripted/two")
    body = {"messages": [{"role": "user", "content": "say y"}]}
    response = http.post(CHAT, json=body, headers={"x-session-id": "its-own"})

    assert answered_by(response) == ("scripted", "scripted/two")


def test_the_session_names_who_has_answered(chat, http):
    chat("refuse QueueTimeout", session="fallen", model=CHAIN)

    assert http.get("/v1/sessions/fallen").json()["session"]["model"] == "echo/echo"


def test_aliases_are_listed_as_the_hub_s_with_what_they_stand_for(http):
    models = {one["id"]: one for one in http.get("/v1/models").json()["data"]}

    assert models["safe"] == {
        "id": "safe",
        "owned_by": "hub",
        "display_name": "safe",
        "created": 0,
        "created_at": "1970-01-01T00:00:00Z",
        "object": "model",
        "stands_for": ["scripted/one", "echo/echo"],
        "type": "model",
        "lifecycle": "active",
    }
    assert http.get("/v1/models/safe").json() == models["safe"]
    assert "stands_for" not in models["echo/echo"]
    assert "gone" not in models


def test_an_answer_that_is_given_again_names_who_gave_it(http, chat):
    body = {
        "model": CHAIN,
        "messages": [{"role": "user", "content": "refuse MemoryShort"}],
        "stream": True,
    }
    first, again = (http.post(CHAT, json=body, headers={"idempotency-key": "k"}) for _ in range(2))

    assert again.headers["idempotent-replayed"] == "true"
    assert answered_by(first) == answered_by(again) == ("echo", "echo/echo")
    assert events(first) == events(again)


def test_mcp_s_chat_takes_a_chain(hub, http):
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "chat",
            "arguments": {"message": "refuse ProviderOverloaded", "model": "safe"},
        },
    }
    opened = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    headers = {"accept": "application/json, text/event-stream"}
    session = http.post("/mcp", json=opened, headers=headers).headers["mcp-session-id"]
    response = http.post("/mcp", json=call, headers=headers | {"mcp-session-id": session})
    found = next(one for one in events(response) if one.get("id") == 1)

    assert found["result"]["structuredContent"]["model"] == "echo/echo"
