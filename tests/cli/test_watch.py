"""`llm-mcp-hub providers --watch` shows the workers of a hub that runs in another process."""

import json
import signal


def test_it_shows_the_workers_and_leaves_no_token(start, run):
    hub = start("serve", "--demo", "--port", "0")
    address = hub.line("LLM MCP Hub ").rpartition(" ")[2]
    watching = start("providers", "--watch", "--json", "--url", address)
    look = json.loads(watching.line(""))
    echo = next(one for one in look if one["name"] == "echo")
    assert echo["pool"]["max_workers"] > 0
    assert {worker["state"] for worker in echo["workers"]} <= {"blank", "parked", "claimed"}
    assert "watch-" in run("tokens", "list").stdout
    watching.signal(signal.SIGINT)
    assert watching.end() == 0
    assert "watch-" not in run("tokens", "list").stdout


def test_it_can_be_given_a_token_of_its_own(start, tmp_path):
    hub = start("serve", "--demo", "--port", "0", "--state", "memory://")
    address = hub.line("LLM MCP Hub ").rpartition(" ")[2]
    file = tmp_path / "token"
    file.write_text(hub.line("Access token (admin, shown only now): ") + "\n")
    watching = start("providers", "--watch", "--url", address, "--token-file", str(file))
    assert watching.line("").startswith("PROVIDER\tPID\tSTATE")


def test_a_hub_that_is_not_there_is_said_in_one_line(run):
    done = run("providers", "--watch", "--url", "http://127.0.0.1:1")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "llm-mcp-hub serve" in done.stderr


def test_a_token_that_is_refused_is_said(start, run, tmp_path):
    hub = start("serve", "--demo", "--port", "0")
    address = hub.line("LLM MCP Hub ").rpartition(" ")[2]
    file = tmp_path / "token"
    file.write_text("hub-000000000000-wrong\n")
    done = run("providers", "--watch", "--url", address, "--token-file", str(file))
    assert done.returncode == 1
    assert "access token" in done.stderr
