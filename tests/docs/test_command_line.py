"""Every command and every option of the command line is described, and nothing else is."""

import asyncio
import re

import click
import pytest

from llm_mcp_hub.cli import COMMANDS, main
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.welcome import welcome
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.hub import Hub

PAGE = "docs/command-line.md"


def options_of(command: click.Command) -> set[str]:
    """The long options, `--help` aside."""
    return {
        option
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }


@click.command()
@hub_options
def _shared() -> None:
    """Nothing."""


SHARED = options_of(_shared)


def commands() -> dict[str, click.Command]:
    """Every command that does something, by its words."""
    context = click.Context(main)
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": each for inner, each in command.commands.items()}
        if not isinstance(command, click.Group) or command.invoke_without_command:
            found[name] = command
    return found


def described(section: str) -> set[str]:
    return set(re.findall(r"^\| `(--[a-z-]+)", section, re.MULTILINE))


def test_every_command_has_a_heading_and_every_heading_a_command(read):
    headings = set(re.findall(r"^##+ ([a-z ]+)$", read(PAGE).text, re.MULTILINE))
    assert headings == set(COMMANDS) | set(commands())


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_option_of_a_command_is_described_and_no_other(name, read):
    level = "##" if name in COMMANDS else "###"
    own, *_ = read(PAGE).section(f"{level} {name}").split("\n### ")
    assert described(own) == options_of(commands()[name]) - SHARED


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_takes_the_options_of_every_command(name):
    assert options_of(commands()[name]) >= SHARED


def test_the_options_of_every_command_are_described(read):
    assert described(read(PAGE).section("## Options of every command")) == SHARED


def test_every_command_line_in_the_pages_names_a_command(page):
    known = commands()
    for block in page.blocks("sh"):
        for words in re.findall(r"llm-mcp-hub ([a-z]+(?: [a-z]+)?)", block):
            first = words.split()[0]
            assert first in known or words in known, words


@pytest.mark.parametrize("name", ["README.md", "docs/getting-started.md"])
def test_what_the_pages_show_of_the_first_start_is_what_it_prints(name, read, tmp_path, capsys):
    (shown,) = read(name).blocks("text")
    hub = Hub(HubConfig(data_dir=str(tmp_path), state="memory://", demo=True))
    asyncio.run(welcome(hub, Place(data_dir=".data"), hub.config.server.port))
    printed = capsys.readouterr().out.splitlines()
    for line, real in zip(shown.splitlines(), printed, strict=True):
        assert real.startswith(line.partition("…")[0].rstrip())
