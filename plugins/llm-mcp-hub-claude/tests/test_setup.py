"""The steps that `llm-mcp-hub setup claude` takes, apart from running them."""

import json
from pathlib import Path

import pytest

from llm_mcp_hub.errors import ConfigError, ProviderUnavailable
from llm_mcp_hub_claude.command import TOOL
from llm_mcp_hub_claude.settings import ClaudeSettings
from llm_mcp_hub_claude.setup import Setup

TOKEN = b"sk-ant-oat01-test"


def install(setup: Setup, version: str) -> None:
    """What npm leaves behind."""
    package = setup.executable.parent.parent / TOOL.package
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": version}))
    setup.executable.parent.mkdir()
    setup.executable.write_text("#!/bin/sh\n")
    setup.executable.chmod(0o700)


@pytest.mark.parametrize(("version", "needed"), [(TOOL.version, False), ("2.0.0", True)])
def test_only_the_pinned_version_needs_no_install(
    tmp_path: Path, version: str, needed: bool
) -> None:
    setup = Setup(tmp_path, {})
    assert setup.needs_install()
    install(setup, version)
    assert setup.needs_install() is needed


def test_a_configured_program_is_left_alone_and_used(tmp_path: Path) -> None:
    program = tmp_path / "my-claude"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    setup = Setup(tmp_path / "data", {}, ClaudeSettings(executable=str(program)))
    assert not setup.needs_install()
    assert setup.login_command().argv[0] == str(program)


def test_the_directory_is_there_before_npm_runs_and_npm_keeps_its_settings(tmp_path: Path) -> None:
    setup = Setup(tmp_path / "data", {"npm_config_cache": "/somewhere"})
    command = setup.install_command()
    [prefix] = [word for word in command.argv if word.startswith("--prefix=")]
    assert Path(prefix.removeprefix("--prefix=")).is_dir()
    assert command.environment["npm_config_cache"] == "/somewhere"


def test_without_a_program_there_is_no_login(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="setup claude"):
        Setup(tmp_path, {"PATH": str(tmp_path)}).login_command()


def test_a_login_that_the_settings_would_not_use_is_not_made(tmp_path: Path) -> None:
    with_directory = Setup(tmp_path, {}, ClaudeSettings(config_dir=str(tmp_path / "mine")))
    install(with_directory, TOOL.version)
    with pytest.raises(ConfigError, match="config_dir"):
        with_directory.setup_token_command()
    with pytest.raises(ConfigError, match="config_dir"):
        with_directory.store_token(TOKEN, 5.0)
    login = with_directory.login_command().environment["CLAUDE_CONFIG_DIR"]
    assert login == str(tmp_path / "mine")
    with_file = Setup(tmp_path, {}, ClaudeSettings(oauth_token_file=str(tmp_path / "token")))
    with pytest.raises(ConfigError, match="oauth_token_file"):
        with_file.login_command()
    with_file.store_token(TOKEN, 5.0)
    assert (tmp_path / "token").read_bytes().strip() == TOKEN


def test_a_login_that_was_made_comes_before_an_older_token(tmp_path: Path) -> None:
    setup = Setup(tmp_path, {})
    setup.store_token(TOKEN, 5.0)
    setup.login_finished()
    assert not list(tmp_path.glob("oauth_token*"))


def test_doctor_is_told_where_the_program_is_or_how_to_get_it(tmp_path: Path) -> None:
    setup = Setup(tmp_path, {"PATH": str(tmp_path)})
    [missing] = setup.findings()
    assert (missing.ok, missing.remedy) == (False, "Run `llm-mcp-hub setup claude`.")
    install(setup, TOOL.version)
    [found] = setup.findings()
    assert (found.ok, found.detail) == (True, str(setup.executable))
