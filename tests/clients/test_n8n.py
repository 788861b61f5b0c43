"""The workflows of `examples/n8n`, run by a real n8n. Opt-in: `make test-n8n`."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest
from tests.clients.clients import PATIENCE_SECONDS, Access
from tests.clients.n8n import PROGRAM, N8n, load, serve

from llm_mcp_hub.testing import TestHub
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi

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


def tool_turns(vendor: FakeMessagesApi) -> list[tuple[str, str]]:
    """The calls and results in the latest vendor request that has any, in order."""
    found: list[tuple[str, str]] = []
    for role, blocks in vendor.requests[-1].turns:
        found += [(role, block["type"]) for block in blocks if block["type"].startswith("tool_")]
    return found


AGENTS = {"agent-chat-completions.json": "chat", "agent-responses.json": "responses"}


@pytest.mark.parametrize("file", AGENTS)
def test_an_agent_uses_its_tool(
    n8n: N8n, access: Access, vendor: FakeMessagesApi, file: str
) -> None:
    workflow = n8n.import_workflow(load(file, access))
    run = n8n.chat(workflow, "What is 6 times 7?", f"agent-{AGENTS[file]}")
    assert run.output("AI Agent") == {"output": '[{"response":"42"}]'}
    assert (run.runs_of("OpenAI Chat Model"), run.runs_of("Calculator")) == (2, 1)
    assert tool_turns(vendor) == [("assistant", "tool_use"), ("user", "tool_result")]
    again = n8n.chat(workflow, "And what is 7 times 8?", f"agent-{AGENTS[file]}")
    assert again.output("AI Agent") == {"output": '[{"response":"56"}]'}
    assert len(tool_turns(vendor)) == 4, "the first question is remembered, with its tool"


def test_an_agent_with_a_memory_of_its_own_is_understood_too(
    n8n: N8n, access: Access, vendor: FakeMessagesApi
) -> None:
    workflow = load("agent-chat-completions.json", access)
    memory = {"name": "Simple Memory", "type": "@n8n/n8n-nodes-langchain.memoryBufferWindow"}
    workflow["nodes"].append(
        {**memory, "id": "memory", "typeVersion": 1.3, "position": [600, 220], "parameters": {}}
    )
    workflow["connections"]["Simple Memory"] = {
        "ai_memory": [[{"node": "AI Agent", "type": "ai_memory", "index": 0}]]
    }
    imported = n8n.import_workflow(workflow)
    for text, said in (
        ("What is 6 times 7?", '[{"response":"42"}]'),
        ("My name is Ada.", "echo: My name is Ada."),
        ("And what is 7 times 8?", '[{"response":"56"}]'),
    ):
        run = n8n.chat(imported, text, "agent-memory")
        assert run.output("AI Agent") == {"output": said}
    questions = json.dumps(vendor.requests[-1].body).count("My name is Ada.")
    assert questions == 2, "question and answer, each once"


def test_an_agent_answers_in_the_form_of_its_output_parser(n8n: N8n, access: Access) -> None:
    workflow = n8n.import_workflow(load("agent-output-parser.json", access))
    run = n8n.chat(workflow, "What is 6 times 7?", "agent-parser")
    assert run.output("AI Agent") == {"output": {"answer": 42}}


def test_a_chain_answers_with_structured_output(
    n8n: N8n, access: Access, vendor: FakeMessagesApi
) -> None:
    workflow = n8n.import_workflow(load("structured-output.json", access))
    run = n8n.chat(workflow, "Ada is 36 years old.", "structured")
    assert json.loads(run.output("Basic LLM Chain")["text"]) == {"name": "Ada", "age": 36}
    assert "additionalProperties" in json.dumps(vendor.requests[-1].body), (
        "the schema did not go on"
    )


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


def test_a_webhook_streams_what_comes_after_a_tool(n8n: N8n, access: Access) -> None:
    workflow = load("streaming-webhook.json", access)
    workflow["nodes"][0]["parameters"]["path"] = "with-tool"
    n8n.publish(n8n.import_workflow(workflow), "/webhook/with-tool")
    body = {"message": "What is 6 times 7?"}
    with n8n.http.stream("POST", "/webhook/with-tool", json=body, headers=HOOK_HEADER) as response:
        events = [json.loads(line) for line in response.iter_lines() if line]
    said = "".join(event["content"] for event in events if event["type"] == "item")
    assert '"response":"42"' in said


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


def test_the_openai_node_uses_its_tool(n8n: N8n, access: Access) -> None:
    workflow = n8n.import_workflow(load("openai-node.json", access))
    run = n8n.chat(workflow, "What is 6 times 7?", "openai-node")
    (message,) = run.output("Message a model")["output"]
    assert message["content"][0]["text"] == "42"
    assert run.runs_of("Calculator") == 1


def test_the_credential_s_own_test_passes_and_the_models_are_listed(
    n8n: N8n, access: Access
) -> None:
    data = openai_credential(access)
    name = "Tried"
    made = n8n.add_credential("openAiApi", data, name)
    credential = {"id": made, "name": name, "type": "openAiApi", "data": data}
    tested = n8n.call("POST", "/credentials/test", {"credentials": credential})
    assert tested["status"] == "OK", tested
    (node,) = [one for one in load("openai-node.json", access)["nodes"] if "credentials" in one]
    listed = n8n.call(
        "POST",
        "/dynamic-node-parameters/resource-locator-results",
        {
            "path": "parameters.modelId",
            "nodeTypeAndVersion": {"name": node["type"], "version": node["typeVersion"]},
            "currentNodeParameters": node["parameters"],
            "credentials": {"openAiApi": {"id": made, "name": name}},
            "methodName": "modelSearch",
        },
    )
    assert {"claude/sonnet", "echo/echo"} <= {one["value"] for one in listed["results"]}


def test_an_agent_with_anthropic_s_chat_model_uses_its_tool(n8n: N8n, access: Access) -> None:
    """By the Messages API, with the token as `x-api-key`."""
    credential = n8n.add_credential("anthropicApi", {"apiKey": access.token, "url": access.url})
    workflow = load("agent-chat-completions.json", access)
    (node,) = [one for one in workflow["nodes"] if "credentials" in one]
    node["type"], node["typeVersion"] = "@n8n/n8n-nodes-langchain.lmChatAnthropic", 1.6
    node["credentials"] = {"anthropicApi": {"id": credential, "name": "LLM MCP Hub"}}
    node["parameters"] = {"model": node["parameters"]["model"], "options": {}}
    run = n8n.chat(n8n.import_workflow(workflow), "What is 6 times 7?", "agent-messages")
    assert run.output("AI Agent") == {"output": '[{"response":"42"}]'}
    assert run.runs_of("Calculator") == 1
