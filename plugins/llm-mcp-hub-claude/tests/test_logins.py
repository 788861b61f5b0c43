"""Logins as the tool itself understands them, with the fake tool and with the real one."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_mcp_hub.domain.status import CredentialState, ProviderState
from llm_mcp_hub.errors import LoginRequired
from llm_mcp_hub_claude.provider import ClaudeProvider
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi
from llm_mcp_hub_claude.testing.turns import run_turn, turn_request

pytestmark = pytest.mark.anyio
MakeProvider = Callable[..., ClaudeProvider]

MARK = "a mark that must not be seen"


def log_in(directory: Path) -> None:
    """Write a login as Claude Code stores it."""
    now = int(time.time() * 1000)
    login = {
        "accessToken": "sk-ant-oat01-test-stored",
        "refreshToken": "sk-ant-ort01-test",
        "expiresAt": now + 8 * 3_600_000,
        "refreshTokenExpiresAt": now + 30 * 86_400_000,
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    path = directory / ".credentials.json"
    path.write_text(json.dumps({"claudeAiOauth": login}))
    path.chmod(0o600)


async def test_a_stored_login_is_used_where_it_is_and_nothing_beside_it(
    make_provider: MakeProvider, executable: str, api: FakeMessagesApi, tmp_path: Path
) -> None:
    log_in(tmp_path)
    settings = {"env": {"ANTHROPIC_API_KEY": "sk-ant-api03-test"}, "apiKeyHelper": "echo key"}
    theirs = {"settings.json": json.dumps(settings), "CLAUDE.md": MARK}
    for name, content in theirs.items():
        (tmp_path / name).write_text(content)
    provider = make_provider(executable, oauth_token_file="", config_dir=str(tmp_path))
    try:
        outcome = await run_turn(provider, turn_request("hello"))
        status = provider.credential_status()
    finally:
        await provider.aclose()
    assert outcome.completion.text == "echo: hello"
    assert api.requests[0].headers["authorization"] == "Bearer sk-ant-oat01-test-stored"
    assert "x-api-key" not in api.requests[0].headers
    assert MARK not in json.dumps(api.requests[0].body)
    assert status.state is CredentialState.READY
    assert status.plan == "max"
    for name, content in theirs.items():
        assert (tmp_path / name).read_text() == content


@pytest.mark.parametrize(
    "variable", ["ANTHROPIC_API_KEY=sk-ant-api03-test", "ANTHROPIC_AUTH_TOKEN=test-gateway"]
)
async def test_a_tool_that_would_bill_a_key_is_refused_by_the_self_test(
    make_provider: MakeProvider,
    executable: str,
    api: FakeMessagesApi,
    tmp_path: Path,
    variable: str,
) -> None:
    wrapper = tmp_path / "claude"
    wrapper.write_text(f'#!/bin/sh\nexport {variable}\nexec "{executable}" "$@"\n')
    wrapper.chmod(0o755)
    provider = make_provider(str(wrapper))
    try:
        outcome = await run_turn(provider, turn_request("hello"))
    finally:
        await provider.aclose()
    assert isinstance(outcome.error, LoginRequired)
    assert "subscriptions only" in outcome.error.message
    assert provider.status().state is ProviderState.UNAVAILABLE
    assert api.requests == []


async def test_a_tool_that_finds_no_login_is_refused_by_the_self_test(
    make_provider: MakeProvider, executable: str, api: FakeMessagesApi, tmp_path: Path
) -> None:
    # The hub sees a login; the tool is led to another directory.
    log_in(tmp_path)
    empty = tmp_path / "empty"
    empty.mkdir()
    wrapper = tmp_path / "claude"
    wrapper.write_text(f'#!/bin/sh\nexport CLAUDE_CONFIG_DIR="{empty}"\nexec "{executable}" "$@"\n')
    wrapper.chmod(0o755)
    provider = make_provider(str(wrapper), oauth_token_file="", config_dir=str(tmp_path))
    try:
        outcome = await run_turn(provider, turn_request("hello"))
    finally:
        await provider.aclose()
    assert isinstance(outcome.error, LoginRequired)
    assert "not logged in" in outcome.error.message
    assert api.requests == []
