"""The command line: `llm-mcp-hub serve | mcp | chat | setup | doctor | …`.

Guarantees: a command's module is imported only when the command runs, so `--help` and the small
commands start fast; what goes wrong is told in one line on standard error, with exit code 1, or 2
for a wrong use of the command line; a traceback is shown only with `--debug`; no text breaks off
for its characters, whatever the locale.
"""

import io
import os
import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

COMMANDS = {
    "serve": "Serve the hub over HTTP.",
    "mcp": "Serve an MCP client over stdio, or install the hub in one.",
    "chat": "Talk to a model from the terminal.",
    "setup": "Install a provider's tool and log it in.",
    "doctor": "Find out what is missing or broken, and what to do.",
    "providers": "Show the providers, their logins and models.",
    "sessions": "List, show and delete remembered conversations.",
    "usage": "Show what has been used.",
    "tokens": "Make, list, limit and revoke access tokens.",
    "config": "Show the configuration in effect.",
}
"""Every command, in the order of the help, with its summary; `commands.NAME` holds it."""

DEBUG = "llm_mcp_hub.debug"
"""Key in click's `Context.meta`: whether tracebacks are wanted."""
_SILENT = "llm_mcp_hub.silent"
"""Key there: whether standard output was closed."""
_WITHOUT_OUTPUT = frozenset({"serve"})
"""Commands that make sense without standard output."""


class Commands(click.Group):
    """A group that imports a command when it is asked for, and tells errors in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, without importing anything."""
        return [*COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = import_module(f"llm_mcp_hub.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; refuse one that could only write to nowhere."""
        found = super().resolve_command(ctx, args)
        if ctx.meta.get(_SILENT) and found[0] not in _WITHOUT_OUTPUT:
            raise click.ClickException("Standard output is closed: there is nowhere to write to.")
        return found

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  # click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the summaries, without importing anything."""
        more = {name: self.commands[name].get_short_help_str() for name in self.commands}
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items(), *more.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        ctx.meta[_SILENT] = _mend_streams()
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.meta.get(DEBUG):
                raise
            raise click.ClickException(_message(error)) from None


def _mend_streams() -> bool:
    """Have no stream that is closed, or that fails for a character; whether output was closed."""
    silent = sys.stdout is None
    # In this order each gets the descriptor of its own, which no other file can have then.
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nothing, mode, encoding="utf-8", closefd=False))
    for stream in (sys.stdin, sys.stdout):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    return silent


def _message(error: Exception) -> str:
    from llm_mcp_hub.errors import HubError  # noqa: PLC0415  # not needed until something fails

    if isinstance(error, HubError):
        return error.message
    return f"The hub failed: {type(error).__name__}: {error} (`--debug` shows where)"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("llm-mcp-hub"), prog_name="llm-mcp-hub")
def main() -> None:
    """Your Claude and Gemini subscriptions as an OpenAI-compatible API and an MCP server."""


if __name__ == "__main__":
    main()
