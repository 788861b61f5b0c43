"""What no provider has is told, with what to use instead, to whoever may ask."""

import httpx
import pytest
from litestar import get
from litestar.testing import create_test_client

from llm_mcp_hub.api.absent import ABSENT
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.plugin import HubPlugin

BELOW = {
    "/v1/audio": "/speech",
    "/v1/images": "/generations",
    "/v1/fine_tuning": "/jobs",
    "/v1/threads": "/thread_1/runs",
}


def paths():
    return [path + BELOW.get(path, "") for path in ABSENT]


@pytest.mark.parametrize("path", paths())
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_it_is_not_found_and_the_message_says_what_to_do(http, path, method):
    response = http.request(method, path)

    assert response.status_code == 404
    error = response.json()["error"]
    assert (error["code"], error["type"], error["param"]) == (
        "route_not_found",
        "not_found_error",
        None,
    )
    assert error["message"].startswith("There is nothing at this path. ")
    assert response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("path", paths())
def test_strangers_are_told_nothing(hub, path):
    response = httpx.post(hub.base_url + path, json={})

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "not_authenticated"


def test_a_page_of_another_site_is_told_nothing(http):
    response = http.post("/v1/embeddings", headers={"origin": "https://evil.example"})
    assert response.status_code == 403


def test_a_path_that_only_begins_so_is_another(http):
    assert "see `GET /schema`" in http.get("/v1/filesystem").json()["error"]["message"]


def test_they_are_in_no_document(http):
    listed = http.get("/schema/openapi.json").json()["paths"]
    assert not any(path.startswith(tuple(ABSENT)) for path in listed)


def test_an_application_that_embeds_a_hub_may_have_such_paths_itself():
    @get("/v1/files", sync_to_thread=False)
    def files() -> str:
        return "mine"

    config = HubConfig(state="memory://", demo=True)
    with create_test_client([files], plugins=[HubPlugin(config)]) as client:
        assert client.get("/v1/files").text == "mine"
