"""The official TypeScript SDK, in both of its release lines, over Streamable HTTP."""

import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("typescript.mjs")
WORDS = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize("line", ["v1", "v2-legacy", "v2-auto"])
def test_everything_of_the_hub_is_within_reach(judges, served, line):
    token = served.token(f"typescript-{line}", "chat", "sessions")
    done = judges.run_source(SCRIPT, line, f"{served.base_url}/mcp", token)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["version"]["name"] == "llm-mcp-hub"
    assert {"chat", "ask_all", "get_session"} <= set(seen["tools"])
    assert "provider://list" in seen["resources"]
    assert "session://{session_id}" in seen["templates"]
    assert {"review", "summarize", "translate"} <= set(seen["prompts"])
    assert "guten Morgen" in json.dumps(seen["prompt"], ensure_ascii=False)
    assert WORDS in json.dumps(seen["session"])
    assert seen["chat"]["content"] == [{"type": "text", "text": WORDS}]
    assert "".join(seen["progress"]) == WORDS
    assert seen["wrong"]["isError"]
    assert "nobody/nothing" in json.dumps(seen["wrong"])
