"""`llm-mcp-hub config show`: the configuration in effect.

Guarantee: passwords in URLs, and whatever looks or is named like a secret, are not shown.
"""

import click
import msgspec

from llm_mcp_hub.commands.options import Place, hub_options
from llm_mcp_hub.commands.output import write_json
from llm_mcp_hub.services.configuration import flat, hidden


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
    for path, value in flat(settings):
        click.echo(f"{path} = {msgspec.json.encode(value).decode()}")
