"""The provider without a back end: what it refuses, and what it says about itself."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from llm_mcp_hub.domain.chat import ToolResultPart
from llm_mcp_hub.domain.status import CredentialState, ProviderState
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import (
    HubError,
    InvalidRequest,
    LoginRequired,
    ProviderUnavailable,
    UnknownModel,
    UnsupportedParameter,
)
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub_claude.command import TOOL, worker_spec
from llm_mcp_hub_claude.credentials import Login
from llm_mcp_hub_claude.provider import ClaudeProvider
from llm_mcp_hub_claude.setup import Setup
from llm_mcp_hub_claude.testing import fake_cli
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi
from llm_mcp_hub_claude.testing.turns import message, run_turn, turn_request

MakeProvider = Callable[..., ClaudeProvider]


async def failure(provider: ClaudeProvider) -> HubError:
    """The error of a turn that can't begin."""
    try:
        outcome = await run_turn(provider, turn_request("hello"))
    finally:
        await provider.aclose()
    assert outcome.error is not None
    return outcome.error


def test_the_plugin_is_found_and_works_without_being_configured() -> None:
    plugins = load_plugins()
    [info] = [info for info in plugins.infos if info.name == "claude"]
    assert info.error is None
    [factory] = [f for f in plugins.provider_factories() if f.kind == "claude"]
    assert factory.automatic


@pytest.mark.anyio
async def test_a_tool_that_is_too_old_is_refused_with_the_remedy(
    make_provider: MakeProvider, tmp_path: Path
) -> None:
    old = fake_cli.install(tmp_path, version="2.1.328")
    error = await failure(make_provider(str(old)))
    assert isinstance(error, ProviderUnavailable)
    assert "2.1.328" in error.message
    assert "llm-mcp-hub setup claude" in error.message


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["2.1.329", "2.1.400", "2.2.0", "3.0.0-beta.1"])
async def test_a_newer_tool_is_used(
    make_provider: MakeProvider, tmp_path: Path, api: FakeMessagesApi, version: str
) -> None:
    provider = make_provider(str(fake_cli.install(tmp_path, version=version)))
    try:
        outcome = await run_turn(provider, turn_request("hello"))
    finally:
        await provider.aclose()
    assert outcome.completion.text == "echo: hello"
    assert provider.status().version == version


@pytest.mark.anyio
async def test_a_missing_tool_is_told_with_the_remedy(make_provider: MakeProvider) -> None:
    error = await failure(make_provider("/nowhere/claude"))
    assert isinstance(error, ProviderUnavailable)
    assert "/nowhere" not in error.message
    assert "llm-mcp-hub setup claude" in error.message


@pytest.mark.anyio
async def test_a_missing_login_is_told_before_anything_is_started(
    make_provider: MakeProvider, fake_executable: str, tmp_path: Path
) -> None:
    provider = make_provider(fake_executable, oauth_token_file=str(tmp_path / "no-token"))
    error = await failure(provider)
    assert isinstance(error, LoginRequired)
    assert "llm-mcp-hub setup claude" in error.message
    assert provider.status().state is ProviderState.UNAVAILABLE
    assert provider.credential_status().state is CredentialState.MISSING


@pytest.mark.anyio
async def test_an_expired_login_is_told_before_anything_is_started(
    make_provider: MakeProvider, fake_executable: str, token_file: Path, tmp_path: Path
) -> None:
    old = tmp_path / "token"
    shutil.copy(token_file, old)
    old.with_name("token.json").write_text('{"issued_at": 1}')
    error = await failure(make_provider(fake_executable, oauth_token_file=str(old)))
    assert isinstance(error, LoginRequired)
    assert "expired" in error.message


@pytest.mark.anyio
async def test_a_login_that_was_repaired_is_used_without_a_restart(
    make_provider: MakeProvider,
    fake_executable: str,
    token_file: Path,
    tmp_path: Path,
    api: FakeMessagesApi,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llm_mcp_hub.providers.self_test.RETEST_SECONDS", 0.0)
    late = tmp_path / "token"
    provider = make_provider(fake_executable, oauth_token_file=str(late))
    try:
        assert (await run_turn(provider, turn_request("hello"))).error is not None
        shutil.copy(token_file, late)
        assert (await run_turn(provider, turn_request("hello"))).completion.text == "echo: hello"
    finally:
        await provider.aclose()
    assert provider.status().state is ProviderState.AVAILABLE
    verified_at = provider.credential_status().verified_at
    assert verified_at == pytest.approx(time.time(), abs=60)


def test_a_model_that_nobody_offers_is_refused_before_anything_is_started(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("/nowhere/claude")
    for name in ("gpt-4o", "claude", "claude-", "claude-x --tools=Bash", "", "Sonnet\n"):
        with pytest.raises(UnknownModel) as caught:
            provider.check_request(turn_request("hello", model=name))
        assert "sonnet" in caught.value.message
    for name in ("sonnet", "default", "claude-sonnet-5-5", "claude-opus-5-5[1m]"):
        provider.check_request(turn_request("hello", model=name))


@pytest.mark.anyio
async def test_configured_models_replace_the_tools_own_and_aliases_join_them(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("/nowhere/claude", models=("haiku",), aliases={"fast": "haiku"})
    assert [card.name for card in await provider.models()] == ["haiku", "fast"]
    provider.check_request(turn_request("hello", model="fast"))
    with pytest.raises(UnknownModel):
        provider.check_request(turn_request("hello", model="claude-sonnet-5-5"))


def test_a_turn_in_which_nothing_is_said_is_refused(make_provider: MakeProvider) -> None:
    with pytest.raises(InvalidRequest):
        make_provider("/nowhere/claude").check_request(turn_request("  "))


@pytest.mark.parametrize("name", ["도시", "a b", "$filter", "ids[]", "", "x" * 65])
def test_a_parameter_that_claude_can_not_name_is_refused_rather_than_lost(
    make_provider: MakeProvider, name: str
) -> None:
    tool = Tool("look", parameters={"type": "object", "properties": {name: {"type": "string"}}})
    with pytest.raises(UnsupportedParameter, match="look") as refused:
        make_provider("/nowhere/claude").check_request(turn_request("hi", tools=[tool]))
    assert refused.value.param == "tools"


def test_a_token_is_handed_over_as_an_open_file_and_a_login_as_its_directory(
    tmp_path: Path,
) -> None:
    own = tmp_path / "own"
    spec = worker_spec("claude", Login(tmp_path / "t", is_token=True), own, {}, Deadlines())
    assert spec.files == (("CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR", str(tmp_path / "t")),)
    assert dict(spec.environment)["CLAUDE_CONFIG_DIR"] == str(own / "state")
    spec = worker_spec("claude", Login(tmp_path), own, {}, Deadlines(first_chunk=400))
    assert spec.files == ()
    assert dict(spec.environment)["CLAUDE_CONFIG_DIR"] == str(tmp_path)
    assert dict(spec.environment)["API_TIMEOUT_MS"] == "401000"
    assert all(argument == "-p" or argument.startswith("--") for argument in spec.argv[1:])


@pytest.mark.anyio
async def test_the_tool_that_setup_installed_comes_before_the_one_on_the_path(
    make_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = make_provider("")
    own = provider._data_dir / "cli" / "node_modules" / ".bin"
    own.mkdir(parents=True)
    installed = fake_cli.install(own)
    assert provider.worker_spec().argv[0] == str(installed)
    installed.unlink()
    on_path = fake_cli.install(tmp_path)
    provider._environment = {"PATH": str(tmp_path)}
    assert provider.worker_spec().argv[0] == str(on_path)


def test_setup_installs_the_tested_version_and_shows_no_key_to_anyone(tmp_path: Path) -> None:
    environment = {
        "HOME": "/home/somebody",
        "PATH": os.environ["PATH"],
        "TERM": "xterm",
        "ANTHROPIC_API_KEY": "sk-ant-api03-test",
        "NPM_TOKEN": "test",
    }
    setup = Setup(tmp_path, environment)
    assert setup.needs_install()
    setup.executable.parent.mkdir(parents=True)
    fake_cli.install(setup.executable.parent)
    commands = [setup.install_command(), setup.login_command(), setup.setup_token_command()]
    assert commands[0].argv[:2] == ("npm", "install")
    assert commands[0].argv[-1] == f"{TOOL.package}@{TOOL.version}"
    assert tuple(map(int, TOOL.version.split("."))) >= TOOL.minimum
    for command in commands:
        assert "ANTHROPIC_API_KEY" not in command.environment
        assert "NPM_TOKEN" not in command.environment
        assert command.environment["TERM"] == "xterm"
    for command in commands[1:]:
        assert command.argv[0] == str(setup.executable)
        assert command.environment["CLAUDE_CONFIG_DIR"] == str(tmp_path / "config")
    setup.store_token(b"sk-ant-oat01-test", 5.0)
    assert json.loads((tmp_path / "oauth_token.json").read_text()) == {"issued_at": 5}


@pytest.mark.anyio
async def test_the_fake_tool_calls_what_its_text_says_without_a_back_end(
    make_provider: MakeProvider, fake_executable: str
) -> None:
    text = 'fake:call look {"city": "Seoul"}\nfake:call look {}'
    tools = [Tool("look")]
    provider = make_provider(fake_executable, environment={})
    try:
        called = (await run_turn(provider, turn_request(text, tools=tools))).completion
        assert [call.arguments for call in called.tool_calls] == ['{"city": "Seoul"}', "{}"]
        results = [ToolResultPart(call.id, f"result {call.id}") for call in called.tool_calls]
        said = [text, called.message, message("tool", *results)]
        answer = (await run_turn(provider, turn_request(*said, tools=tools))).completion
    finally:
        await provider.aclose()
    assert answer.text == f"echo: result {called.tool_calls[1].id}"
