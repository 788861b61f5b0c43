"""`llm-mcp-hub tokens`."""

import json
import re

import pytest

TOKEN = re.compile(r"hub-[0-9a-f]{12}-[A-Za-z0-9_-]{43}\n\Z")


def test_a_new_token_is_alone_on_standard_output(run):
    done = run("tokens", "create", "n8n")
    assert done.returncode == 0
    assert TOKEN.match(done.stdout)
    assert "hub-" not in done.stderr


def test_tokens_are_listed_without_their_secrets(run):
    secret = run("tokens", "create", "n8n", "--scope", "chat,admin").stdout.strip()
    run("tokens", "create", "brief", "--expires-days", "3")
    done = run("tokens", "list", "--json")
    brief, n8n = json.loads(done.stdout)
    assert (brief["name"], brief["scopes"]) == ("brief", ["chat", "sessions"])
    assert brief["expires_at"] - brief["created_at"] == pytest.approx(3 * 86_400, abs=60)
    assert (n8n["name"], n8n["scopes"], n8n["expires_at"]) == ("n8n", ["admin", "chat"], None)
    assert secret.split("-", 2)[2] not in done.stdout


def test_the_list_is_one_row_a_line_with_tabs_when_it_is_piped(run):
    run("tokens", "create", "n8n")
    header, row = run("tokens", "list").stdout.splitlines()
    names = ["NAME", "SCOPES", "PRIORITY", "LIMITS", "CREATED", "USED", "EXPIRES", "STATE"]
    assert header.split("\t") == names
    assert row.split("\t")[:3] == ["n8n", "chat,sessions", "interactive"]


def test_a_token_can_be_made_for_batch_work(run):
    run("tokens", "create", "nightly", "--priority", "batch")
    assert json.loads(run("tokens", "list", "--json").stdout)[0]["priority"] == "batch"


def test_a_revoked_token_is_gone_and_can_be_revoked_only_once(run):
    run("tokens", "create", "n8n")
    assert run("tokens", "revoke", "n8n").returncode == 0
    assert json.loads(run("tokens", "list", "--json").stdout) == []
    again = run("tokens", "revoke", "n8n")
    assert again.returncode == 1
    assert again.stderr == "Error: There is no access token 'n8n'.\n"


def test_a_name_that_is_taken_is_refused(run):
    run("tokens", "create", "n8n")
    done = run("tokens", "create", "n8n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "n8n" in done.stderr


def test_an_unknown_scope_is_a_wrong_use(run):
    done = run("tokens", "create", "n8n", "--scope", "chat,everything")
    assert done.returncode == 2
    assert "chat, sessions, admin" in done.stderr


def test_tokens_of_a_store_inside_another_process_are_refused(run):
    done = run("tokens", "create", "n8n", "--state", "memory://")
    assert done.returncode == 1
    assert "memory://" in done.stderr


def test_a_state_store_that_is_away_is_said_in_one_line(run):
    done = run("tokens", "list", "--state", "redis://someone:hidden@127.0.0.1:1/0")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "hidden" not in done.stderr


def test_limits_are_set_shown_replaced_and_taken_away(run):
    done = run(
        "tokens", "create", "n8n", "--limit", "requests-per-minute=20", "--limit",
        "tokens_per_day=1000",
    )  # fmt: skip
    assert done.returncode == 0
    listed = run("tokens", "list").stdout.splitlines()[1].split("\t")
    assert listed[3] == "requests-per-minute=20,tokens-per-day=1000"
    assert listed[5] == "never"
    (shown,) = json.loads(run("tokens", "list", "--json").stdout)
    assert shown["limits"]["tokens_per_day"] == 1000
    assert shown["last_used_at"] is None
    assert (
        "concurrent-turns=2."
        in run("tokens", "limit", "n8n", "--limit", "concurrent-turns=2").stderr
    )
    (shown,) = json.loads(run("tokens", "list", "--json").stdout)
    assert shown["limits"] == {
        "requests_per_minute": None,
        "requests_per_day": None,
        "tokens_per_day": None,
        "concurrent_turns": 2,
    }
    assert "none" in run("tokens", "limit", "n8n").stderr
    assert run("tokens", "limit", "nobody").returncode == 1


@pytest.mark.parametrize("limit", ["per-second=1", "tokens-per-day", "tokens-per-day=x"])
def test_a_limit_that_there_is_not_is_a_wrong_use(run, limit):
    done = run("tokens", "create", "n8n", "--limit", limit)
    assert done.returncode == 2
    assert "hub-" not in done.stdout


def test_a_limit_of_nothing_is_refused(run):
    done = run("tokens", "create", "n8n", "--limit", "tokens-per-day=0")
    assert done.returncode == 1
    assert "`tokens_per_day` is 1 to" in done.stderr
