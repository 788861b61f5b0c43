"""`/metrics`, read by Prometheus' own parser."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from llm_mcp_hub.domain.status import PoolFigures
from llm_mcp_hub.testing import create_test_hub


@pytest.fixture
def served(scripted, chat_with):
    with (
        create_test_hub(plugins=[("scripted", scripted)]) as hub,
        httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=20) as client,
    ):
        yield hub, client, chat_with(client)


def scraped(client):
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(found, name, **labels):
    return found[f"llm_mcp_hub_{name}", tuple(sorted(labels.items()))]


def test_turns_errors_tokens_and_times(served):
    hub, client, chat = served
    for _ in range(3):
        chat("say hello", model="scripted/one")
    chat("fail WorkerDied", model="scripted/one")
    chat("refuse QueueFull", model="scripted/one")
    who = {"provider": "scripted", "model": "one"}
    before = scraped(client)
    hub.call(hub.hub._recorder.flush())
    for found in (before, scraped(client)):
        assert value(found, "turns_total", **who, outcome="done") == 3
        assert value(found, "turns_total", **who, outcome="failed") == 2
        assert value(found, "errors_total", **who, code="queue_full") == 1
        assert value(found, "tokens_total", **who, kind="input") == 9
        assert value(found, "turn_seconds_count", **who) == 3
        assert value(found, "turn_seconds_bucket", **who, le="+Inf") == 3
        assert value(found, "turn_seconds_sum", **who) > 0
        assert value(found, "first_chunk_seconds_count", **who) == 3
        ends = [
            (float(dict(labels)["le"]), number)
            for (name, labels), number in found.items()
            if name == "llm_mcp_hub_turn_seconds_bucket"
        ]
        numbers = [number for _, number in sorted(ends)]
        assert numbers == sorted(numbers)
        assert 20 < len(ends) < 30


def test_pools_queues_and_the_process(served):
    _, client, chat = served
    chat("hello")
    found = scraped(client)
    assert value(found, "provider_available", provider="echo") == 1
    pool = PoolFigures.__struct_fields__
    states = {dict(labels)["state"] for name, labels in found if name == "llm_mcp_hub_workers"}
    assert states == set(pool[: pool.index("queued")])
    reasons = {
        dict(labels)["reason"] for name, labels in found if name == "llm_mcp_hub_refused_total"
    }
    assert {f"refused_{reason}" for reason in reasons} == {
        name for name in pool if name.startswith("refused_")
    }
    assert value(found, "worker_events_total", provider="echo", event="served") == 1
    assert value(found, "deadlines_passed_total", provider="echo", deadline="total") == 0
    assert value(found, "running_turns") == 0
    assert value(found, "accepting") == 1
    assert value(found, "queued", provider="echo") == 0


def test_no_name_of_a_caller_is_a_label(served):
    hub, client, chat = served
    chat("hello")
    assert hub.admin_token[4:16] not in client.get("/metrics").text
    assert "admin-" not in client.get("/metrics").text


def test_it_needs_an_admin(served):
    hub, client, _ = served
    assert httpx.get(f"{hub.base_url}/metrics").status_code == 401
    other = hub.headers(hub.token("ann"))
    assert client.get("/metrics", headers=other).status_code == 403


def test_it_can_be_open_on_the_machine_itself_and_not_to_a_proxy_on_it():
    with create_test_hub({"access": {"open_metrics": True}}) as hub:
        url = f"{hub.base_url}/metrics"
        assert httpx.get(url).status_code == 200
        for header in ("x-forwarded-for", "forwarded", "x-real-ip", "via"):
            assert httpx.get(url, headers={header: "192.0.2.1"}).status_code == 401
        assert httpx.get(url, headers={"host": "evil.example"}).status_code == 403
        assert httpx.get(f"{hub.base_url}/v1/usage").status_code == 401
