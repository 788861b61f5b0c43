"""LibreChat: its configuration is read, and its requests are sent as its source makes them.

Source: `packages/api/src/endpoints/custom/initialize.ts` and `endpoints/openai/llm.ts` of 0.8: the
requests themselves are LangChain's for JavaScript, with the user's id as `user`.
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

USER = "66f1b0c2a4d9e83b7c5d1e2f"
CONVERSATION = "0f6f4a36-3a4b-4f5e-8f8b-2f4d3f0f9a77"


@pytest.fixture(scope="module")
def endpoint(access: Access) -> dict[str, Any]:
    """The page's endpoint, for a hub under the address it has here."""
    (block,) = Page("docs/clients/librechat.md").blocks("yaml")
    text = block.replace("host.docker.internal:8642", access.url.removeprefix("http://"))
    text = text.replace("${HUB_TOKEN}", access.token)
    text = text.replace("{{LIBRECHAT_BODY_CONVERSATIONID}}", CONVERSATION)
    (one,) = yaml.safe_load(text)["endpoints"]["custom"]
    return one


@pytest.fixture(scope="module")
def librechat(endpoint: dict[str, Any]) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {endpoint['apiKey']}", **endpoint["headers"]}
    with httpx.Client(base_url=endpoint["baseURL"], headers=headers, timeout=60) as client:
        yield client


def ask(
    librechat: httpx.Client, model: str, messages: list[dict[str, Any]], *, stream: bool
) -> tuple[str, str]:
    """One request of LangChain's; the answer and its session, empty for none."""
    body: dict[str, Any] = {"model": model, "user": USER, "stream": stream, "messages": messages}
    if not stream:
        answer = librechat.post("/chat/completions", json=body)
        assert answer.status_code == 200, answer.text
        text = answer.json()["choices"][0]["message"]["content"]
        return text, answer.headers.get("x-session-id", "")
    body["stream_options"] = {"include_usage": True}
    with librechat.stream("POST", "/chat/completions", json=body) as response:
        assert response.status_code == 200, response.read()
        lines = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    choices = [choice for line in lines[:-1] for choice in json.loads(line)["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    return text, response.headers["x-session-id"]


def test_its_models_are_the_page_s_and_the_hub_s(
    librechat: httpx.Client, endpoint: dict[str, Any]
) -> None:
    ids = {model["id"] for model in librechat.get("/models").json()["data"]}
    assert endpoint["models"]["fetch"]
    assert {*endpoint["models"]["default"], endpoint["titleModel"]} <= ids


def test_a_conversation_goes_on_and_its_title_does_not_mix_with_it(
    librechat: httpx.Client, endpoint: dict[str, Any]
) -> None:
    (model,) = endpoint["models"]["default"]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "My name is Ada."}]}
    ]
    said, session = ask(librechat, model, messages, stream=True)
    assert (said, session) == ("echo: My name is Ada.", CONVERSATION)
    prompt = "Provide a concise, 5-word-or-less title for the conversation.\nUser: My name is Ada."
    title, beside = ask(
        librechat, endpoint["titleModel"], [{"role": "user", "content": prompt}], stream=False
    )
    assert (title, beside) == (f"echo: {prompt}", "")
    messages += [
        {"role": "assistant", "content": [{"type": "text", "text": said}]},
        {"role": "user", "content": "What is my name?"},
    ]
    assert ask(librechat, model, messages, stream=True) == ("echo: What is my name?", session)
    kept = librechat.get(f"/sessions/{session}").json()["messages"]
    assert len(kept) == 4
