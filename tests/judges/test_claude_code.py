"""The real Claude Code reads what `mcp install` has written, and connects."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:1"
SECONDS = 90.0

pytestmark = pytest.mark.real_cli


@pytest.fixture
def claude():
    found = os.environ.get("HUB_TEST_CLAUDE") or shutil.which(
        str(ROOT / ".tools/claude/node_modules/.bin/claude")
    )
    if found is None:
        pytest.skip(
            "CLAUDE CODE IS NOT INSTALLED: `make tools` says why; the real tool is untested"
        )
    return found


@pytest.fixture
def environment(tmp_path):
    """A home of its own, and no way to anywhere but this machine."""
    for name in ("home", "tmp"):
        (tmp_path / name).mkdir()
    return {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "tmp"),
        "PATH": "/usr/bin:/bin",
        "ANTHROPIC_BASE_URL": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "HTTP_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }


def run(environment, *words):
    done = subprocess.run(
        words,
        env=environment,
        cwd=environment["HOME"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_claude_code_connects_to_what_was_installed(claude, environment, served, tmp_path, kind):
    install = [sys.executable, "-m", "llm_mcp_hub", "mcp", "install", "claude-code"]
    if kind == "stdio":
        install += ["--demo", "--data-dir", str(tmp_path / "data")]
    else:
        file = tmp_path / "token"
        file.write_text(served.token("claude-code", "chat"))
        install += ["--url", served.base_url, "--token-file", str(file)]
    run(environment, *install)
    (line,) = [
        line
        for line in run(environment, claude, "mcp", "list").splitlines()
        if "llm-mcp-hub:" in line
    ]
    assert "Connected" in line
    assert served.base_url in line or kind == "stdio"
    shown = run(environment, claude, "mcp", "get", "llm-mcp-hub")
    assert f"Type: {kind}" in shown
