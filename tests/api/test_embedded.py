"""The hub inside somebody's own Litestar application."""

import httpx
import pytest
from litestar import Litestar, get
from litestar.exceptions import ClientException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from llm_mcp_hub import HubConfig, HubPlugin, create_app
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.testing.hub import create_test_hub

BODY = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}
events: list[str] = []


@get("/theirs")
async def theirs() -> dict[str, str]:
    return {"hello": "world"}


@get("/theirs/refuses")
async def refuses() -> None:
    raise ClientException("their own words")


@get("/theirs/crashes")
async def crashes() -> None:
    raise ValueError("their own defect")


def their_app(hub):
    return Litestar(
        route_handlers=[theirs, refuses, crashes],
        plugins=[HubPlugin(hub=hub, path="/llm")],
        on_startup=[lambda: events.append("startup")],
        on_shutdown=[lambda: events.append("shutdown")],
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="Theirs", version="9", render_plugins=[JsonRenderPlugin()]
        ),
    )


@pytest.fixture(scope="module")
def hub():
    events.clear()
    with create_test_hub(app=their_app) as served:
        yield served
    assert events == ["startup", "shutdown"]
    assert served.hub.status.draining


@pytest.fixture(scope="module")
def plain():
    """Their application without the hub."""
    from litestar.testing import TestClient

    app = Litestar(route_handlers=[theirs, refuses, crashes], logging_config=None)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/theirs"),
        ("GET", "/theirs/refuses"),
        ("GET", "/theirs/crashes"),
        ("POST", "/theirs"),
        ("GET", "/nothing"),
    ],
)
def test_their_routes_and_errors_are_as_without_it(http, plain, method, path):
    with_hub = http.request(method, path)
    without = plain.request(method, path)

    assert with_hub.status_code == without.status_code
    assert with_hub.json() == without.json()
    assert "x-should-retry" not in with_hub.headers


def test_the_hub_works_below_its_path(http):
    assert http.get("/llm/health").json()["status"] == "healthy"
    answer = http.post("/llm/v1/chat/completions", json=BODY)
    assert answer.json()["choices"][0]["message"]["content"] == "hi"
    session = answer.headers["x-session-id"]
    assert http.get(f"/llm/v1/sessions/{session}").status_code == 200
    assert http.get("/v1/models").status_code == 404


def test_the_hubs_errors_are_the_hubs(http):
    refused = http.post("/llm/v1/chat/completions", json={"model": "nobody/x"} | {"messages": []})

    assert refused.json()["error"]["code"] == "invalid_request"
    assert http.get("/llm/v1/sessions/x").json()["error"]["code"] == "session_not_found"
    assert httpx.get(http.base_url.join("/llm/v1/models")).status_code == 401


def test_their_document_has_the_hubs_routes_under_its_path(http):
    document = http.get("/schema/openapi.json").json()

    assert document["info"]["title"] == "Theirs"
    assert {"/theirs", "/llm/v1/chat/completions", "/llm/v1/models", "/llm/health"} <= set(
        document["paths"]
    )
    assert "security" not in document["paths"]["/theirs"]["get"]


def test_an_application_without_a_document_works_too():
    def app(hub):
        return Litestar(plugins=[HubPlugin(hub=hub)], openapi_config=None, logging_config=None)

    with create_test_hub(app=app) as hub:
        answer = httpx.post(f"{hub.base_url}/v1/chat/completions", json=BODY, headers=hub.headers())

    assert answer.status_code == 200


def test_two_hubs_can_live_in_one_application():
    def app(hub):
        second = HubPlugin(HubConfig(state="memory://", demo=True), path="/second")
        return Litestar(plugins=[HubPlugin(hub=hub, path="/first"), second], logging_config=None)

    with create_test_hub(app=app) as hub:
        first = httpx.get(f"{hub.base_url}/first/v1/models", headers=hub.headers())
        second = httpx.get(f"{hub.base_url}/second/v1/models", headers=hub.headers())
        paths = httpx.get(f"{hub.base_url}/schema/openapi.json").json()["paths"]

    assert (first.status_code, second.status_code) == (200, 401)
    assert {"/first/v1/chat/completions", "/second/v1/chat/completions"} <= set(paths)


@pytest.mark.parametrize(
    "config",
    [HubConfig(state="nonsense://"), HubConfig(providers={"nobody": {}}, state="memory://")],
)
def test_a_wrong_configuration_is_refused_when_the_application_is_made(config):
    with pytest.raises(ConfigError):
        create_app(config)
    with pytest.raises(ConfigError):
        HubPlugin(config)
