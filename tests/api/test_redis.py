"""Several hubs on one Redis are one hub; a Redis that went away is used again without a restart."""

import time
from collections.abc import Iterator

import httpx
import pytest

from llm_mcp_hub.services import journals
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub.testing.redis_server import RedisServer, redis_server, redis_server_binary

pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(redis_server_binary() is None, reason="no redis-server on the path"),
]


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


def client_of(hub: TestHub, token: str) -> httpx.Client:
    return httpx.Client(base_url=hub.base_url, headers=hub.headers(token), timeout=30)


def test_two_hubs_serve_one_session_in_turn(redis, chat_with):
    with create_test_hub(state=redis.url) as one, create_test_hub(state=redis.url) as two:
        token = one.token("me")
        with client_of(one, token) as first, client_of(two, token) as second:
            for number in range(3):
                for client in (first, second):
                    assert chat_with(client)(f"n{number}", session="both").status_code == 200
            detail = second.get("/v1/sessions/both").json()
            recognised = chat_with(first)("hi").headers["x-session-id"]
            again = chat_with(second)("hi", "hi", "more")

    assert detail["session"]["revision"] == 6
    assert detail["session"]["message_count"] == 12
    assert again.headers["x-session-id"] == recognised


def test_every_hub_goes_on_from_a_response_at_once(redis):
    with create_test_hub(state=redis.url) as one, create_test_hub(state=redis.url) as two:
        token = one.token("me")
        previous = None
        with client_of(one, token) as first, client_of(two, token) as second:
            for client in (first, second) * 5:
                body = {"model": "echo/echo", "input": "hi", "previous_response_id": previous}
                answer = client.post("/v1/responses", json=body)
                assert answer.status_code == 200, answer.text
                previous = answer.json()["id"]
            kept = first.get(f"/v1/responses/{previous}")
            deleted = first.delete(f"/v1/responses/{previous}")
            gone = second.get(f"/v1/responses/{previous}")

    assert kept.json() == answer.json()
    assert kept.json()["usage"]["input_tokens"] == 19  # the whole conversation
    assert (deleted.status_code, gone.status_code) == (200, 404)


def test_an_answer_in_the_background_is_seen_and_cancelled_at_every_hub(
    redis, scripted, until, monkeypatch
):
    plugins = [("scripted", scripted)]
    with (
        create_test_hub(state=redis.url, plugins=plugins) as one,
        create_test_hub(state=redis.url, plugins=plugins) as two,
    ):
        token = one.token("me")
        with client_of(one, token) as first, client_of(two, token) as second:

            def begun(order):
                body = {"model": "scripted/one", "input": order, "background": True}
                return f"/v1/responses/{first.post('/v1/responses', json=body).json()['id']}"

            scripted.go.clear()
            silent = begun("hold")  # no chunk has come that would have it written
            seen = second.get(silent)
            scripted.go.set()
            until(lambda: second.get(silent).json()["status"] == "completed", "the answer")

            monkeypatch.setattr(journals, "RENEW_SECONDS", 0.1)
            path = begun("wait")
            kept = second.delete(path)
            ended = second.post(f"{path}/cancel")
            until(lambda: not scripted.running, "the end of the turn")
            until(lambda: first.get(path).json()["status"] == "cancelled", "the end at its own hub")
            gone = second.delete(path)

    assert seen.json()["status"] == "in_progress"
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "conflict")
    assert ended.json()["status"] == "cancelled"
    assert gone.status_code == 200


def test_a_token_revoked_at_one_hub_is_worthless_at_another_that_has_not_seen_it(redis):
    with create_test_hub(state=redis.url) as one, create_test_hub(state=redis.url) as two:
        token = one.token("short-lived")
        one.call(one.hub.access.revoke("short-lived"))
        with client_of(two, token) as client:
            assert client.get("/v1/models").status_code == 401


def test_a_redis_that_stops_is_told_and_one_that_is_back_is_used(redis, chat_with, until):
    with create_test_hub(state=redis.url) as hub, client_of(hub, hub.admin_token) as client:
        chat = chat_with(client)
        assert chat("before", session="s").status_code == 200
        redis.stop()

        began = time.monotonic()
        refused = chat("during", session="s")
        took = time.monotonic() - began
        health = client.get("/health")
        ready = client.get("/health/ready")
        live = client.get("/health/live")

        redis.start()
        until(lambda: client.get("/health").status_code == 200, "health")
        token = hub.token("after")
        with client_of(hub, token) as anew:
            assert chat_with(anew)("after", session="s").status_code == 200

    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "state_unavailable"
    assert refused.headers["x-should-retry"] == "true"
    assert took < 2
    assert health.status_code == 503
    assert health.json()["status"] == "unhealthy"
    assert health.json()["state"]["status"] == "unhealthy"
    assert (ready.status_code, live.status_code) == (503, 200)


def test_a_hub_starts_while_its_redis_is_away(redis, chat_with, until):
    redis.stop()
    with (
        create_test_hub({"access": {"enabled": False}}, state=redis.url) as hub,
        httpx.Client(base_url=hub.base_url) as client,
    ):
        assert client.get("/health").status_code == 503
        redis.start()
        until(lambda: client.get("/health").status_code == 200, "health")

        assert chat_with(client)("hello").status_code == 200
