"""The steps that `llm-mcp-hub setup gemini` takes; the login with the real Gemini CLI."""

import json
import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from llm_mcp_hub.errors import ConfigError, ProviderUnavailable
from llm_mcp_hub_gemini.command import TOOL
from llm_mcp_hub_gemini.credentials import credential_status, find_config_dir
from llm_mcp_hub_gemini.settings import GeminiSettings
from llm_mcp_hub_gemini.setup import Setup
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist
from llm_mcp_hub_gemini.testing.login import environment_for

LOGIN_SECONDS = 60.0


def install(data_dir: Path, version: str) -> None:
    """What npm leaves behind."""
    package = data_dir / "cli" / "node_modules" / TOOL.package
    package.mkdir(parents=True)
    (package / "package.json").write_text(json.dumps({"version": version}))
    program = data_dir / "cli" / "node_modules" / ".bin" / "gemini"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)


@pytest.mark.parametrize(("version", "needed"), [(TOOL.version, False), ("0.1.0", True)])
def test_only_the_pinned_version_needs_no_install(
    tmp_path: Path, version: str, needed: bool
) -> None:
    setup = Setup(tmp_path, {})
    assert setup.needs_install()
    install(tmp_path, version)
    assert setup.needs_install() is needed


def test_the_pinned_version_is_installed_into_the_data_directory(tmp_path: Path) -> None:
    command = Setup(tmp_path / "data", {"npm_config_cache": "/somewhere"}).install_command()
    assert command.argv[-1] == f"{TOOL.package}@{TOOL.version}"
    assert f"--prefix={tmp_path / 'data' / 'cli'}" in command.argv
    assert command.environment["npm_config_cache"] == "/somewhere"


def test_without_a_program_there_is_no_login(tmp_path: Path) -> None:
    with pytest.raises(ProviderUnavailable, match="setup gemini"):
        Setup(tmp_path, {"PATH": str(tmp_path)}).login_command()


def test_a_login_that_the_settings_would_not_use_is_not_made(tmp_path: Path) -> None:
    install(tmp_path, TOOL.version)
    with pytest.raises(ConfigError, match="config_dir"):
        Setup(tmp_path, {}, GeminiSettings(config_dir="/mine")).login_command()


def test_no_token_is_taken(tmp_path: Path) -> None:
    setup = Setup(tmp_path, {})
    assert setup.setup_token_command() is None
    with pytest.raises(ConfigError, match="no API keys"):
        setup.store_token(b"x", 0.0)


def test_the_findings_say_whom_google_serves(tmp_path: Path) -> None:
    install(tmp_path, TOOL.version)
    assert any("Standard and Enterprise" in one.title for one in Setup(tmp_path, {}).findings())
    [missing] = Setup(tmp_path / "none", {"PATH": ""}).findings()
    assert not missing.ok
    assert "setup gemini" in missing.remedy


@pytest.mark.real_cli
def test_the_real_login_asks_for_a_code_stores_the_login_and_ends(
    tmp_path: Path, executable: str, api: FakeCodeAssist
) -> None:
    settings = GeminiSettings(executable=executable, environment=environment_for(api.url))
    user = {"HOME": str(tmp_path / "home"), "PATH": os.environ["PATH"], "TERM": "xterm"}
    command = Setup(tmp_path / "data", user, settings).login_command()
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command.argv,
        env=command.environment,
        cwd=tmp_path,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        until = time.monotonic() + LOGIN_SECONDS
        asked = False
        while process.poll() is None and time.monotonic() < until:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65536)
                except OSError:
                    break
            if not asked and b"authorization code:" in shown:
                asked = True
                os.write(ours, b"a-code\n")
        assert process.wait(10) == 0, shown[-2000:]
        os.close(ours)
    assert b"https://accounts.google.com/" in shown
    assert b"POST /token" not in shown
    assert "POST /token" in api.others
    found = find_config_dir(settings, tmp_path / "data", user)
    assert found == tmp_path / "data" / "login" / ".gemini"
    status = credential_status(found, time.time())
    assert status.state == "unknown"
    assert status.account == "zo…@example.com"
