"""Open WebUI: its configuration is read, and its requests are sent as its source makes them.

Source: `backend/open_webui/routers/openai.py` and `tasks.py`, `utils/headers.py` of 0.9.
"""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml
from tests.clients.clients import PATIENCE_SECONDS, Access
from tests.docs.conftest import Page

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]

CHAT = "3f0d9c61-4f6b-4a4e-9a43-5d6f0a7c1b52"
FORWARDED = {
    "X-OpenWebUI-User-Name": "Ada%20Lovelace",
    "X-OpenWebUI-User-Id": "8c1c7f0e-2f0c-4b1e-8d2a-b1f2c3d4e5f6",
    "X-OpenWebUI-User-Email": "ada@example.org",
    "X-OpenWebUI-User-Role": "user",
    "X-OpenWebUI-Chat-Id": CHAT,
}
"""With `ENABLE_FORWARD_USER_INFO_HEADERS`."""


@pytest.fixture(scope="module")
def environment(access: Access) -> dict[str, str]:
    """What the page sets, for a hub under the address it has here."""
    (block,) = Page("docs/clients/open-webui.md").blocks("yaml")
    text = block.replace("host.docker.internal:8642", access.url.removeprefix("http://"))
    return yaml.safe_load(access.put_into(text))["services"]["open-webui"]["environment"]


@pytest.fixture(scope="module", params=[{}, FORWARDED], ids=["plain", "forwarding"])
def webui(environment: dict[str, str], request: pytest.FixtureRequest) -> Iterator[httpx.Client]:
    """Its backend's HTTP client."""
    headers = {"Authorization": f"Bearer {environment['OPENAI_API_KEY']}", **request.param}
    with httpx.Client(
        base_url=environment["OPENAI_API_BASE_URL"], headers=headers, timeout=60
    ) as client:
        yield client


def chat(webui: httpx.Client, *texts: str) -> tuple[str, str]:
    """One message of a user's, after those before it; the answer and its session."""
    roles = ("user", "assistant")
    messages = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
    body = {"stream": True, "model": "claude/sonnet", "messages": messages}
    body["stream_options"] = {"include_usage": True}
    with webui.stream("POST", "/chat/completions", json=body) as response:
        assert response.status_code == 200, response.read()
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    events = [json.loads(line) for line in lines[:-1]]
    assert events[-1]["usage"]["total_tokens"] > 0
    said = "".join(
        choice["delta"].get("content") or "" for event in events for choice in event["choices"]
    )
    return said, response.headers["x-session-id"]


def task(webui: httpx.Client, what: str) -> dict[str, Any]:
    """A request that it makes by itself, beside the chat."""
    # The model of tasks is the administrator's choice.
    prompt = f"### Task:\nGenerate {what} for the chat.\n### Chat History:\n<chat_history>…"
    body = {
        "model": "echo/echo",
        "messages": [{"role": "user", "content": prompt}],
        "stream": False,
        "max_completion_tokens": 1000,
    }
    response = webui.post("/chat/completions", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    assert answer["choices"][0]["message"]["content"] == prompt
    return answer


def test_its_list_of_models_is_the_hub_s(webui: httpx.Client) -> None:
    ids = {model["id"] for model in webui.get("/models").json()["data"]}
    assert "claude/sonnet" in ids


def test_a_chat_goes_on_and_what_it_asks_by_itself_does_not_mix_with_it(
    webui: httpx.Client, request: pytest.FixtureRequest
) -> None:
    forwarding = request.node.callspec.id == "forwarding"
    first = f"My name is Ada, {request.node.callspec.id}."
    said, session = chat(webui, first)
    assert said == f"echo: {first}"
    for what in ("a title", "tags", "follow-up questions"):
        task(webui, what)
    assert (session == CHAT) is forwarding
    again, same = chat(webui, first, said, "What is my name?")
    assert (again, same) == ("echo: What is my name?", session)
    kept = webui.get(f"/sessions/{session}").json()["messages"]
    assert len(kept) == 4
