"""Who may come in, and what a stranger or a prober sees."""

import secrets

import httpx
import pytest
from mcp.shared.exceptions import MCPError

from llm_mcp_hub import create_app
from llm_mcp_hub.config import HubConfig, McpConfig
from llm_mcp_hub.testing.hub import create_test_hub

PATHS = [
    ("POST", "/mcp"),
    ("GET", "/mcp"),
    ("DELETE", "/mcp"),
    ("GET", "/sse"),
    ("POST", "/messages"),
]
PROBED = [
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/mcp/.well-known/openid-configuration",
    "/register",
    "/mcp-zzz",
    "/mcp/more",
]
HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("token", [None, "hub-000000000000-" + "x" * 43])
def test_without_a_token_that_works_the_answer_is_a_plain_401(hub, method, path, token):
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    answer = httpx.request(method, hub.base_url + path, headers=headers)
    assert answer.status_code == 401
    # Metadata would make some clients ignore the header their user has set.
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "not_authenticated"


@pytest.mark.parametrize("path", PROBED)
def test_what_clients_probe_for_is_really_not_there(hub, path):
    for headers in ({}, hub.headers()):
        answer = httpx.get(hub.base_url + path, headers=headers)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "route_not_found"


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "foreign", [{"host": "rebound.example"}, {"origin": "https://elsewhere.example"}]
)
def test_a_foreign_page_can_not_reach_it(hub, method, path, foreign):
    answer = httpx.request(method, hub.base_url + path, headers={**hub.headers(), **foreign})
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "not_permitted"


def test_a_revision_s_session_belongs_to_who_opened_it(hub):
    alice, bob = (hub.token(f"{name}-{secrets.token_hex(4)}") for name in ("alice", "bob"))
    opened = httpx.post(f"{hub.base_url}/mcp", json=HELLO, headers={**ACCEPT, **hub.headers(alice)})
    headers = {**ACCEPT, "mcp-session-id": opened.headers["mcp-session-id"]}
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    other = httpx.post(f"{hub.base_url}/mcp", json=ping, headers={**headers, **hub.headers(bob)})
    own = httpx.post(f"{hub.base_url}/mcp", json=ping, headers={**headers, **hub.headers(alice)})
    assert (other.status_code, own.status_code) == (404, 200)


def test_a_revoked_token_ends_at_once(hub):
    name = f"gone-{secrets.token_hex(4)}"
    token = hub.token(name)
    url, headers = f"{hub.base_url}/mcp", {**ACCEPT, **hub.headers(token)}
    opened = httpx.post(url, json=HELLO, headers=headers)
    headers["mcp-session-id"] = opened.headers["mcp-session-id"]
    hub.call(hub.hub.access.revoke(name))
    ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
    assert httpx.post(url, json=ping, headers=headers).status_code == 401


def test_a_body_that_is_too_large_is_refused():
    with create_test_hub({"server": {"max_body_bytes": 2000}}) as hub:
        body = {**HELLO, "padding": "x" * 2000}
        for path in ("/mcp", "/messages"):
            answer = httpx.post(hub.base_url + path, json=body, headers={**ACCEPT, **hub.headers()})
            assert answer.status_code == 413


@pytest.mark.anyio
async def test_the_scopes_are_those_of_the_rest_api(connect, hub):
    chat = hub.token(f"chat-{secrets.token_hex(4)}", "chat")
    sessions = hub.token(f"sessions-{secrets.token_hex(4)}", "sessions")
    async with connect(chat) as client:
        answer = await client.call_tool("chat", {"message": "x", "session_id": "own"})
        assert not answer.is_error
        with pytest.raises(MCPError, match="sessions"):
            await client.call_tool("get_session", {"session_id": "own"})
        with pytest.raises(MCPError, match="sessions"):
            await client.read_resource("session://own")
    async with connect(sessions) as client:
        for tool, arguments in (
            ("chat", {"message": "x"}),
            ("ask_all", {"message": "x"}),
            ("get_turn", {"turn_id": f"turn-{'0' * 24}"}),
        ):
            with pytest.raises(MCPError, match="chat"):
                await client.call_tool(tool, arguments)
        assert not (await client.call_tool("list_providers", {})).is_error


def test_it_can_be_switched_off_and_then_costs_nothing():
    with create_test_hub({"mcp": {"enabled": False}}) as hub:
        for method, path in PATHS:
            answer = httpx.request(method, hub.base_url + path, headers=hub.headers())
            assert answer.status_code == 404


@pytest.mark.parametrize(("enabled", "there"), [(True, True), (False, False)])
def test_the_routes_are_there_or_not(enabled, there):
    app = create_app(HubConfig(state="memory://", mcp=McpConfig(enabled=enabled)))
    assert any(route.path == "/mcp" for route in app.routes) is there
