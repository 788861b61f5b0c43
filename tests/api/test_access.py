"""Access tokens over HTTP."""

import httpx
import pytest

from llm_mcp_hub.api.absent import ABSENT
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.testing.hub import create_test_hub

ROUTES = [
    ("POST", "/v1/chat/completions", {"chat", "admin"}),
    ("POST", "/v1/messages", {"chat", "admin"}),
    ("POST", "/v1/messages/count_tokens", {"chat", "admin"}),
    ("POST", "/v1/responses", {"chat", "admin"}),
    ("GET", "/v1/responses/resp_0123456789abcdef01234567", {"chat", "admin"}),
    ("DELETE", "/v1/responses/resp_0123456789abcdef01234567", {"chat", "admin"}),
    ("POST", "/v1/responses/resp_0123456789abcdef01234567/cancel", {"chat", "admin"}),
    ("GET", "/v1/responses/resp_0123456789abcdef01234567/input_items", {"chat", "admin"}),
    ("GET", "/v1/models", {"chat", "admin"}),
    ("GET", "/v1/models/echo/echo", {"chat", "admin"}),
    ("GET", "/v1/providers", {"chat", "sessions", "admin"}),
    ("GET", "/v1/providers/echo", {"chat", "sessions", "admin"}),
    ("GET", "/v1/providers/echo/pool", {"chat", "sessions", "admin"}),
    ("POST", "/v1/providers", {"admin"}),
    ("DELETE", "/v1/providers/echo", {"admin"}),
    ("POST", "/v1/providers/echo/drain", {"admin"}),
    ("POST", "/v1/providers/echo/resume", {"admin"}),
    ("POST", "/v1/providers/echo/restart", {"admin"}),
    ("GET", "/v1/provider-kinds", {"admin"}),
    ("GET", "/v1/pressure", {"chat", "sessions", "admin"}),
    ("GET", "/v1/sessions", {"sessions", "admin"}),
    ("GET", "/v1/sessions/x", {"sessions", "admin"}),
    ("DELETE", "/v1/sessions/x", {"sessions", "admin"}),
    ("GET", "/v1/turns", {"admin"}),
    ("GET", "/v1/turns/turn-0123456789abcdef01234567", {"chat", "admin"}),
    ("GET", "/v1/turns/turn-0123456789abcdef01234567/events", {"chat", "admin"}),
    ("POST", "/v1/providers/echo/verify", {"admin"}),
    ("GET", "/v1/overview", {"admin"}),
    ("GET", "/v1/alerts", {"admin"}),
    ("GET", "/v1/events", {"admin"}),
    ("GET", "/v1/config", {"admin"}),
    ("GET", "/v1/plugins", {"admin"}),
    ("GET", "/v1/usage", {"chat", "sessions", "admin"}),
    ("GET", "/v1/usage/summary", {"chat", "sessions", "admin"}),
    ("GET", "/v1/access-tokens", {"admin"}),
    ("POST", "/v1/access-tokens", {"admin"}),
    ("GET", "/v1/access-tokens/current", {"chat", "sessions", "admin"}),
    ("PATCH", "/v1/access-tokens/0123456789ab", {"admin"}),
    ("DELETE", "/v1/access-tokens/0123456789ab", {"admin"}),
    ("GET", "/metrics", {"admin"}),
    ("GET", "/health/tokens", {"chat", "sessions", "admin"}),
    # What a caller may do there depends on the tool: tests/api/mcp.
    ("POST", "/mcp", {"chat", "sessions", "admin"}),
    ("POST", "/messages", {"chat", "sessions", "admin"}),
    ("POST", "/sse", {"chat", "sessions", "admin"}),  # it wants a GET, which would not end
]


@pytest.fixture(scope="module")
def tokens(hub):
    return {scope: hub.token(f"scoped-{scope}", scope) for scope in ("chat", "sessions", "admin")}


@pytest.mark.parametrize("scope", ["chat", "sessions", "admin"])
@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
def test_every_route_takes_the_scopes_it_should(hub, tokens, scope, method, path, allowed):
    body = {"model": "echo/echo", "messages": [{"role": "user", "content": "x"}]}
    # Only the status is looked at: the feed of events has no end.
    headers = hub.headers(tokens[scope])
    with httpx.stream(method, hub.base_url + path, headers=headers, json=body) as response:
        status = response.status_code

    assert (status == 403) is (scope not in allowed)
    assert status != 401


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
def test_health_needs_no_token(hub, path):
    assert httpx.get(hub.base_url + path).status_code == 200


def test_every_other_route_needs_one(hub):
    covered = {path for _, path, _ in ROUTES}
    for route in hub.app.routes:
        if route.path.startswith(("/health", "/schema")) and route.path != "/health/tokens":
            continue
        if route.path.removesuffix("/{rest:path}") in ABSENT:
            continue  # held to it in test_absent.py
        path = route.path.replace("{model_id:path}", "echo/echo").replace("{name:str}", "echo")
        path = path.replace("{turn_id:str}", "turn-0123456789abcdef01234567")
        path = path.replace("{token_id:str}", "0123456789ab")
        path = path.replace("{response_id:str}", "resp_0123456789abcdef01234567")
        assert path.replace("{session_id:str}", "x") in covered


def test_a_token_revoked_is_refused_at_once(hub):
    token = hub.token("soon-gone")
    with httpx.Client(base_url=hub.base_url, headers=hub.headers(token)) as client:
        assert client.get("/v1/models").status_code == 200
        hub.call(hub.hub.access.revoke("soon-gone"))
        assert client.get("/v1/models").status_code == 401


def test_the_scheme_is_not_case_sensitive(hub):
    headers = {"authorization": f"bearer   {hub.admin_token}"}

    assert httpx.get(f"{hub.base_url}/v1/models", headers=headers).status_code == 200


def test_without_access_control_no_token_is_needed():
    with create_test_hub({"access": {"enabled": False}}) as hub:
        assert hub.admin_token == ""
        assert httpx.get(f"{hub.base_url}/v1/models").status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "hub.example", "::"])
def test_access_control_can_not_be_turned_off_for_the_network(host):
    with pytest.raises(ConfigError, match="loopback") as failure:
        create_test_hub({"access": {"enabled": False}, "server": {"host": host}})

    assert failure.value.param == "access.enabled"
