"""The workflows of `examples/n8n`, run by a real n8n. Opt-in: `make test-n8n`."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.clients.clients import PATIENCE_SECONDS, Access
from tests.clients.n8n import NAME, PROGRAM, TRIGGER, WORKFLOWS, N8n, load, serve
from tests.docs.conftest import Page

from llm_mcp_hub.testing import TestHub

pytestmark = [pytest.mark.n8n, pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]

HOOK_HEADER = {"X-Webhook-Secret": "a-word-of-the-test"}


@pytest.fixture(scope="module")
def n8n(access: Access, tmp_path_factory: pytest.TempPathFactory) -> Iterator[N8n]:
    if not (PROGRAM / "n8n").exists():
        pytest.skip("N8N IS NOT INSTALLED: `make test-n8n` does that")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serve(tmp_path_factory.mktemp("n8n"), port) as running:
        running.add_credential("openAiApi", openai_credential(access))
        running.add_credential("httpBearerAuth", {"token": access.token})
        ((name, value),) = HOOK_HEADER.items()
        running.add_credential("httpHeaderAuth", {"name": name, "value": value})
        yield running


def openai_credential(access: Access, token: str | None = None) -> dict[str, object]:
    """As the page says."""
    return {
        "apiKey": token or access.token,
        "url": f"{access.url}/v1",
        "header": True,
        "headerName": "X-Session-ID",
        "headerValue": "={{ $json.sessionId }}",
    }


def test_a_basic_chain_answers_and_its_chat_is_a_session(
    n8n: N8n, access: Access, hub: TestHub
) -> None:
    workflow = n8n.import_workflow(load("basic-chain.json", access))
    for text in ("My name is Ada.", "What is my name?"):
        run = n8n.chat(workflow, text, "chain-of-ada")
        assert run.output("Basic LLM Chain") == {"text": f"echo: {text}"}
    kept = httpx.get(
        f"{access.url}/v1/sessions/chain-of-ada", headers=hub.headers(access.token)
    ).json()
    assert len(kept["messages"]) == 4


def test_an_http_request_goes_on_with_its_session(n8n: N8n, access: Access) -> None:
    workflow = n8n.import_workflow(load("http-request.json", access))
    tokens = []
    for text in ("My name is Ada.", "What is my name?"):
        run = n8n.chat(workflow, text, "request-of-ada")
        assert run.output("Answer") == {"output": f"echo: {text}"}
        tokens.append(run.output("Ask the hub")["usage"]["total_tokens"])
    kept = httpx.get(
        f"{access.url}/v1/sessions/request-of-ada",
        headers={"Authorization": f"Bearer {access.token}"},
    ).json()
    assert len(kept["messages"]) == 4


def test_the_mcp_client_asks_over_http_and_reads_the_session_over_sse(
    n8n: N8n, access: Access
) -> None:
    workflow = n8n.import_workflow(load("mcp-client.json", access))
    run = n8n.chat(workflow, "My name is Ada.", "mcp-of-ada")
    asked = run.output("Ask over HTTP")["structuredContent"]
    assert (asked["status"], asked["text"]) == ("done", "echo: My name is Ada.")
    read = run.output("Read the session over SSE")["structuredContent"]
    assert [one["text"] for one in read["messages"]] == ["My name is Ada.", "echo: My name is Ada."]


def test_a_webhook_streams_the_answer(n8n: N8n, access: Access) -> None:
    workflow = n8n.import_workflow(load("streaming-webhook.json", access))
    n8n.publish(workflow, "/webhook/llm-mcp-hub")
    text = " ".join(f"word{at}" for at in range(40))
    with n8n.http.stream(
        "POST", "/webhook/llm-mcp-hub", json={"message": text}, headers=HOOK_HEADER
    ) as response:
        assert response.status_code == 200, response.read()
        events = [json.loads(line) for line in response.iter_lines() if line]
    pieces = [event["content"] for event in events if event["type"] == "item"]
    assert len(pieces) > 2
    assert "".join(pieces) == f"echo: {text}"


def test_a_wrong_token_is_said_in_the_node(n8n: N8n, access: Access) -> None:
    wrong = n8n.add_credential("openAiApi", openai_credential(access, "hub-wrong"), "Wrong")
    workflow = load("basic-chain.json", access)
    for node in workflow["nodes"]:
        if "credentials" in node:
            node["credentials"]["openAiApi"] = {"id": wrong, "name": "Wrong"}
    run = n8n.chat(n8n.import_workflow(workflow), "Hello?", "stranger")
    assert run.status == "error"
    assert "Authorization failed" in run.error["message"]
    assert "access token" in run.error["description"]


def test_every_workflow_is_on_the_page_and_has_no_credentials_of_anybody_s() -> None:
    page = Page("docs/clients/n8n.md").text
    files = sorted(WORKFLOWS.glob("*.json"))
    assert set(re.findall(r"`([\w-]+\.json)`", page)) == {file.name for file in files}
    for file in files:
        nodes = json.loads(file.read_text())["nodes"]
        used = [one for node in nodes for one in node.get("credentials", {}).values()]
        assert used
        assert all(one == {"id": None, "name": NAME} for one in used)
        assert nodes[0]["name"] in {TRIGGER, "Webhook"}


def test_n8n_is_the_one_that_the_page_names(n8n: N8n) -> None:
    version = json.loads((Path(PROGRAM).parent / "n8n/package.json").read_text())["version"]
    assert f"n8n {version}" in Page("docs/clients/n8n.md").text
