"""`llm-mcp-hub mcp`: the hub for one MCP client, over standard input and output.

Guarantees: nothing but protocol is written to standard output, whatever a plugin or a child process
prints; the program ends when its client has gone or a signal comes, and leaves no child, no socket
and no file.
"""

import os
import sys
from pathlib import Path

import click

from llm_mcp_hub.commands.mcp_install import install
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import note
from llm_mcp_hub.commands.remote import read_url
from llm_mcp_hub.log import configure_logging


@click.group("mcp", invoke_without_command=True)
@click.option(
    "--url",
    metavar="URL",
    callback=read_url,
    help="Use the hub that runs there, not one of its own.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --url: holds an access token of that hub.",
)
@click.option("--principal", metavar="NAME", help="Whose sessions these are. Default: local.")
@click.option("--demo", is_flag=True, help="Turn the echo provider on.")
@hub_options
def command(
    place: Place, url: str | None, token_file: Path | None, principal: str | None, demo: bool
) -> None:
    """Serve one MCP client over standard input and output.

    Clients start this program by themselves; `llm-mcp-hub mcp install CLIENT` tells them to.
    """
    inner = click.get_current_context().invoked_subcommand
    if inner is not None:
        if any((url, token_file, principal, demo)) or place != Place():
            raise click.UsageError(f"Options go behind `{inner}`.")
        return
    if url is not None and (demo or principal):
        raise click.UsageError("--demo and --principal are for a hub of its own, without --url.")
    if token_file is not None and url is None:
        raise click.UsageError("--token-file goes with --url.")
    if sys.stdin.isatty():
        note("MCP clients start this program and speak to it. Ctrl-C ends it.")
    source, target = _take_stdio()
    config = place.read({"demo": demo or None})
    configure_logging(config.log)
    os.umask(0o077)

    from llm_mcp_hub.commands import mcp_stdio  # noqa: PLC0415  # half a second, and may print

    if url is not None:
        serve = mcp_stdio.bridged(url, token_file)
    else:
        serve = mcp_stdio.embedded(config, principal)
    mcp_stdio.run(serve, source, target, config.server.max_body_bytes)


command.add_command(install)


def _take_stdio() -> tuple[int, int]:
    """Standard input and output as descriptors of our own.

    Whoever reads standard input from now on finds nothing, and what is written to standard output
    goes to standard error.
    """
    source, target = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return source, target
