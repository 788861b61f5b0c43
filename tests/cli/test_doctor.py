"""`llm-mcp-hub doctor` and `llm-mcp-hub providers`."""

import json
import socket

import pytest


def by_subject(done):
    found = {}
    for finding in json.loads(done.stdout)["findings"]:
        found.setdefault(finding["about"], []).append(finding)
    return found


@pytest.fixture
def free_port(environment):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        environment["LLM_MCP_HUB_SERVER__PORT"] = str(probe.getsockname()[1])


@pytest.mark.usefixtures("free_port")
def test_a_hub_with_a_working_provider_is_well(run, data_dir):
    done = run("doctor", "--demo", "--json")
    document = json.loads(done.stdout)
    assert set(document) == {"ok", "version", "usable", "findings"}
    found = by_subject(done)
    assert done.returncode == 0, found
    assert document["ok"] is True
    assert document["usable"] == ["echo"]
    assert {"python", "hub", "plugin", "config", "data_dir", "state", "memory", "port"} <= set(
        found
    )
    assert found["provider echo"][0]["ok"] is True
    assert str(data_dir) in found["data_dir"][0]["detail"]
    for findings in found.values():
        for finding in findings:
            assert set(finding) == {"about", "ok", "title", "detail", "remedy"}


@pytest.mark.usefixtures("free_port")
def test_without_a_provider_the_exit_code_is_1_and_every_problem_has_a_remedy(run):
    done = run("doctor", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["usable"] == []
    for findings in by_subject(done).values():
        assert all(finding["ok"] or finding["remedy"] for finding in findings)


def test_what_is_piped_is_plain_and_says_what_to_do(run, tmp_path):
    file = tmp_path / "wrong.toml"
    file.write_text("[server]\nprot = 1\n")
    done = run("doctor", "--config", str(file))
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "PROBLEM config: server.prot" in done.stdout
    assert "what to do: " in done.stdout


@pytest.mark.usefixtures("free_port")
def test_a_state_store_that_is_away_is_a_problem_without_its_password(run):
    done = run("doctor", "--demo", "--json", "--state", "redis://u:hidden@127.0.0.1:1/0")
    assert done.returncode == 1
    (state,) = by_subject(done)["state"]
    assert state["ok"] is False
    assert "hidden" not in done.stdout


def test_a_port_that_something_else_has_is_a_problem(run, environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment["LLM_MCP_HUB_SERVER__PORT"] = str(taken.getsockname()[1])
        done = run("doctor", "--demo", "--json")
    assert by_subject(done)["port"][0]["ok"] is False


def test_a_port_that_a_hub_has_is_none(run, start, environment):
    hub = start("serve", "--demo", "--port", "0")
    address = hub.line("LLM MCP Hub ")
    environment["LLM_MCP_HUB_SERVER__PORT"] = address.rpartition(":")[2]
    (port,) = by_subject(run("doctor", "--demo", "--json"))["port"]
    assert (port["ok"], port["title"]) == (True, "A hub is running")


def test_providers_are_listed_after_their_self_tests(run):
    done = run("providers", "--demo", "--json")
    (echo,) = [one for one in json.loads(done.stdout) if one["name"] == "echo"]
    assert echo["state"] == "available"
    assert [card["name"] for card in echo["models"]] == ["echo"]
    header, *rows = run("providers", "--demo").stdout.splitlines()
    assert header.split("\t") == [
        "NAME",
        "STATE",
        "AUTH",
        "LOGIN",
        "WORKERS",
        "CAN",
        "MODELS",
        "REASON",
    ]
    assert ["echo", "available", "-", "-", "8", "tools", "echo", "-"] in [
        row.split("\t") for row in rows
    ]
