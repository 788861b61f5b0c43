"""`llm-mcp-hub mcp install CLIENT`: the hub in an MCP client's configuration.

Guarantees: everything else in the configuration stays as it is, and what was there is in a backup;
a configuration that can't be understood is left alone; doing it again changes nothing; no access
token is shown.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from llm_mcp_hub.commands.client_config import NotUnderstood, read_entry, set_entry, snippet
from llm_mcp_hub.commands.kept_file import Change, change, read, write_private
from llm_mcp_hub.commands.mcp_clients import CLIENTS, config_file, presented_token
from llm_mcp_hub.commands.mcp_entry import Wish, entry_of, own_token_file
from llm_mcp_hub.commands.mcp_token import read_token, token_for
from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import note
from llm_mcp_hub.commands.remote import Remote, address_of, read_url
from llm_mcp_hub.commands.tokens import read_scopes
from llm_mcp_hub.config_sources import CONFIG_VARIABLE, ENVIRONMENT_PREFIX
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.errors import InvalidRequest, NotAuthenticated, Unavailable

SERVER = "llm-mcp-hub"
PLACEHOLDER = "ACCESS_TOKEN"


@click.command("install")
@click.argument("client", type=click.Choice(list(CLIENTS)))
@click.option("--running", is_flag=True, help="Use the hub that `serve` runs, not one of its own.")
@click.option(
    "--url",
    metavar="URL",
    callback=read_url,
    help="Use the hub that runs there.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Holds the access token for a running hub. Default: one is made.",
)
@click.option("--token-name", metavar="NAME", help="Name of that token. Default: CLIENT.")
@click.option(
    "--scope",
    "scopes",
    callback=read_scopes,
    default="chat",
    show_default=True,
    metavar="SCOPE,…",
    help="What that token allows: chat, sessions, admin.",
)
@click.option("--name", default=SERVER, show_default=True, help="What the client calls the hub.")
@click.option(
    "--file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The client's configuration file. Default: the user's own.",
)
@click.option("--demo", is_flag=True, help="Turn the echo provider on.")
@click.option("--print", "show", is_flag=True, help="Only show what to put where.")
@hub_options
def install(
    place: Place,
    client: str,
    running: bool,
    url: str | None,
    token_file: Path | None,
    token_name: str | None,
    scopes: tuple[Scope, ...],
    name: str,
    file: Path | None,
    demo: bool,
    show: bool,
) -> None:
    """Put the hub into the configuration of an MCP client.

    By default the client starts a hub of its own (`llm-mcp-hub mcp`) on the same state. With
    --running or --url it speaks to a hub that runs, with an access token that may only chat.
    """
    if (demo and (running or url)) or (token_file and not (running or url)):
        raise click.UsageError("--demo is for a hub of the client's own, --token-file for --url.")
    config = place.read({"demo": demo or None})
    address = address_of(place, url) if running or url is not None else None
    one = CLIENTS[client]
    wish = Wish(
        client=one,
        file=file or config_file(one, sys.platform, os.environ, Path.home()),
        name=name,
        place=place,
        url=address,
        needs_token=config.access.enabled or token_file is not None,
        token_file=token_file,
        token_name=token_name or client,
        scopes=scopes,
        demo=demo,
    )
    _warn_of_variables(wish)
    if show:
        _show(wish)
        return
    try:
        done = asyncio.run(_install(wish))
    except NotUnderstood as error:
        raise InvalidRequest(
            f"{wish.file}: {error}. It was left as it is. Mend it, or see what to put into it by "
            "hand: add --print to this command."
        ) from None
    _tell(wish, done)


async def _install(wish: Wish) -> Change:
    """Write the configuration, and before it the token that it needs."""
    text = (read(wish.file) or "").removeprefix("\ufeff")
    existing = read_entry(wish.client, text, wish.name)
    if wish.url is None or not wish.needs_token:
        return _write(wish, entry_of(wish, None))
    if wish.token_file is not None:
        token = read_token(wish.token_file)
        await asyncio.to_thread(_check, wish.url, token)
        return _write(wish, entry_of(wish, token))
    kept = own_token_file(wish)
    present = presented_token(existing) if wish.client.http else (read(kept) or "").strip() or None
    async with token_for(wish.place, wish.token_name, wish.scopes, present) as token:
        await asyncio.to_thread(_check, wish.url, token)
        if not wish.client.http:
            write_private(kept, token + "\n")
        return _write(wish, entry_of(wish, token))


def _check(url: str, token: str) -> None:
    """Have the hub say that it takes the token; one that is not there just now can't."""
    try:
        Remote(url, token).call("GET", "/v1/models")
    except Unavailable as error:
        note(error.message)
    except NotAuthenticated:
        raise NotAuthenticated(
            f"The hub at {url} does not take the access token: it keeps its state elsewhere. Name "
            "that place with --config, --data-dir or --state, or give a token of that hub's with "
            "--token-file."
        ) from None


def _write(wish: Wish, entry: Mapping[str, Any]) -> Change:
    def edit(text: str) -> str:
        return set_entry(wish.client, text, wish.name, entry)

    return change(wish.file, edit, private=presented_token(entry) is not None)


def _warn_of_variables(wish: Wish) -> None:
    """Say what is set here and will not be set where the client starts a hub."""
    told = {
        CONFIG_VARIABLE: True,
        f"{ENVIRONMENT_PREFIX}DATA_DIR": wish.place.data_dir is not None,
        f"{ENVIRONMENT_PREFIX}STATE": wish.place.state is not None,
    }
    names = [
        name
        for name in sorted(os.environ)
        if name.startswith(ENVIRONMENT_PREFIX) and not told.get(name)
    ]
    if names and wish.url is None:
        note(
            f"{wish.client.title} does not know {', '.join(names)}. Put these settings into the "
            "configuration file, or give --data-dir and --state to this command."
        )


def _show(wish: Wish) -> None:
    note(f"Into {wish.file}:")
    token = PLACEHOLDER if wish.needs_token else None
    click.echo(snippet(wish.client, wish.name, entry_of(wish, token)), nl=False)
    if wish.url is not None and wish.needs_token and wish.token_file is None:
        scopes = ",".join(scope.value for scope in wish.scopes)
        make = wish.place.command(f"tokens create {wish.token_name} --scope {scopes}")
        where = f"for {PLACEHOLDER}" if wish.client.http else f"into {own_token_file(wish)}"
        note(f"Put the text of an access token {where}. This makes one: `{make}`.")


def _tell(wish: Wish, done: Change) -> None:
    if not done.changed:
        click.echo(f"{done.file} has it already.")
        return
    click.echo(f"Wrote {done.file}")
    if done.backup is not None:
        note(f"What was there before is in {done.backup}.")
    note(wish.client.then)
