"""Plugins serve applications of their own in the hub's process; a broken one breaks only itself."""

from contextlib import asynccontextmanager

import httpx
import pytest
from litestar import Litestar

from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.mounts import Mount
from llm_mcp_hub.plugin import HubPlugin
from llm_mcp_hub.testing.hub import create_test_hub


class Hello:
    """Answers with its path; below `/models` with what the REST API says to the caller."""

    def __init__(self):
        self.opened = 0
        self.context = None

    @hookimpl
    def hub_register_mounts(self):
        return [Mount("/hello", "Hello", self.open)]

    @asynccontextmanager
    async def open(self, context):
        self.context = context
        self.opened += 1
        yield self.app
        self.opened -= 1

    async def app(self, scope, receive, send):
        body = f"hello at {scope['path']}".encode()
        if scope["path"].endswith("/models"):
            headers = {
                name.decode(): value.decode()
                for name, value in scope["headers"]
                if name == b"authorization"
            }
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(self.context.api), base_url="http://127.0.0.1"
            ) as client:
                body = (
                    await client.get(f"{self.context.api_path}/v1/models", headers=headers)
                ).content
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


class Broken:
    @hookimpl
    def hub_register_mounts(self):
        return [Mount("/broken", "Broken", self.open)]

    @asynccontextmanager
    async def open(self, context):
        raise RuntimeError("no pages")
        yield


@pytest.mark.parametrize("path", ["/hello", "/hello/", "/hello/deep/er", "/hello/a%20b"])
def test_a_mounted_application_gets_the_whole_path(path):
    plugin = Hello()
    with create_test_hub(plugins=[("hello", plugin)]) as hub:
        answer = httpx.get(hub.base_url + path)
        assert answer.text == "hello at " + path.replace("%20", " ")
        assert plugin.opened == 1
    assert plugin.opened == 0


def test_it_calls_the_rest_api_as_the_caller_it_has_a_token_of():
    with create_test_hub(plugins=[("hello", Hello())]) as hub:
        path = f"{hub.base_url}/hello/models"
        assert httpx.get(path).json()["error"]["code"] == "not_authenticated"
        assert httpx.get(path, headers=hub.headers()).json()["data"][0]["id"] == "echo/echo"


def test_inside_of_an_application_it_is_below_the_path_of_the_hub():
    plugin = Hello()
    with create_test_hub(
        plugins=[("hello", plugin)],
        app=lambda hub: Litestar(plugins=[HubPlugin(hub=hub, path="/llm")]),
    ) as hub:
        assert httpx.get(f"{hub.base_url}/llm/hello/x").text == "hello at /llm/hello/x"
        answer = httpx.get(f"{hub.base_url}/llm/hello/models", headers=hub.headers())
        assert answer.json()["data"][0]["id"] == "echo/echo"
        assert httpx.get(f"{hub.base_url}/hello/x").status_code == 404


@pytest.mark.parametrize(
    "header", [{"host": "evil.example"}, {"origin": "https://evil.example"}], ids=str
)
def test_a_foreign_host_or_page_does_not_reach_it(header):
    with create_test_hub(plugins=[("hello", Hello())]) as hub:
        assert httpx.get(f"{hub.base_url}/hello", headers=header).status_code == 403


def test_one_that_can_not_be_opened_answers_503_and_the_hub_serves_on():
    with create_test_hub(plugins=[("broken", Broken()), ("hello", Hello())]) as hub:
        answer = httpx.get(f"{hub.base_url}/broken/x")
        assert answer.status_code == 503
        assert answer.json()["error"]["code"] == "mount_unavailable"
        assert httpx.get(f"{hub.base_url}/hello").status_code == 200
        assert httpx.get(f"{hub.base_url}/v1/models", headers=hub.headers()).status_code == 200
        errors = {info.name: info.error for info in hub.hub.plugins.infos}
        assert errors["broken"] == "RuntimeError: no pages"
