"""The command line as a whole."""

import subprocess
import sys

import click
import pytest

from llm_mcp_hub.cli import COMMANDS, main

SHARED = {"--config", "--data-dir", "--state", "--debug"}


def leaves(command):
    if isinstance(command, click.Group):
        return [leaf for inner in command.commands.values() for leaf in leaves(inner)]
    return [command]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_the_shared_options(name):
    command = main.get_command(click.Context(main), name)
    assert command is not None
    assert command.name == name
    for leaf in leaves(command):
        assert {option for param in leaf.params for option in param.opts} >= SHARED


def test_help_lists_every_command_and_imports_none():
    program = (
        "import sys\n"
        "from llm_mcp_hub.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "loaded = [m for m in sys.modules if m.startswith(('llm_mcp_hub.c', 'litestar', 'rich'))]\n"
        "sys.exit(repr(loaded) if loaded != ['llm_mcp_hub.cli'] else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for name, summary in COMMANDS.items():
        assert name in done.stdout
        assert summary in done.stdout


def test_making_a_token_does_not_load_the_web_framework(environment):
    program = (
        "import sys\n"
        "from llm_mcp_hub.cli import main\n"
        "main(['tokens', 'create', 'n8n'], standalone_mode=False)\n"
        "sys.exit('litestar' in sys.modules or 'uvicorn' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_command_is_a_wrong_use(run):
    done = run("sevre")
    assert done.returncode == 2
    assert "sevre" in done.stderr


def test_the_version_is_told(run):
    assert run("--version").stdout.startswith("llm-mcp-hub, version ")


def test_the_commands_are_part_of_an_application_that_embeds_the_hub(tmp_path, environment):
    (tmp_path / "somebodys_app.py").write_text(
        "from litestar import Litestar\n"
        "from llm_mcp_hub import HubConfig, HubPlugin\n"
        "app = Litestar(plugins=[HubPlugin(HubConfig(state='memory://'))])\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "litestar", "--app", "somebodys_app:app", "hub", "config", "show"],
        env={name: text for name, text in environment.items() if name != "PYTHONWARNINGS"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "server.port = 8642" in done.stdout
