"""Several hubs on one Redis are one hub for providers, too: what is changed at one is so at all."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from llm_mcp_hub.services.provider_lifecycle import LOOK_SECONDS
from llm_mcp_hub.testing.hub import create_test_hub
from llm_mcp_hub.testing.redis_server import RedisServer, redis_server, redis_server_binary

pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(redis_server_binary() is None, reason="no redis-server on the path"),
]

FEW_SECONDS = LOOK_SECONDS + 3.0
"""For a look and what comes of it, on a busy machine."""


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def pair(redis, request):
    """Clients of two hubs on a state of their own."""
    state = f"{redis.url}?prefix={request.node.name[:40]}"
    with create_test_hub(state=state) as one, create_test_hub(state=state) as two:
        token = one.token("boss", "admin")
        with client_of(one, token) as first, client_of(two, token) as second:
            yield first, second


def client_of(hub, token):
    return httpx.Client(base_url=hub.base_url, headers=hub.headers(token), timeout=30)


def add(client, **settings):
    body = {"name": "office", "kind": "echo", "settings": settings}
    assert client.post("/v1/providers", json=body).status_code == 201


def ask(client):
    body = {"model": "office/echo", "messages": [{"role": "user", "content": "hello"}]}
    return client.post("/v1/chat/completions", json=body)


def look(client):
    answer = client.get("/v1/providers/office")
    return answer.json() if answer.status_code == 200 else None


def pids(client):
    workers = client.get("/v1/providers/office/pool").json()["workers"]
    return {worker["pid"] for worker in workers if worker["state"] != "ending"}


def test_what_is_done_to_a_provider_at_one_hub_is_so_at_the_other_within_seconds(pair, until):
    first, second = pair
    began = time.monotonic()
    add(first, word_seconds=0)
    until(lambda: look(second), "the provider at the other hub")
    assert time.monotonic() - began < FEW_SECONDS
    assert ask(second).status_code == 200
    assert look(second)["settings"] == look(first)["settings"]

    began = time.monotonic()
    second.post("/v1/providers/office/drain")
    until(lambda: look(first)["draining"], "draining at the first")
    assert time.monotonic() - began < FEW_SECONDS
    assert ask(first).json()["error"]["code"] == "provider_draining"
    first.post("/v1/providers/office/resume")
    until(lambda: not look(second)["draining"] and pids(second), "resumed at the second")

    before = pids(second)
    first.post("/v1/providers/office/restart")
    until(lambda: pids(second) and not pids(second) & before, "other workers at the second")

    began = time.monotonic()
    second.delete("/v1/providers/office")
    until(lambda: look(first) is None, "removed at the first")
    assert time.monotonic() - began < FEW_SECONDS
    assert ask(first).status_code == 404


def test_a_name_that_is_used_again_at_once_is_another_provider_at_every_hub(pair, until):
    first, second = pair
    add(first, word_seconds=0)
    until(lambda: look(second), "the provider at the other hub")
    first.delete("/v1/providers/office")
    until(lambda: look(first) is None, "the removal")
    add(first, word_seconds=0.5)
    until(lambda: (look(second) or {}).get("settings") == {"word_seconds": 0.5}, "the new one")


def test_of_two_hubs_that_add_a_name_at_once_one_gets_it(pair):
    first, second = pair
    body = {"name": "office", "kind": "echo"}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda client: client.post("/v1/providers", json=body), pair))
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert look(first) or look(second)


def test_a_hub_that_starts_without_its_redis_has_what_was_added_once_it_is_back(own_redis, until):
    settings = {"access": {"enabled": False}}
    own_redis.stop()
    with (
        create_test_hub(settings, state=own_redis.url) as hub,
        httpx.Client(base_url=hub.base_url, timeout=30) as client,
    ):
        assert look(client) is None
        assert client.post("/v1/providers", json={"name": "a", "kind": "echo"}).status_code == 503
        own_redis.start()
        with (
            create_test_hub(settings, state=own_redis.url) as other,
            httpx.Client(base_url=other.base_url, timeout=30) as second,
        ):
            add(second)
        until(lambda: look(client), "the provider")


def test_added_providers_survive_a_restart_of_all_hubs(redis):
    state = f"{redis.url}?prefix=restarted"
    with create_test_hub(state=state) as hub, client_of(hub, hub.admin_token) as client:
        add(client, word_seconds=0)
        client.post("/v1/providers/office/drain")
    with create_test_hub(state=state) as hub, client_of(hub, hub.admin_token) as client:
        assert look(client)["draining"]
        client.post("/v1/providers/office/resume")
        assert ask(client).status_code == 200
