"""Images by URL in each dialect: refused, or fetched before a provider or a session sees them."""

import pytest

from llm_mcp_hub.services.linked_images import LinkedImages
from llm_mcp_hub.services.public_fetch import Fetched, NotFetched
from llm_mcp_hub.testing.hub import create_test_hub

URL = "https://images.test/a.png"
PNG = b"\x89PNG\r\n\x1a\n"
BODIES = {
    "/v1/chat/completions": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": URL}},
                    {"type": "text", "text": "say x"},
                ],
            }
        ],
    },
    "/v1/messages": {
        "max_tokens": 10,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "image", "source": {"type": "url", "url": URL}},
                    {"type": "text", "text": "say x"},
                ],
            }
        ],
    },
    "/v1/responses": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_image", "image_url": URL},
                    {"type": "input_text", "text": "say x"},
                ],
            }
        ],
    },
}


class Fetcher:
    def __init__(self):
        self.asked = []

    async def fetch(self, url):
        self.asked.append(url)
        if url != URL:
            raise NotFetched("its server answered 404")
        return Fetched("image/png", PNG)


@pytest.fixture(scope="module")
def hub(scripted):
    with create_test_hub({"images": {"fetch": True}}, plugins=[("scripted", scripted)]) as served:
        yield served


@pytest.fixture
def fetcher(hub, monkeypatch):
    fetcher = Fetcher()
    images = LinkedImages(hub.hub.config.images, fetcher)
    monkeypatch.setattr(hub.hub.chat, "_images", images)
    return fetcher


def ask(http, path, model="scripted/one", session="s"):
    return http.post(path, json=BODIES[path] | {"model": model}, headers={"x-session-id": session})


@pytest.mark.parametrize("path", BODIES)
def test_the_provider_and_the_session_have_the_image_itself(http, scripted, fetcher, path):
    session = path.replace("/", "-")
    response = ask(http, path, session=session)

    assert response.status_code == 200, response.text
    assert fetcher.asked == [URL]
    part = scripted.requests[-1].messages[-1].parts[0]
    assert (part.media_type, part.data) == ("image/png", "iVBORw0KGgo=")
    stored = http.get(f"/v1/sessions/{session}").json()["messages"][0]["message"]["parts"][0]
    assert stored == {"type": "image", "media_type": "image/png", "data": "iVBORw0KGgo="}


@pytest.mark.parametrize("path", BODIES)
def test_it_is_refused_if_the_hub_may_not_fetch(http, hub, monkeypatch, path):
    monkeypatch.setattr(hub.hub.chat, "_images", LinkedImages(type(hub.hub.config.images)()))
    response = ask(http, path)

    assert response.status_code == 400
    assert "images.fetch" in response.json()["error"]["message"]


def test_the_machine_itself_can_t_be_reached_by_a_request(http, hub):
    url = f"https://127.0.0.1:{hub.base_url.rpartition(':')[2]}/health"
    content = [{"type": "image_url", "image_url": {"url": url}}]
    body = {"model": "echo/echo", "messages": [{"role": "user", "content": content}]}
    response = http.post("/v1/chat/completions", json=body)

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == "messages[0].content[0].image_url.url"
    assert "public internet" in error["message"]


def test_nothing_is_fetched_for_a_model_that_does_not_exist(http, fetcher):
    assert ask(http, "/v1/chat/completions", model="nobody/x").status_code == 404
    assert not fetcher.asked
