"""Claude Code as a client: pointed at the hub, it does its work with whatever model the hub has."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.clients.clients import PATIENCE_SECONDS, Access, run
from tests.docs.conftest import Page

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]

SCRIPT = """Go.
/call Glob {"pattern": "*.txt"}
/call Bash {"command": "cat note.txt", "description": "Read the note"}

/call Bash {"command": "echo second", "description": "Say it"}
"""
AT_HOME = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}


def settings(access: Access) -> dict[str, str]:
    """The variables that the page has a reader set."""
    (block,) = (b for b in Page("docs/messages.md").blocks("sh") if "ANTHROPIC_MODEL" in b)
    lines = access.put_into(block).strip().splitlines()
    return dict(line.removeprefix("export ").split("=", 1) for line in lines)


def events(
    claude: str, access: Access, home: Path, model: str, prompt: str
) -> list[dict[str, Any]]:
    """What Claude Code says that it did."""
    (home / "note.txt").write_text("the note says hello\n")
    command = [claude, "-p", prompt, "--output-format=stream-json", "--verbose"]
    environment = settings(access) | AT_HOME | {"ANTHROPIC_MODEL": model}
    done = run([*command, "--allowedTools=Bash,Glob"], home, environment, home)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_its_tools_are_called_over_several_rounds_and_their_results_go_back(
    claude: str, access: Access, tmp_path: Path
) -> None:
    found = events(claude, access, tmp_path, "echo/echo", SCRIPT)

    blocks = [
        block
        for event in found
        if event["type"] in {"assistant", "user"}
        for block in event["message"]["content"]
    ]
    called = [block["name"] for block in blocks if block["type"] == "tool_use"]
    results = [block["content"] for block in blocks if block["type"] == "tool_result"]
    assert called == ["Glob", "Bash", "Bash"]
    assert results == ["note.txt", "the note says hello", "second"]
    assert found[-1]["result"] == "second"


def test_it_talks_to_a_vendors_model_through_the_hub(
    claude: str, access: Access, tmp_path: Path
) -> None:
    found = events(claude, access, tmp_path, "claude/sonnet", "My name is Ada.")

    assert found[-1]["subtype"] == "success"
    assert "My name is Ada." in found[-1]["result"]
