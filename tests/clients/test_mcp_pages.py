"""Claude Desktop and Cursor: their pages show what `mcp install` writes."""

import json
import os
import subprocess
import sys

import pytest
from tests.docs.conftest import Page

PAGES = {"claude-desktop": ["mcp install"], "cursor": ["mcp install", "mcp install --running"]}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the paths are Linux's")


def written(client: str, tmp_path, *more: str) -> dict[str, object]:
    """What the command says it would write."""
    command = [sys.executable, "-m", "llm_mcp_hub", "mcp", "install", client, "--print", *more]
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["mcpServers"]["llm-mcp-hub"]


@pytest.mark.parametrize("client", PAGES)
def test_the_page_shows_the_entry_that_is_written(client: str, tmp_path) -> None:
    blocks = Page(f"docs/clients/{client}.md").blocks("json")
    assert len(blocks) == len(PAGES[client])
    own = json.loads(blocks[0])["mcpServers"]["llm-mcp-hub"]
    real = written(client, tmp_path)
    assert own.keys() == real.keys()
    assert own["args"] == real["args"]
    assert own["env"].keys() == real["env"].keys()
    assert own["command"].endswith("/bin/llm-mcp-hub")


def test_the_page_of_cursor_shows_the_entry_for_a_hub_that_runs(tmp_path) -> None:
    block = Page("docs/clients/cursor.md").blocks("json")[1]
    real = written("cursor", tmp_path, "--url", "http://127.0.0.1:8642")
    text = json.dumps(real).replace("ACCESS_TOKEN", "hub-…")
    assert json.loads(block)["mcpServers"]["llm-mcp-hub"] == json.loads(text)
