"""The official Inspector's command line, through every door and in both eras of the protocol."""

import json
import secrets
import sys

import pytest

DOORS = [
    ("stdio", "legacy"),
    ("stdio", "modern"),
    ("http", "legacy"),
    ("http", "modern"),
    ("sse", "legacy"),
]


@pytest.fixture(params=DOORS, ids="-".join)
def inspect(request, judges, served, tmp_path):
    """Runs one method, and gives its result."""
    transport, era = request.param
    token = served.token(f"inspector-{secrets.token_hex(4)}", "chat", "sessions")
    data_dir = str(tmp_path / "data")

    def run(method, *words):
        options = ["--method", method, "--format", "json", "--quiet", "--protocol-era", era]
        if transport == "stdio":
            target = [sys.executable, "-m", "llm_mcp_hub", "mcp", "--demo", "--data-dir", data_dir]
            where = ["--transport", "stdio", "--", *target]
        else:
            path = {"http": "/mcp", "sse": "/sse"}[transport]
            where = ["--transport", transport, "--server-url", served.base_url + path]
            where += ["--header", f"Authorization: Bearer {token}"]
        done = judges.run("mcp-inspector", "--cli", *options, *words, *where)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["result"]

    return run


def test_tools_are_listed_and_called(inspect):
    tools = {one["name"] for one in inspect("tools/list")["tools"]}
    assert {"chat", "list_providers", "get_session", "list_models", "ask_all"} <= tools
    result = inspect(
        *("tools/call", "--tool-name", "chat"),
        *("--tool-arg", "message=one two three", "model=echo/echo", "session_id=kept"),
    )
    assert result["content"] == [{"type": "text", "text": "one two three"}]
    assert result["structuredContent"]["session_id"] == "kept"
    assert not result.get("isError")


def test_resources_and_templates_are_listed_and_read(inspect):
    uris = {one["uri"] for one in inspect("resources/list")["resources"]}
    assert "provider://list" in uris
    templates = inspect("resources/templates/list")["resourceTemplates"]
    assert {"provider://{name}", "session://{session_id}"} <= {
        one["uriTemplate"] for one in templates
    }
    (contents,) = inspect("resources/read", "--uri", "provider://echo")["contents"]
    assert json.loads(contents["text"])["name"] == "echo"


def test_prompts_are_listed_and_filled_in(inspect):
    prompts = {one["name"]: one for one in inspect("prompts/list")["prompts"]}
    assert {"review", "summarize", "translate"} <= prompts.keys()
    assert all(one["description"] for one in prompts.values())
    filled = inspect(
        *("prompts/get", "--prompt-name", "translate"),
        *("--prompt-args", "text=guten Morgen", "language=English"),
    )
    assert "guten Morgen" in json.dumps(filled["messages"], ensure_ascii=False)
