"""The entry that an MCP client is to have, from what the command line asks for.

Guarantee: it means the same wherever and with whatever environment the client is started.
"""

import os
import sys
from pathlib import Path
from typing import Any

from msgspec import Struct

from llm_mcp_hub.commands.mcp_clients import Client, http_entry, stdio_entry
from llm_mcp_hub.commands.options import Place
from llm_mcp_hub.config_sources import CONFIG_VARIABLE
from llm_mcp_hub.domain.access import Scope


class Wish(Struct, frozen=True):
    """What the command line asks for.

    Attributes:
        url: Of the running hub, or None for a hub inside the client's child process.
        needs_token: Whether that hub asks for one.
    """

    client: Client
    file: Path
    name: str
    place: Place
    url: str | None
    needs_token: bool
    token_file: Path | None
    token_name: str
    scopes: tuple[Scope, ...]
    demo: bool


def entry_of(wish: Wish, token: str | None) -> dict[str, Any]:
    """The entry.

    Args:
        wish: What is asked for.
        token: The access token that the client presents, if it needs one.
    """
    if wish.url is not None and wish.client.http:
        return http_entry(wish.client, f"{wish.url}/mcp", token)
    argv = [*program(), "mcp"]
    if wish.url is not None:
        argv += ["--url", wish.url]
        if token is not None:
            argv += ["--token-file", str((wish.token_file or own_token_file(wish)).absolute())]
        return stdio_entry(wish.client, tuple(argv), {})
    if wish.demo:
        argv.append("--demo")
    argv += _place_arguments(wish.place)
    path = os.environ.get("PATH", "") if wish.client.desktop else ""
    return stdio_entry(wish.client, tuple(argv), {"PATH": path} if path else {})


def program() -> list[str]:
    """The hub's program by its full path, for clients that know no `PATH`."""
    script = Path(sys.executable).with_name("llm-mcp-hub")
    for file in (script, script.with_suffix(".exe")):
        if file.is_file():
            return [str(file)]
    return [sys.executable, "-m", "llm_mcp_hub"]


def _place_arguments(place: Place) -> list[str]:
    """The place as options that mean the same in any working directory."""
    arguments = []
    file = place.config_file or os.environ.get(CONFIG_VARIABLE)
    if file is not None:
        arguments += ["--config", str(Path(file).absolute())]
    if place.data_dir is not None:
        arguments += ["--data-dir", str(Path(place.data_dir).expanduser().absolute())]
    if place.state is not None:
        arguments += ["--state", place.state]
    return arguments


def own_token_file(wish: Wish) -> Path:
    """Where the token is kept of a client whose configuration can't hold one."""
    return wish.place.read().data_path / "tokens" / wish.token_name
