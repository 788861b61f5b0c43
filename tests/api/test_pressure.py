"""What can be seen of the workers, and of how close the hub is to refusing."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from llm_mcp_hub.testing.hub import create_test_hub

BODY = {"model": "echo/echo", "messages": [{"role": "user", "content": "a b c d e f g h"}]}


@pytest.fixture(scope="module")
def small():
    """One worker, one place in the queue, and words that take their time."""
    pool = {"min_spare": 1, "max_workers": 1, "max_queue": 1}
    with create_test_hub({"providers": {"echo": {"pool": pool}}}, word_seconds=0.1) as hub:
        yield hub


CLIENT = httpx.Client(timeout=30, trust_env=False)
"""One for all: making one takes longer than an answer."""


@pytest.fixture(scope="module", autouse=True)
def client_is_closed():
    yield
    CLIENT.close()


def get(hub, path, token=None):
    answer = CLIENT.get(hub.base_url + path, headers=hub.headers(token or hub.admin_token))
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(hub, **headers):
    headers = hub.headers(hub.admin_token) | headers
    return CLIENT.post(f"{hub.base_url}/v1/chat/completions", json=BODY, headers=headers)


def until(condition):
    tick = threading.Event()
    for _ in range(500):
        if condition():
            return
        tick.wait(0.02)
    pytest.fail("it did not come true")


def test_every_worker_is_shown_with_its_turns_and_age(small):
    assert ask(small, **{"X-Session-ID": "shown"}).status_code == 200
    detail = get(small, "/v1/providers/echo/pool")
    (worker,) = detail["workers"]
    assert (worker["state"], worker["turns"]) == ("parked", 1)
    assert worker["principal"].startswith("admin")
    assert worker["pid"] > 0
    assert worker["age_seconds"] >= worker["state_seconds"] >= 0
    assert detail["pool"]["served"] >= 1


def test_whose_conversation_a_worker_holds_is_for_admins(small):
    ask(small, **{"X-Session-ID": "whose"})
    detail = get(small, "/v1/providers/echo/pool", small.token("curious"))
    assert [worker["principal"] for worker in detail["workers"]] == [None] * len(detail["workers"])


def test_the_pool_of_an_unknown_provider_is_a_404(small):
    answer = CLIENT.get(
        f"{small.base_url}/v1/providers/nobody/pool", headers=small.headers(small.admin_token)
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "provider_not_found"


def test_pressure_rises_until_the_hub_says_that_it_refuses(small):
    calm = get(small, "/v1/pressure")
    assert (calm["accepting"], calm["running"], calm["load"]) == (True, 0, 0.0)
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(ask, small)]
        until(lambda: get(small, "/v1/pressure")["providers"][0]["busy"])
        answers.append(pool.submit(ask, small))
        until(lambda: not get(small, "/v1/pressure")["accepting"])
        full = get(small, "/v1/pressure")
        refused = ask(small)
        assert [answer.result().status_code for answer in answers] == [200, 200]
    (echo,) = full["providers"]
    assert full["load"] == 1.0
    assert full["running"] == 2
    assert (echo["busy"], echo["queued"]) == (1, 1)
    assert echo["reason"]
    assert echo["retry_after"] >= 1
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "queue_full"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_a_batch_request_waits_for_an_interactive_one(small):
    small_queue = {"providers": {"echo": {"pool": {"min_spare": 1, "max_workers": 1}}}}
    order = []
    with create_test_hub(small_queue, word_seconds=0.05) as hub:

        def timed(name, **headers):
            answer = ask(hub, **headers)
            order.append(name)
            return answer.status_code

        def queued(count):
            until(lambda: get(hub, "/v1/pressure")["providers"][0]["queued"] == count)

        with ThreadPoolExecutor(3) as pool:
            first = pool.submit(timed, "first")
            until(lambda: get(hub, "/v1/pressure")["providers"][0]["busy"] == 1)
            batch = pool.submit(timed, "batch", **{"X-Priority": "batch"})
            queued(1)
            urgent = pool.submit(timed, "interactive")
            queued(2)
            assert [one.result() for one in (first, batch, urgent)] == [200] * 3
    assert order == ["first", "interactive", "batch"]


def test_a_priority_that_does_not_exist_is_refused(small):
    answer = ask(small, **{"X-Priority": "now!"})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "X-Priority"
