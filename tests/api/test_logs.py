"""What is logged of a whole run, and what never is."""

import io
import json
import logging
import subprocess
import sys

import pytest
import structlog

from llm_mcp_hub.config import LogConfig
from llm_mcp_hub.log import REDACTED, configure_logging, redact, redact_text

RUN = """
import sys, httpx, structlog, logging
from llm_mcp_hub.config import LogConfig
from llm_mcp_hub.log import configure_logging
from llm_mcp_hub.testing.hub import create_test_hub

configure_logging(LogConfig(format=sys.argv[1], level="debug"))
with create_test_hub() as hub:
    user = hub.token("user")
    with httpx.Client(base_url=hub.base_url, headers=hub.headers(user)) as http:
        body = {"model": "echo/echo", "messages": [{"role": "user", "content": "a private word"}]}
        http.post("/v1/chat/completions", json=body, headers={"x-session-id": "logged"})
        http.post("/v1/chat/completions", json=body | {"stream": True})
        http.post("/v1/chat/completions", json=body | {"model": "nobody/x"})
        http.get("/v1/sessions/x", params={"owner": user})
        http.get("/v1/models", headers={"authorization": "Bearer " + user + "x"})
    log = structlog.get_logger()
    log.info("inside", text=f"it was {user}, really", headers={"authorization": user, "x": [user]})
    try:
        raise RuntimeError(f"with {hub.admin_token}")
    except RuntimeError:
        log.exception("failed", reason=RuntimeError(user))
        logging.getLogger("somebody.else").exception("also %s", user)
print(user)
print(hub.admin_token)
"""


@pytest.fixture(scope="module", params=["json", "console"])
def run(request):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", RUN, request.param],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return request.param, done.stderr, done.stdout.split()


def test_no_token_is_in_any_line_of_a_whole_run(run):
    _, log, tokens = run

    assert len(tokens) == 2
    for token in tokens:
        assert token not in log
        assert token.split("-", 2)[2] not in log
    assert log.count(REDACTED) >= 6


def test_nothing_that_was_said_is_logged(run):
    assert "private" not in run[1]


def test_every_turn_is_logged_once_with_its_outcome(run):
    format_, log, _ = run
    lines = [line for line in log.splitlines() if "turn.finished" in line]
    assert len(lines) == 2
    if format_ == "json":
        first = json.loads(lines[0])
        assert first["outcome"] == "done"
        assert first["principal"] == "user"
        assert first["session_id"] == "logged"
        assert first["input_tokens"] == 3
        assert first["level"] == "info"


def test_json_lines_are_json(run):
    format_, log, _ = run
    if format_ == "json":
        events = [json.loads(line) for line in log.splitlines()]
        assert all({"event", "level", "timestamp"} <= set(event) for event in events)
        assert any("Traceback" in event.get("exception", "") for event in events)


@pytest.mark.parametrize(
    "secret",
    [
        "hub-0123456789ab-" + "s" * 43,
        "sk-ant-oat01-secretsecret",
        "ya29.secretsecret",
        "AIzasecretsecret",
        "Authorization: Bearer secretsecret",
        "authorization: bearer secretsecret",
        "redis://user:secretsecret@host:6379/0",
    ],
)
def test_what_looks_like_a_secret_is_hidden_wherever_it_stands(secret):
    text = redact_text(f"before {secret} after")

    assert "secretsecret" not in text
    assert "ssss" not in text
    assert text.startswith("before ")
    assert text.endswith(" after")


def test_what_is_named_like_a_secret_is_hidden():
    event = redact(
        None,
        "info",
        {
            "event": "x",
            "access_token": "abc",
            "password": b"abc",
            "x-api-key": "abc",
            "nested": {"api_key": "abc", "list": [{"cookie": "abc"}], "fine": 1},
            "input_tokens": 5,
            "ok": True,
            "nothing": None,
        },
    )

    assert "abc" not in str(event)
    assert (event["input_tokens"], event["ok"], event["nothing"]) == (5, True, None)
    assert event["nested"]["fine"] == 1


def test_logging_goes_where_it_is_told_and_no_further(capsys):
    handlers, level = logging.root.handlers[:], logging.root.level
    try:
        out = io.StringIO()
        configure_logging(LogConfig(format="json", level="warning"), out)
        structlog.get_logger().info("quiet")
        structlog.get_logger().warning("loud", n=1)
        logging.getLogger("other").error("theirs")
    finally:
        structlog.reset_defaults()
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)

    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["loud", "theirs"]
    assert capsys.readouterr() == ("", "")
