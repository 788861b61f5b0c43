"""`llm-mcp-hub sessions`."""

import json


def test_sessions_are_listed_shown_and_deleted(run):
    run("chat", "--demo", "echo/echo", "good morning", "--session", "s1")
    (listed,) = json.loads(run("sessions", "list", "--json").stdout)
    assert (listed["id"], listed["owner"], listed["message_count"]) == ("s1", "local", 2)
    shown = json.loads(run("sessions", "show", "s1", "--json").stdout)
    assert [entry["message"]["role"] for entry in shown["messages"]] == ["user", "assistant"]
    assert run("sessions", "show", "s1").stdout.count("good morning") == 2
    assert run("sessions", "delete", "s1").returncode == 0
    gone = run("sessions", "show", "s1")
    assert gone.returncode == 1
    assert "s1" in gone.stderr


def test_sessions_of_another_owner_need_to_be_asked_for(run):
    run("chat", "--demo", "echo/echo", "hello", "--session", "s1")
    assert len(run("sessions", "list", "--owner", "n8n").stdout.splitlines()) == 1
    assert run("sessions", "show", "s1", "--owner", "n8n").returncode == 1
    assert len(run("sessions", "list", "--all").stdout.splitlines()) == 2


def test_a_list_is_cut_at_its_limit(run):
    for name in ("a", "b", "c"):
        run("chat", "--demo", "echo/echo", "hello", "--session", name)
    rows = run("sessions", "list", "--limit", "2").stdout.splitlines()[1:]
    assert [row.split("\t")[0] for row in rows] == ["c", "b"]
