"""The limits of access tokens, as clients meet them."""

import httpx
import openai
import pytest

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.limits import TokenLimits
from llm_mcp_hub.testing import create_test_hub


@pytest.fixture
def limited(hub, chat_with):
    """Makes a client with limits, and its way to chat."""
    clients = []

    def make(name, **limits):
        scopes = [Scope.CHAT, Scope.SESSIONS]
        _, text = hub.call(hub.hub.access.create(name, scopes, limits=TokenLimits(**limits)))
        client = httpx.Client(base_url=hub.base_url, headers=hub.headers(text), timeout=20)
        clients.append(client)
        return client, chat_with(client)

    yield make
    for client in clients:
        client.close()


def left(answer, kind="requests"):
    return answer.headers.get(f"x-ratelimit-remaining-{kind}")


def refused(answer, code, *, retry):
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, code)
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert answer.headers["x-should-retry"] == retry


def test_requests_per_minute(limited):
    _, chat = limited("minute", requests_per_minute=3)
    answers = [chat("hello") for _ in range(3)]
    assert [left(answer) for answer in answers] == ["2", "1", "0"]
    assert answers[0].headers["x-ratelimit-limit-requests"] == "3"
    assert answers[2].headers["x-ratelimit-reset-requests"].endswith("s")
    late = chat("hello")
    refused(late, "rate_limit_exceeded", retry="true")
    assert 50 < int(late.headers["retry-after"]) <= 60
    streamed = chat("hello", stream=True)
    refused(streamed, "rate_limit_exceeded", retry="true")


def test_requests_and_tokens_per_day(limited):
    _, chat = limited("day", requests_per_day=2)
    assert [left(chat("hello")) for _ in range(2)] == ["1", "0"]
    refused(chat("hello"), "quota_exhausted", retry="false")
    _, chat = limited("tokens", tokens_per_day=10)
    first = chat("one two three four")
    assert left(first, "tokens") == "10"
    second = chat("one two three four")
    spent = first.json()["usage"]["total_tokens"]
    assert left(second, "tokens") == str(max(0, 10 - spent))
    while second.status_code == 200:
        second = chat("one two three four")
    refused(second, "quota_exhausted", retry="false")
    assert 0 < int(second.headers["retry-after"]) <= 86_400


def test_turns_at_once(limited, scripted, until):
    client, chat = limited("together", concurrent_turns=1)
    for _ in range(10):
        assert chat("hello").status_code == 200
        assert chat("say x", model="scripted/one", stream=True).text.endswith("[DONE]\n\n")
        assert chat("fail WorkerDied", model="scripted/one").status_code == 502
    body = {
        "model": "scripted/one",
        "stream": True,
        "messages": [{"role": "user", "content": "wait"}],
    }
    with client.stream("POST", "/v1/chat/completions", json=body) as running:
        next(running.iter_bytes())
        busy = chat("hello")
        refused(busy, "too_many_turns", retry="true")
        assert "retry-after" not in busy.headers
    # The turn goes on in case its client comes back, and then makes way.
    until(lambda: chat("hello").status_code == 200, "a free place")


def test_what_is_refused_later_counts_for_nothing(limited):
    _, chat = limited("refused", requests_per_day=1, concurrent_turns=1)
    for _ in range(3):
        assert (
            chat("refuse QueueFull", model="scripted/one").json()["error"]["code"] == "queue_full"
        )
        assert chat("x", model="nowhere/one").status_code == 404
    assert chat("hello").status_code == 200


def test_an_answer_under_a_key_counts_once(limited):
    client, _ = limited("keyed", requests_per_day=2)
    body = {"model": "echo/echo", "messages": [{"role": "user", "content": "hello"}]}
    answers = [
        client.post("/v1/chat/completions", json=body, headers={"idempotency-key": "same"})
        for _ in range(5)
    ]
    assert {answer.status_code for answer in answers} == {200}
    refused_key = {"idempotency-key": "second"}
    assert client.post("/v1/chat/completions", json=body, headers=refused_key).status_code == 200
    late = client.post("/v1/chat/completions", json=body, headers={"idempotency-key": "third"})
    refused(late, "quota_exhausted", retry="false")


def test_a_token_without_limits_gets_no_headers(chat):
    assert not [name for name in chat("hello").headers if name.startswith("x-ratelimit")]


def test_openai_s_library_sees_what_is_left_and_does_not_insist(hub, limited):
    http, _ = limited("sdk", requests_per_day=1)
    token = http.headers["authorization"].removeprefix("Bearer ")
    with openai.OpenAI(base_url=f"{hub.base_url}/v1", api_key=token) as client:
        messages = [{"role": "user", "content": "hello"}]
        raw = client.chat.completions.with_raw_response.create(model="echo/echo", messages=messages)
        assert raw.headers["x-ratelimit-remaining-requests"] == "0"
        with pytest.raises(openai.RateLimitError) as failure:
            client.chat.completions.create(model="echo/echo", messages=messages)
        assert failure.value.code == "quota_exhausted"


def test_two_hubs_on_one_state_share_the_limits(tmp_path, chat_with):
    state = f"sqlite:///{tmp_path / 'hub.db'}"
    with create_test_hub(state=state) as one, create_test_hub(state=state) as other:
        _, text = one.call(
            one.hub.access.create("ann", [Scope.CHAT], limits=TokenLimits(requests_per_minute=4))
        )
        codes = []
        for _ in range(4):
            for hub in (one, other):
                with httpx.Client(base_url=hub.base_url, headers=hub.headers(text)) as client:
                    codes.append(chat_with(client)("hello").status_code)
    assert codes == [200] * 4 + [429] * 4
