"""A web page of an allowed origin can call the hub; any other can't."""

from collections.abc import Iterator

import httpx
import pytest

from llm_mcp_hub.testing.hub import create_test_hub

PAGE = "https://chat.example"


@pytest.fixture(scope="module")
def open_hub() -> Iterator[httpx.Client]:
    with (
        create_test_hub({"server": {"allowed_origins": [PAGE]}}) as served,
        httpx.Client(base_url=served.base_url, headers=served.headers()) as client,
    ):
        yield client


def test_the_browser_is_told_that_an_allowed_page_may_call(open_hub: httpx.Client) -> None:
    asked = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, x-session-id",
    }
    reply = open_hub.options("/v1/chat/completions", headers=asked)
    assert reply.status_code == 204
    assert reply.headers["access-control-allow-origin"] == PAGE


def test_an_allowed_page_can_read_the_reply(open_hub: httpx.Client) -> None:
    body = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}
    reply = open_hub.post("/v1/chat/completions", json=body, headers={"origin": PAGE})
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == PAGE
    exposed = reply.headers["access-control-expose-headers"].split(", ")
    assert {"X-Session-ID", "Idempotent-Replayed", "request-id"} <= set(exposed)


def test_any_other_page_is_refused(open_hub: httpx.Client) -> None:
    reply = open_hub.get("/v1/models", headers={"origin": "https://elsewhere.example"})
    assert reply.status_code == 403
    assert "access-control-allow-origin" not in reply.headers
