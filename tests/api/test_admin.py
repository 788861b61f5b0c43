"""What administrators look at, over HTTP."""

import time

import httpx
import pytest

from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.config_sources import Sources
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.testing.hub import create_test_hub

ROUTES = ["/v1/overview", "/v1/alerts", "/v1/config", "/v1/plugins"]


class Broken:
    """A plugin that can't be loaded."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("broken on purpose")


@pytest.mark.parametrize("path", ROUTES)
def test_it_is_for_administrators(hub, path):
    token = hub.token(f"t{abs(hash(path))}", Scope.CHAT, Scope.SESSIONS)
    assert httpx.get(hub.base_url + path, headers=hub.headers(token)).status_code == 403


class TestOverview:
    def test_it_says_how_the_hub_is_in_one_answer(self, http, hub):
        seen = http.get("/v1/overview").json()
        assert seen["status"] == "healthy"
        assert seen["state"]["kind"] == "memory"
        assert (seen["providers"]["available"], seen["providers"]["total"]) == (2, 2)
        assert seen["running_turns"] == 0
        assert seen["workers"]["queued"] == 0
        assert seen["started_at"] <= time.time()
        assert 0 < seen["uptime_seconds"] < 600
        assert seen["alerts"] == {"error": 0, "warning": 0, "info": 0}
        assert seen["logins"] == []


class TestAlerts:
    def test_there_are_none_when_all_is_well(self, http):
        assert http.get("/v1/alerts").json()["data"] == []

    def test_what_is_wrong_is_listed_with_what_to_do_and_since_when(self, until):
        def load() -> object:
            raise RuntimeError("broken on purpose")

        with create_test_hub() as hub:
            hub.hub.plugins.add("bad", "bad-plugin 1.0", load)
            with httpx.Client(base_url=hub.base_url, headers=hub.headers()) as client:
                first = client.get("/v1/alerts").json()["data"]
                again = client.get("/v1/alerts").json()["data"]
                hub.hub.drain()
                draining = client.get("/v1/alerts").json()["data"]
        assert [one["id"] for one in first] == ["plugin:bad"]
        assert "broken on purpose" in first[0]["message"]
        assert "bad-plugin 1.0" in first[0]["remedy"]
        assert first == again
        assert [one["id"] for one in draining] == ["plugin:bad", "hub:draining"]


class TestPlugins:
    def test_all_are_listed(self, http):
        found = {one["name"]: one for one in http.get("/v1/plugins").json()["data"]}
        assert found["echo"]["error"] is None
        assert found["echo"]["distribution"].startswith("llm-mcp-hub ")
        assert "scripted" in found


class TestConfig:
    def test_every_setting_is_there_with_its_origin_and_no_secret(self):
        settings = {
            "alerts": {"webhook_url": "https://hooks.example/T000/secret-part"},
            "log": {"level": "warning"},
        }
        with create_test_hub(settings) as hub:
            hub.hub.sources = Sources("/etc/hub.toml", {"log.level": "file"})
            answer = httpx.get(f"{hub.base_url}/v1/config", headers=hub.headers())
        body = answer.json()
        found = {one["path"]: one for one in body["data"]}
        assert body["file"] == "/etc/hub.toml"
        assert found["log.level"] == {"path": "log.level", "value": "warning", "origin": "file"}
        assert found["server.port"]["origin"] == "default"
        assert found["alerts.webhook_url"]["origin"] == "program"
        assert found["alerts.webhook_url"]["value"] == "https://hooks.example/[redacted]"
        assert "secret-part" not in answer.text
        assert {path.split(".")[0] for path in found} == set(HubConfig.__struct_fields__)

    def test_what_children_are_given_in_their_environment_is_not_shown(self, http, hub):
        from llm_mcp_hub.services.configuration import effective

        config = HubConfig(providers={"claude": {"environment": {"PLAIN": "value-of-it"}}})
        shown = effective(config, Sources())
        assert "value-of-it" not in str(shown)
        assert [one.path for one in shown if "PLAIN" in one.path] == [
            "providers.claude.environment.PLAIN"
        ]


class TestVerify:
    def test_a_provider_is_verified_by_one_answer_that_is_not_remembered(self, http):
        before = http.get("/v1/sessions", params={"all": "true"}).json()["data"]
        began = time.time()
        seen = http.post("/v1/providers/echo/verify")
        assert seen.status_code == 200, seen.text
        body = seen.json()
        assert (body["provider"], body["model"]) == ("echo", "echo/echo")
        assert began <= body["verified_at"] <= time.time()
        assert body["seconds"] > 0
        assert body["credential"] is None
        assert http.get("/v1/sessions", params={"all": "true"}).json()["data"] == before

    def test_one_that_does_not_answer_says_why(self, http, hub, scripted, monkeypatch):
        from llm_mcp_hub.services import verify

        monkeypatch.setattr(verify, "PROMPT", "refuse LoginRequired")
        refused = http.post("/v1/providers/scripted/verify")
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "login_required"
        monkeypatch.setattr(verify, "PROMPT", "wait")
        monkeypatch.setattr(verify, "VERIFY_SECONDS", 0.2)
        late = http.post("/v1/providers/scripted/verify")
        assert late.status_code == 504
        assert http.post("/v1/providers/nobody/verify").status_code == 404

    def test_it_is_for_administrators(self, hub):
        token = hub.token("verifier", Scope.CHAT)
        url = f"{hub.base_url}/v1/providers/echo/verify"
        assert httpx.post(url, headers=hub.headers(token)).status_code == 403
