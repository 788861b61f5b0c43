"""`llm-mcp-hub setup NAME`: from nothing to a provider that answers.

Guarantee: the login is made by the vendor's own program; the hub is given a token only where the
user pastes one, never shows it, and takes no API key.
"""

import asyncio
import os
import sys
import time

import click

from llm_mcp_hub.commands.embedded import open_hub, settle
from llm_mcp_hub.commands.options import Place, hub_options, make_data_directory
from llm_mcp_hub.commands.output import note, progress
from llm_mcp_hub.commands.provider_setup import added_providers, find_setup
from llm_mcp_hub.commands.run import run_install, run_on_terminal
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.providers.setup import ProviderSetup
from llm_mcp_hub.services.status import ProviderReport

MAX_TOKEN_BYTES = 16 * 1024


@click.command("setup")
@click.argument("name")
@click.option("--token", is_flag=True, help="Log in with a long-lived token that you paste.")
@click.option("--token-stdin", is_flag=True, help="Read the token from standard input.")
@click.option("--skip-install", is_flag=True, help="Use the tool that is installed already.")
@hub_options
def command(place: Place, name: str, token: bool, token_stdin: bool, skip_install: bool) -> None:
    """Install the tool of the provider NAME (such as claude) and log it in.

    By default the vendor's own login runs on this terminal. With --token the vendor's tool makes
    a long-lived token instead, which suits several workers and servers without a browser.
    """
    config = place.read()
    plugins = load_plugins()
    known = {*config.providers, *(factory.kind for factory in plugins.provider_factories())}
    added = {} if name in known else asyncio.run(added_providers(place))
    setup = find_setup(config, plugins, name, added)
    if setup is None:
        note(f"The provider {name!r} needs no setup.")
        return
    os.umask(0o077)
    make_data_directory(config)
    if skip_install or not setup.needs_install():
        note(f"{setup.title} is not installed anew.")
    else:
        run_install(setup.install_command(), setup.title)
        note(f"Installed {setup.title}.")
    _log_in(setup, token=token, token_stdin=token_stdin)
    with progress(f"Testing {setup.title}…"):
        report = asyncio.run(_test(config, name))
    if report.state is not ProviderState.AVAILABLE:
        raise ProviderUnavailable(
            f"{setup.title} is set up, but the self-test failed: {report.reason} "
            f"`{place.command('doctor')}` shows more."
        )
    login = report.credential.message if report.credential is not None else ""
    note(" ".join(part for part in (setup.title, report.version, "works.", login) if part))
    note(f"Next: {place.command('serve')}")


def _log_in(setup: ProviderSetup, *, token: bool, token_stdin: bool) -> None:
    if token_stdin:
        setup.store_token(sys.stdin.buffer.read(MAX_TOKEN_BYTES), time.time())
    elif token:
        making = setup.setup_token_command()
        if making is None:
            raise click.UsageError(f"{setup.title} makes no tokens; leave --token out.")
        run_on_terminal(making, f"Making a token with {setup.title}")
        pasted: str = click.prompt("Paste the token (it is not shown)", hide_input=True, err=True)
        setup.store_token(pasted.encode(), time.time())
    else:
        run_on_terminal(setup.login_command(), f"The login of {setup.title}")
        setup.login_finished()
        return
    note("Stored the token, for you alone to read.")


async def _test(config: HubConfig, name: str) -> ProviderReport:
    async with open_hub(config, only=name) as hub:
        await settle(hub)
        return await hub.status.provider(name)
