"""`llm-mcp-hub mcp install`: from a client's configuration to a hub that answers through it."""

import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest

from llm_mcp_hub.commands.mcp_clients import CLIENTS

from .mcp_process import McpProcess

TOKEN = re.compile(r"hub-[0-9a-f]{12}-[A-Za-z0-9_-]{43}")
HTTP_CLIENTS = [name for name, client in CLIENTS.items() if client.http]
FILES = {
    "claude-desktop": ".config/Claude/claude_desktop_config.json",
    "cursor": ".cursor/mcp.json",
    "claude-code": ".claude.json",
    "vscode": ".config/Code/User/mcp.json",
    "codex": ".codex/config.toml",
}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the paths are Linux's")


@pytest.fixture
def home(environment):
    return Path(environment["HOME"])


@pytest.fixture
def install(run, data_dir):
    """Runs the command on the test's own data directory."""

    def install_it(*words):
        return run("mcp", "install", *words, "--data-dir", str(data_dir))

    return install_it


@pytest.fixture
def served(start, data_dir):
    """The address of a hub that runs on the same state."""
    hub = start("serve", "--demo", "--port", "0", "--data-dir", str(data_dir))
    return hub.line("LLM MCP Hub ").rpartition(" ")[2]


def entry(name, home, server="llm-mcp-hub"):
    """What the client finds under the server's name."""
    text = (home / FILES[name]).read_text()
    client = CLIENTS[name]
    whole = tomllib.loads(text) if name == "codex" else json.loads(text)
    return whole[client.servers][server]


def bearer(found):
    return (found.get("headers") or found["http_headers"])["Authorization"]


def mode(file):
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("name", CLIENTS)
def test_what_is_written_starts_a_hub_that_answers(install, name, home, environment, tmp_path):
    done = install(name, "--demo")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"Wrote {home / FILES[name]}\n"
    found = entry(name, home)
    assert Path(found["command"]).is_absolute()
    # As a desktop does it: with hardly any environment, somewhere else.
    bare = {"HOME": environment["HOME"], "TMPDIR": environment["TMPDIR"], **found.get("env", {})}
    client = McpProcess([found["command"], *found["args"]], bare, tmp_path / "stderr")
    try:
        client.open()
        result = client.call("chat", message="hello", model="echo/echo", session_id="s")
        assert result["content"][0]["text"] == "hello"
        client.leave()
    finally:
        client.close()


@pytest.mark.parametrize("name", HTTP_CLIENTS)
def test_with_a_running_hub_the_client_gets_its_address_and_a_token_that_may_only_chat(
    install, name, home, served, run, data_dir
):
    done = install(name, "--url", served)
    assert done.returncode == 0, done.stderr
    found = entry(name, home)
    assert found["url"] == f"{served}/mcp"
    assert "command" not in found
    assert mode(home / FILES[name]) == 0o600
    assert not TOKEN.search(done.stdout + done.stderr)
    headers = {"Authorization": bearer(found)}
    assert httpx.get(f"{served}/v1/models", headers=headers).status_code == 200
    assert httpx.get(f"{served}/v1/sessions", headers=headers).status_code == 403
    (_, token) = json.loads(run("tokens", "list", "--json", "--data-dir", str(data_dir)).stdout)
    assert (token["name"], token["scopes"]) == (name, ["chat"])


def test_a_token_can_allow_more_and_one_that_allows_too_little_is_not_kept(
    install, home, served, run, data_dir
):
    words = ("cursor", "--url", served, "--scope", "chat,sessions")
    install("cursor", "--url", served)
    assert install(*words).returncode == 1
    run("tokens", "revoke", "cursor", "--data-dir", str(data_dir))
    assert install(*words).returncode == 0
    headers = {"Authorization": bearer(entry("cursor", home))}
    assert httpx.get(f"{served}/v1/sessions", headers=headers).status_code == 200


def test_claude_desktop_gets_a_bridge_and_the_token_a_private_file(
    install, home, served, environment, tmp_path, data_dir
):
    done = install("claude-desktop", "--url", served)
    assert done.returncode == 0, done.stderr
    found = entry("claude-desktop", home)
    file = Path(found["args"][found["args"].index("--token-file") + 1])
    assert file.is_absolute()
    assert mode(file) == 0o600
    assert TOKEN.fullmatch(file.read_text().strip())
    assert not TOKEN.search(json.dumps(found) + done.stdout + done.stderr)
    client = McpProcess([found["command"], *found["args"]], environment, tmp_path / "stderr")
    try:
        client.open()
        result = client.call("chat", message="hello", model="echo/echo")
        assert result["content"][0]["text"] == "hello"
        client.leave()
    finally:
        client.close()


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("words", [[], ["--running"]], ids=["own", "running"])
def test_doing_it_again_changes_nothing(install, name, words, home, run, data_dir):
    assert install(name, *words).returncode == 0
    file = home / FILES[name]
    before = file.read_bytes(), file.stat().st_mtime_ns, sorted(file.parent.iterdir())
    again = install(name, *words)
    assert again.returncode == 0
    assert again.stdout == f"{file} has it already.\n"
    assert (file.read_bytes(), file.stat().st_mtime_ns, sorted(file.parent.iterdir())) == before
    tokens = json.loads(run("tokens", "list", "--json", "--data-dir", str(data_dir)).stdout)
    assert len(tokens) == len(words)


def test_a_token_that_was_revoked_is_replaced(install, home, run, data_dir):
    install("cursor", "--running")
    first = bearer(entry("cursor", home))
    run("tokens", "revoke", "cursor", "--data-dir", str(data_dir))
    assert install("cursor", "--running").returncode == 0
    assert bearer(entry("cursor", home)) != first


def test_everything_else_stays_and_a_backup_is_made(install, home):
    file = home / FILES["vscode"]
    file.parent.mkdir(parents=True)
    before = '// mine\n{\n    "servers": {\n        "a": {"command": "b"}, // keep\n    }\n}\n'
    file.write_text(before)
    file.chmod(0o644)
    done = install("vscode")
    assert done.returncode == 0
    after = file.read_text()
    assert after.startswith(
        '// mine\n{\n    "servers": {\n        "a": {"command": "b"}, // keep\n'
    )
    assert mode(file) == 0o644
    (backup,) = [path for path in file.parent.iterdir() if path != file]
    assert backup.read_text() == before
    assert str(backup) in done.stderr


@pytest.mark.parametrize("name", CLIENTS)
def test_a_configuration_that_can_t_be_understood_is_left_alone_and_costs_no_token(
    install, name, home, run, data_dir
):
    file = home / FILES[name]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{ this is = neither")
    before = sorted(file.parent.iterdir())
    done = install(name, "--running")
    assert done.returncode == 1
    assert str(file) in done.stderr
    assert "--print" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert file.read_text() == "{ this is = neither"
    assert sorted(file.parent.iterdir()) == before
    listed = run("tokens", "list", "--json", "--data-dir", str(data_dir))
    assert json.loads(listed.stdout) == []


def test_a_configuration_that_can_t_be_written_costs_no_token(install, tmp_path, run, data_dir):
    (tmp_path / "file").write_text("")
    done = install("cursor", "--running", "--file", str(tmp_path / "file" / "mcp.json"))
    assert done.returncode == 1
    listed = run("tokens", "list", "--json", "--data-dir", str(data_dir))
    assert json.loads(listed.stdout) == []


def test_a_name_that_is_taken_is_said_with_what_to_do(install, run, data_dir, home):
    run("tokens", "create", "cursor", "--data-dir", str(data_dir))
    done = install("cursor", "--running")
    assert done.returncode == 1
    for remedy in ("tokens revoke cursor", "--token-name", "--token-file"):
        assert remedy in done.stderr
    assert not (home / ".cursor").exists()
    assert install("cursor", "--running", "--token-name", "cursor-2").returncode == 0


def test_a_hub_on_another_state_is_noticed(start, install, home, run, data_dir):
    hub = start("serve", "--demo", "--port", "0", "--state", "memory://")
    address = hub.line("LLM MCP Hub ").rpartition(" ")[2]
    done = install("cursor", "--url", address)
    assert done.returncode == 1
    assert "--token-file" in done.stderr
    assert not (home / ".cursor").exists()
    listed = run("tokens", "list", "--json", "--data-dir", str(data_dir))
    assert json.loads(listed.stdout) == []


def test_a_hub_that_is_not_there_yet_is_only_noted(install, home):
    done = install("cursor", "--url", "http://127.0.0.1:1")
    assert done.returncode == 0
    assert "llm-mcp-hub serve" in done.stderr
    assert entry("cursor", home)["url"] == "http://127.0.0.1:1/mcp"


def test_the_address_of_the_hub_s_mcp_is_taken_for_the_hub_s(install, home):
    assert install("cursor", "--url", "http://127.0.0.1:1/mcp/").returncode == 0
    assert entry("cursor", home)["url"] == "http://127.0.0.1:1/mcp"


def test_a_token_of_one_s_own_is_used_as_it_is(install, home, served, run, data_dir, tmp_path):
    file = tmp_path / "token"
    file.write_text(run("tokens", "create", "own", "--data-dir", str(data_dir)).stdout)
    assert install("codex", "--url", served, "--token-file", str(file)).returncode == 0
    assert bearer(entry("codex", home)) == f"Bearer {file.read_text().strip()}"
    assert install("claude-desktop", "--url", served, "--token-file", str(file)).returncode == 0
    assert str(file) in entry("claude-desktop", home)["args"]


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("words", [[], ["--running"]], ids=["own", "running"])
def test_print_shows_what_to_put_where_and_changes_nothing(install, name, words, home, data_dir):
    done = install(name, *words, "--print")
    assert done.returncode == 0
    assert str(home / FILES[name]) in done.stderr
    text = done.stdout
    shown = tomllib.loads(text) if name == "codex" else json.loads(text)
    (found,) = shown[CLIENTS[name].servers].values()
    assert ("url" in found) is (bool(words) and CLIENTS[name].http)
    assert not TOKEN.search(done.stdout + done.stderr)
    assert not list(home.iterdir())
    assert not data_dir.exists()


def test_a_hub_without_access_control_needs_no_token(install, home, tmp_path, data_dir):
    file = tmp_path / "open.toml"
    file.write_text("[access]\nenabled = false\n")
    assert install("cursor", "--running", "--config", str(file)).returncode == 0
    assert entry("cursor", home) == {"url": "http://127.0.0.1:8642/mcp"}
    assert not data_dir.exists()


def test_the_place_goes_with_it_as_full_paths(run, home, tmp_path, argv, environment):
    (tmp_path / "hub.toml").write_text("")
    words = ["--config", "hub.toml", "--data-dir", "here", "--name", "mine", "--file", "x.json"]
    done = subprocess.run(
        [*argv, "mcp", "install", "cursor", *words],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "does not know" not in done.stderr
    found = json.loads((tmp_path / "x.json").read_text())["mcpServers"]["mine"]
    expected = ["mcp", "--config", str(tmp_path / "hub.toml"), "--data-dir", str(tmp_path / "here")]
    assert found["args"] == expected
    assert found["env"] == {"PATH": environment["PATH"]}


def test_settings_of_the_environment_that_the_client_will_not_know_are_named(run, home):
    done = run("mcp", "install", "cursor")
    assert "LLM_MCP_HUB_DATA_DIR" in done.stderr
    assert os.environ.get("LLM_MCP_HUB_DATA_DIR") is None


@pytest.mark.parametrize(
    "words",
    [
        ["emacs"],
        [],
        ["cursor", "--running", "--demo"],
        ["cursor", "--token-file", "x"],
        ["cursor", "--url", "127.0.0.1:8642"],
        ["cursor", "--url", "ftp://127.0.0.1"],
    ],
)
def test_what_makes_no_sense_is_a_wrong_use(install, words):
    assert install(*words).returncode == 2
