"""A second login that is added while the hub runs, with the fake tool and with the real one."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import llm_mcp_hub_claude
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub_claude.settings import ClaudeSettings
from llm_mcp_hub_claude.setup import Setup
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi

SECONDS = 60.0


@pytest.fixture(scope="module")
def hub(executable: str, running_api: FakeMessagesApi, token_file: Path) -> Iterator[TestHub]:
    """A hub whose tool was installed by setup, and which is led to the fake back end by it."""
    settings = {"pool": {"min_spare": 0}, "oauth_token_file": str(token_file)}
    made = create_test_hub(
        {"providers": {"claude": settings}}, plugins=[("claude", llm_mcp_hub_claude)]
    )
    program = made.hub.config.data_path / "providers/claude/cli/node_modules/.bin/claude"
    program.parent.mkdir(parents=True)
    script = f'#!/bin/sh\nexport ANTHROPIC_BASE_URL="{running_api.url}"\nexec "{executable}" "$@"\n'
    program.write_text(script)
    program.chmod(0o755)
    with made as served:
        yield served


@pytest.fixture
def client(hub: TestHub) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=SECONDS) as made:
        yield made


@pytest.fixture
def login(tmp_path: Path) -> Path:
    """A login as Claude Code stores it."""
    now = int(time.time() * 1000)
    dates = {"expiresAt": now + 8 * 3_600_000, "refreshTokenExpiresAt": now + 30 * 86_400_000}
    tokens = {"accessToken": "sk-ant-oat01-test-second", "refreshToken": "sk-ant-ort01-test"}
    scopes = {"scopes": ["user:inference", "user:profile"], "subscriptionType": "max"}
    directory = tmp_path / "login"
    directory.mkdir(mode=0o700)
    file = directory / ".credentials.json"
    file.write_text(json.dumps({"claudeAiOauth": dates | tokens | scopes}))
    file.chmod(0o600)
    return directory


def add(client: httpx.Client, name: str, **settings: object) -> httpx.Response:
    body = {"name": name, "kind": "claude", "settings": {"pool": {"min_spare": 0}, **settings}}
    return client.post("/v1/providers", json=body)


def ask(client: httpx.Client, provider: str) -> str:
    body = {
        "model": f"{provider}/sonnet",
        "messages": [{"role": "user", "content": "hello"}],
    }
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def test_two_logins_answer_each_under_its_own_name_and_with_its_own_token(
    client: httpx.Client, api: FakeMessagesApi, login: Path
) -> None:
    added = add(client, "second", config_dir=str(login), aliases={"fast": "haiku"})
    assert added.status_code == 201, added.text
    assert ask(client, "claude") == ask(client, "second") == "echo: hello"
    bearers = [request.headers["authorization"] for request in api.requests]
    assert set(bearers) == {"Bearer sk-ant-oat01-test", "Bearer sk-ant-oat01-test-second"}
    shown = client.get("/v1/providers/second").json()
    assert (shown["state"], shown["credential"]["plan"]) == ("available", "max")
    assert "fast" in {model["name"] for model in shown["models"]}
    assert "sk-ant" not in client.get("/v1/providers").text
    assert client.delete("/v1/providers/second").status_code == 202


def test_a_token_that_setup_has_stored_is_found_without_any_setting(
    hub: TestHub, client: httpx.Client, api: FakeMessagesApi
) -> None:
    directory = hub.hub.config.data_path / "providers"
    context = ProviderContext(
        "third", ClaudeSettings(), directory / "third", {}, directory / "claude"
    )
    setup = Setup.of(context)
    setup.store_token(b"sk-ant-oat01-test-third", time.time())
    assert setup.findings()[0].ok
    assert add(client, "third").status_code == 201
    ask(client, "third")
    assert api.requests[-1].headers["authorization"] == "Bearer sk-ant-oat01-test-third"

    own = directory / "third" / "oauth_token"
    assert add(client, "fourth", oauth_token_file=str(own)).status_code == 201
    ask(client, "fourth")
    assert api.requests[-1].headers["authorization"] == "Bearer sk-ant-oat01-test-third"


def test_a_login_that_is_missing_is_made_under_the_providers_own_name(
    client: httpx.Client, login: Path
) -> None:
    assert add(client, "fifth", config_dir=str(login)).status_code == 201
    (login / ".credentials.json").unlink()
    shown = client.get("/v1/providers/fifth").json()
    assert shown["credential"]["remedy"] == "Run `llm-mcp-hub setup fifth`."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("executable", "/bin/sh"),
        ("environment", {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1"}),
        ("limits", {"memory_mb": 9}),
        ("deadlines", {"total": 9}),
        ("supervision", {}),
        ("base_url", "http://127.0.0.1:1"),
        ("api_key", "sk-ant-api03-test"),
        ("config_dir", "/etc"),
        ("config_dir", "~/.ssh"),
        ("oauth_token_file", "/etc/passwd"),
        ("oauth_token_file", "~/.ssh/id_rsa"),
    ],
)
def test_nothing_that_decides_what_runs_or_what_is_read_can_be_set(
    client: httpx.Client, name: str, value: object
) -> None:
    refused = add(client, "never", **{name: value})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == f"settings.{name}"
    assert client.get("/v1/providers/never").status_code == 404


def test_a_file_outside_of_the_hubs_directory_is_no_token_even_if_it_looks_like_one(
    client: httpx.Client, token_file: Path
) -> None:
    refused = add(client, "never", oauth_token_file=str(token_file))
    assert refused.status_code == 400
    assert str(token_file) not in refused.text
