"""Providers that are added, drained, restarted and removed while the hub runs."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from llm_mcp_hub.testing.hub import create_test_hub

SLOW = {"word_seconds": 0.1, "pool": {"min_spare": 1, "max_spare": 1, "max_workers": 2}}
WORDS = "one two three four five six seven eight nine ten"


@pytest.fixture
def own():
    """A hub to change."""
    with create_test_hub() as hub:
        yield hub


@pytest.fixture
def admin(own):
    with client_of(own) as client:
        yield client


def client_of(hub, token=None):
    return httpx.Client(base_url=hub.base_url, headers=hub.headers(token), timeout=30)


def add(client, name="office", kind="echo", **settings):
    body = {"name": name, "kind": kind, "settings": settings}
    return client.post("/v1/providers", json=body)


def ask(client, model="office/echo", text="hello", **headers):
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return client.post("/v1/chat/completions", json=body, headers=headers)


def look(client, name="office"):
    answer = client.get(f"/v1/providers/{name}")
    return answer.json() if answer.status_code == 200 else None


def listed(client):
    return client.get("/v1/providers").json()["data"]


def pids(client, name="office"):
    workers = client.get(f"/v1/providers/{name}/pool").json()["workers"]
    return {worker["pid"] for worker in workers if worker["state"] != "ending"}


def is_running(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def streamed(client, first, model="office/echo"):
    """The events of a whole stream; `first` is set once it has begun."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": WORDS}]}
    events = []
    with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(line.removeprefix("data: "))
                if "content" in line:
                    first.append(True)
    return events


def test_an_added_provider_answers_at_once_and_is_shown_for_what_it_is(own, admin, until):
    added = add(admin, word_seconds=0, pool={"max_workers": 3})
    assert added.status_code == 201
    assert (added.json()["origin"], added.json()["kind"]) == ("added", "echo")
    assert ask(admin).json()["choices"][0]["message"]["content"] == "hello"
    assert "office/echo" in {model["id"] for model in admin.get("/v1/models").json()["data"]}

    shown = look(admin)
    assert shown["settings"] == {"word_seconds": 0, "pool": {"max_workers": 3}}
    assert shown["pool"]["max_workers"] == 3
    assert (shown["draining"], shown["removing"]) == (False, False)
    assert look(admin, "echo")["origin"] == "configured"
    with client_of(own, own.token("curious")) as curious:
        assert look(curious)["settings"] is None
        assert "max_workers" not in str([one["settings"] for one in listed(curious)])
    assert "max_workers" in str([one["settings"] for one in listed(admin)])


def test_a_removed_provider_is_gone_with_its_workers(own, admin, until):
    add(admin, **SLOW)
    ask(admin)
    workers = pids(admin)
    assert all(map(is_running, workers))
    removed = admin.delete("/v1/providers/office")
    assert removed.status_code == 202
    assert removed.json()["removing"] is True
    until(lambda: look(admin) is None, "the removal")
    assert not any(map(is_running, workers))
    refused = ask(admin)
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")
    assert admin.delete("/v1/providers/office").status_code == 404
    assert add(admin).status_code == 201


def test_a_turn_that_runs_ends_well_while_its_provider_is_removed(own, admin, until):
    add(admin, **SLOW)
    begun = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(streamed, admin, begun)
        until(lambda: begun, "the first word")
        assert admin.delete("/v1/providers/office").status_code == 202
        refused = ask(admin)
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "provider_draining"
        assert "removed" in refused.json()["error"]["message"]
        assert look(admin)["removing"] is True
        taken = add(admin)
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "name_taken")
        events = running.result()
    assert events[-1] == "[DONE]"
    text = "".join(
        json.loads(event)["choices"][0]["delta"].get("content") or "" for event in events[:-1]
    )
    assert text.split() == WORDS.split()
    until(lambda: look(admin) is None, "the removal")


def test_a_turn_that_outlasts_the_grace_is_stopped_and_its_caller_told(until):
    with create_test_hub({"server": {"drain_seconds": 1}}) as hub, client_of(hub) as admin:
        add(admin, word_seconds=2)
        begun = []
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(streamed, admin, begun)
            until(lambda: begun, "the first word")
            admin.delete("/v1/providers/office")
            events = running.result()
        until(lambda: look(admin) is None, "the removal")
    assert json.loads(events[-1])["error"]["code"] == "draining"
    assert "[DONE]" not in events


@pytest.mark.parametrize("name", ["echo", "office"])
def test_a_drained_provider_finishes_what_runs_refuses_the_rest_and_can_be_resumed(name, until):
    settings = {"providers": {"echo": SLOW}}
    with create_test_hub(settings) as hub, client_of(hub) as admin:
        add(admin, **SLOW)
        model = f"{name}/echo"
        begun = []
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(streamed, admin, begun, model)
            until(lambda: begun, "the first word")
            drained = admin.post(f"/v1/providers/{name}/drain")
            assert (drained.status_code, drained.json()["draining"]) == (200, True)
            assert (drained.json()["state"], drained.json()["removing"]) == ("unavailable", False)
            refused = ask(admin, model)
            events = running.result()
        assert events[-1] == "[DONE]"
        assert (refused.status_code, refused.headers["x-should-retry"]) == (503, "false")
        assert f"providers resume {name}" in refused.json()["error"]["message"]
        assert admin.get("/health").json()["providers"][name] == "unavailable"
        pressure = {one["name"]: one for one in admin.get("/v1/pressure").json()["providers"]}
        assert pressure[name]["accepting"] is False
        until(lambda: not pids(admin, name), "the end of the idle workers")

        assert admin.post(f"/v1/providers/{name}/resume").json()["draining"] is False
        until(lambda: pids(admin, name), "a worker in reserve")
        assert ask(admin, model, "again").status_code == 200


def test_a_request_that_a_drained_provider_refused_leaves_its_key_free(own, admin):
    add(admin, word_seconds=0)
    admin.post("/v1/providers/office/drain")
    key = {"Idempotency-Key": "k1"}
    assert ask(admin, **key).status_code == 503
    admin.post("/v1/providers/office/resume")
    assert ask(admin, **key).status_code == 200
    admin.post("/v1/providers/office/drain")
    replayed = ask(admin, **key)
    assert (replayed.status_code, replayed.headers["idempotent-replayed"]) == (200, "true")


def test_restarting_replaces_every_worker_and_spares_the_running_turn(own, admin, until):
    add(admin, **SLOW)
    begun = []
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(streamed, admin, begun)
        until(lambda: begun, "the first word")
        before = pids(admin)
        assert admin.post("/v1/providers/office/restart").status_code == 200
        assert running.result()[-1] == "[DONE]"
    until(lambda: pids(admin) and not pids(admin) & before, "other workers")
    assert ask(admin).status_code == 200
    assert not pids(admin) & before


def test_a_provider_of_the_configuration_can_not_be_removed_or_added(own, admin):
    refused = admin.delete("/v1/providers/echo")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "provider_configured"
    assert "[providers.echo]" in refused.json()["error"]["message"]
    assert ask(admin, "echo/echo").status_code == 200
    assert add(admin, "echo").json()["error"]["code"] == "name_taken"


def test_a_provider_that_is_turned_off_in_the_configuration_can_not_be_turned_on(until):
    settings = {"providers": {"off": {"kind": "echo", "enabled": False}}}
    with create_test_hub(settings) as hub, client_of(hub) as admin:
        assert add(admin, "off").json()["error"]["code"] == "name_taken"
        assert admin.post("/v1/providers/off/resume").status_code == 404
        assert admin.delete("/v1/providers/off").status_code == 404


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "../up", "kind": "echo"}, "name"),
        ({"name": "a/b", "kind": "echo"}, "name"),
        ({"name": "x" * 65, "kind": "echo"}, "name"),
        ({"name": "", "kind": "echo"}, "name"),
        ({"name": "office", "kind": "nobody"}, "kind"),
        ({"name": "office", "kind": "echo", "settings": {"limits": {}}}, "settings.limits"),
        (
            {"name": "office", "kind": "echo", "settings": {"executable": "x"}},
            "settings.executable",
        ),
        ({"name": "office", "kind": "echo", "settings": {"api_key": "x"}}, "settings.api_key"),
        ({"name": "office", "kind": "echo", "settings": {"pool": {"x": 1}}}, "settings.pool.x"),
        (
            {"name": "office", "kind": "echo", "settings": {"word_seconds": []}},
            "settings.word_seconds",
        ),
    ],
)
def test_what_can_not_be_added_is_refused_by_name_and_kept_nowhere(hub, http, body, param):
    refused = http.post("/v1/providers", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param
    assert [one["name"] for one in listed(http)] == ["scripted", "echo"]
    assert hub.call(hub.hub.store.list_records("providers")).records == ()


@pytest.mark.parametrize("field", ["command", "executable", "environment", "args", "base_url"])
def test_a_field_that_is_none_of_the_three_is_refused(http, field):
    body = {"name": "office", "kind": "echo", field: "x"}
    refused = http.post("/v1/providers", json=body)
    assert refused.status_code == 400
    assert field in refused.json()["error"]["message"]


def test_only_so_many_can_be_added(own, admin, monkeypatch):
    monkeypatch.setattr("llm_mcp_hub.services.provider_records.MOST_ADDED", 2)
    lean = {"pool": {"min_spare": 0}}
    assert [add(admin, f"p{number}", **lean).status_code for number in range(3)] == [201, 201, 409]


def test_what_can_be_added_is_listed_with_a_schema_of_its_settings(own, admin):
    kinds = {one["kind"]: one for one in admin.get("/v1/provider-kinds").json()["data"]}
    schema = kinds["echo"]["settings"]
    name = schema["$ref"].rpartition("/")[2]
    assert set(schema["$defs"][name]["properties"]) == {"word_seconds", "pool"}


def test_added_and_drained_providers_are_so_after_a_restart(tmp_path, until):
    state = f"sqlite:///{tmp_path}/hub.db"
    with create_test_hub(state=state) as hub, client_of(hub) as admin:
        add(admin, "kept", word_seconds=0)
        add(admin, "rests", word_seconds=0)
        add(admin, "gone", word_seconds=0)
        admin.post("/v1/providers/rests/drain")
        admin.post("/v1/providers/echo/drain")
        admin.delete("/v1/providers/gone")
        until(lambda: look(admin, "gone") is None, "the removal")
    with create_test_hub(state=state) as hub, client_of(hub) as admin:
        found = {one["name"]: one for one in admin.get("/v1/providers").json()["data"]}
        assert set(found) == {"echo", "kept", "rests"}
        assert {name for name, one in found.items() if one["draining"]} == {"echo", "rests"}
        assert ask(admin, "kept/echo").status_code == 200
        assert ask(admin, "echo/echo").json()["error"]["code"] == "provider_draining"
        assert not pids(admin, "rests")
        admin.post("/v1/providers/rests/resume")
        assert ask(admin, "rests/echo").status_code == 200


def test_an_added_provider_that_can_not_be_made_any_more_is_listed_and_can_be_removed(
    tmp_path, until
):
    state = f"sqlite:///{tmp_path}/hub.db"
    with create_test_hub(state=state) as hub, client_of(hub) as admin:
        add(admin, word_seconds=0)
        hub.call(
            hub.hub.store.put_record(
                "providers", "office", b'{"kind":"no-such-plugin","id":"x","settings":{}}'
            )
        )
    with create_test_hub(state=state) as hub, client_of(hub) as admin:
        shown = look(admin)
        assert shown["state"] == "unavailable"
        assert "no-such-plugin" in shown["reason"]
        assert admin.get("/health").json()["status"] == "degraded"
        assert ask(admin).status_code == 404
        assert ask(admin, "echo/echo").status_code == 200
        assert admin.post("/v1/providers/office/restart").status_code == 200
        assert admin.delete("/v1/providers/office").status_code == 202
        until(lambda: look(admin) is None, "the removal")
