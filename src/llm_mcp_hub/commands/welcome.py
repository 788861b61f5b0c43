"""What `serve` says once it serves: the address, and on the first start a token to begin with."""

import json

import click
from rich.panel import Panel
from rich.text import Text

from llm_mcp_hub import __version__
from llm_mcp_hub.commands.options import Place
from llm_mcp_hub.commands.output import console, on_terminal
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.errors import HubError, NameTaken
from llm_mcp_hub.hub import Hub

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # recognised, not listened on
"""How an address that means all addresses is reached from this machine."""


async def welcome(hub: Hub, place: Place, port: int) -> None:
    """Announce the hub on standard output; on its very first start, make and show a token."""
    token, trouble = None, ""
    try:
        token = await hub.access.create_first()
    except NameTaken:
        pass  # another hub on the same state was first
    except HubError as error:
        trouble = error.message
    address = base_url(hub.config, port)
    lines = [f"LLM MCP Hub {__version__} serves on {address}"]
    lines += [
        f"{hub.mounts[info.name].title}: {address}{hub.mounts[info.name].path}"
        for info in hub.plugins.infos
        if info.error is None and info.name in hub.mounts
    ]
    if token is not None:
        lines.append(f"Access token (admin, shown only now): {token}")
        lines.append(f"Try it: {curl(address, token, await _model(hub))}")
    elif trouble:
        lines.append(f"No access token could be looked for: {trouble}")
    elif not hub.config.access.enabled:
        lines.append("Access control is off: every program on this machine may use the hub.")
    else:
        lines.append(f"For another access token: {place.command('tokens create NAME')}")
    command = place.command("COMMAND")
    if command != Place().command("COMMAND"):
        # What remedies tell people to run would otherwise mean another hub.
        lines.append(f"Other commands for this hub: {command}")
    if token is not None and on_terminal():
        _panel(lines)
    else:
        click.echo("\n".join(lines))


def base_url(config: HubConfig, port: int) -> str:
    """Where the hub is reached from this machine."""
    host = config.server.host
    host = EVERYWHERE.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{host}:{port}"


def curl(address: str, token: str, model: str) -> str:
    """A command that asks the model something, ready to be pasted into a shell."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    return (
        f"curl {address}/v1/chat/completions -H 'Authorization: Bearer {token}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    )


async def _model(hub: Hub) -> str:
    if hub.config.demo:
        return "echo/echo"
    offers = await hub.catalog.offers()
    return offers[0].id if offers else "claude/sonnet"


def _panel(lines: list[str]) -> None:
    title, *rest = lines
    out = console()
    out.print(Panel(Text(title, style="bold"), border_style="green", expand=False))
    for line in rest:
        label, _, value = line.partition(": ")
        # Outside of the panel and unwrapped, so that it can be copied as one piece.
        out.print(Text(f"{label}:", style="dim"))
        out.print(Text(f"  {value}"), soft_wrap=True)
    out.print()
