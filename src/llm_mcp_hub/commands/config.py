"""`llm-mcp-hub config show`: the configuration in effect.

Guarantee: passwords in URLs, and whatever looks or is named like a secret, are not shown.
"""

import re
from collections.abc import Iterator
from typing import Any

import click
import msgspec

from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import write_json
from llm_mcp_hub.log import REDACTED, redact

_IN_QUERY = re.compile(r"(?<=[?&])((?:password|secret|token)[^=&#]*=)[^&#]+", re.IGNORECASE)


@click.group("config")
def command() -> None:
    """Show the configuration in effect."""


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
@hub_options
def show(place: Place, as_json: bool) -> None:
    """Show every setting as it is in effect, and where things are; secrets are hidden."""
    config = place.read()
    settings = hidden(msgspec.to_builtins(config))
    file = None if place.file is None else str(place.file)
    where = {
        "file": file,
        "data_dir": str(config.data_path.absolute()),
        "state": hidden({"state": config.state_url})["state"],
    }
    if as_json:
        write_json({**where, "settings": settings})
        return
    click.echo(f"# configuration file: {file or 'none'}")
    click.echo(f"# data directory: {where['data_dir']}")
    click.echo(f"# state: {where['state']}")
    for path, value in _flat(settings, ""):
        click.echo(f"{path} = {msgspec.json.encode(value).decode()}")


def hidden(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without secrets."""
    return {
        key: hidden(value) if isinstance(value, dict) else _hide(key, value)
        for key, value in settings.items()
    }


def _hide(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_hide(key, item) for item in value]
    if isinstance(value, dict):
        return hidden(value)
    text = redact(None, "", {key: str(value)})[key] if value else ""
    return _IN_QUERY.sub(rf"\1{REDACTED}", str(text))


def _flat(settings: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{path}.")
        else:
            yield path, value
