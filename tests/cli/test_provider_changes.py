"""`providers add | remove | drain | resume | restart`, with a hub that runs and without one."""

import json

import pytest


@pytest.fixture
def hub(start):
    """A hub with an access token: its address, and the beginning of commands that reach it."""
    process = start("serve", "--demo", "--port", "0")
    return process.line("LLM MCP Hub ").rpartition(" ")[2]


def listed(run):
    done = run("providers", "--json")
    assert done.returncode == 0, done.stderr
    return {one["name"]: one for one in json.loads(done.stdout)}


def test_a_running_hub_is_asked_and_left_without_a_token(hub, run):
    added = run(
        *("providers", "add", "work", "--kind", "echo", "--url", hub),
        *("--set", "word_seconds=0", "--set", "pool.max_workers=3"),
    )
    assert (added.returncode, added.stdout) == (0, "")
    assert added.stderr.strip() == "Added 'work'. It is available."
    assert listed(run)["work"]["pool"]["max_workers"] == 3
    for verb, done in (("drain", "Drained"), ("resume", "Resumed"), ("restart", "Restarted")):
        changed = run("providers", verb, "work", "--url", hub)
        assert changed.returncode == 0, changed.stderr
        assert changed.stderr.startswith(f"{done} 'work'. It is ")
    drained = run("providers", "drain", "echo", "--url", hub)
    assert "unavailable" in drained.stderr
    removed = run("providers", "remove", "work", "--url", hub)
    assert (removed.returncode, removed.stderr.strip()) == (0, "Removed 'work'.")
    assert "work" not in listed(run)
    assert run("tokens", "list").stdout.count("\n") == 2


def test_without_a_hub_the_state_is_changed_and_the_next_hub_heeds_it(start, run):
    added = run("providers", "add", "work", "--kind", "echo")
    assert (added.returncode, added.stdout) == (0, "")
    assert "No hub answers here" in added.stderr
    assert run("providers", "drain", "work").returncode == 0
    assert listed(run)["work"]["draining"] is True
    refused = run("chat", "--system", "x", "work/echo", "hello")
    assert "providers resume work" in refused.stderr
    unavailable = run("chat", "-", text="hello")
    assert (unavailable.returncode, unavailable.stdout) == (1, "")
    assert run("providers", "resume", "work").returncode == 0
    assert run("providers", "restart", "work").returncode == 0
    answer = run("chat", "work/echo", "hello")
    assert (answer.returncode, answer.stdout.strip()) == (0, "hello")
    assert run("providers", "remove", "work").returncode == 0
    assert "work" not in listed(run)


def test_a_hub_elsewhere_on_the_same_state_notices(hub, run, start):
    assert run("providers", "add", "work", "--kind", "echo").returncode == 0
    watching = start("providers", "--watch", "--json", "--url", hub)
    while "work" not in {one["name"] for one in json.loads(watching.line(""))}:
        watching.lines.clear()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "work", "--kind", "nobody"), "nobody"),
        (("add", "work", "--kind", "echo", "--set", "executable=/bin/sh"), "`executable`"),
        (("add", "work", "--kind", "echo", "--set", "environment.A=b"), "`environment`"),
        (("add", "claude", "--kind", "echo"), "name"),
        (("add", "a/b", "--kind", "echo"), "name"),
        (("remove", "claude"), "enabled = false"),
        (("remove", "nobody"), "no provider"),
        (("drain", "nobody"), "no provider"),
    ],
)
def test_what_can_not_be_done_is_said_in_one_line(run, words, said):
    done = run("providers", *words)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("add", "work"),
        ("add", "work", "--kind", "echo", "--set", "nothing"),
        ("add", "work", "--kind", "echo", "--set", "models=[x"),
        ("add", "work", "--kind", "echo", "--set", "a=1", "--set", "a.b=2"),
        ("--json", "add", "work", "--kind", "echo"),
    ],
)
def test_a_wrong_use_is_an_error_of_use(run, words):
    assert run("providers", *words).returncode == 2


def test_state_in_memory_is_only_reached_through_its_hub(start, run, tmp_path):
    process = start("serve", "--demo", "--port", "0", "--state", "memory://")
    address = process.line("LLM MCP Hub ").rpartition(" ")[2]
    file = tmp_path / "token"
    file.write_text(process.line("Access token (admin, shown only now): "))
    words = ("providers", "add", "work", "--kind", "echo", "--state", "memory://", "--url", address)
    assert "memory://" in run(*words).stderr
    assert run(*words, "--token-file", str(file)).returncode == 0
