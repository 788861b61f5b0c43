"""`llm-mcp-hub serve`: the hub over HTTP, until it is told to stop.

Guarantee: a wrong configuration is refused before a socket is opened; on its first start the hub
makes an admin access token and shows it once.
"""

import os
from functools import partial

import click

from llm_mcp_hub.commands.options import Place, hub_options, make_data_directory
from llm_mcp_hub.commands.server import HubServer
from llm_mcp_hub.commands.sockets import bind
from llm_mcp_hub.commands.welcome import welcome
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.log import configure_logging

LOG_FORMATS = ("auto", "console", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")


@click.command("serve")
@click.option("--host", metavar="ADDRESS", help="Address to listen on. Default: 127.0.0.1.")
@click.option("--port", type=click.IntRange(0, 65535), help="0 for a free one. Default: 8642.")
@click.option("--demo", is_flag=True, help="Turn the echo provider on.")
@click.option("--no-auth", is_flag=True, help="Ask for no access token. On loopback only.")
@click.option("--log-format", type=click.Choice(LOG_FORMATS), help="Default: auto.")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="Default: info.")
@hub_options
def command(
    place: Place,
    host: str | None,
    port: int | None,
    demo: bool,
    no_auth: bool,
    log_format: str | None,
    log_level: str | None,
) -> None:
    """Serve the hub over HTTP.

    The first start makes an access token and shows it once. Ctrl-C or SIGTERM ends the hub when
    running answers are complete; a second one ends it at once.
    """
    overrides = {
        "server": {"host": host, "port": port},
        "demo": demo or None,
        "access": {"enabled": False if no_auth else None},
        "log": {"format": log_format, "level": log_level},
    }
    config = place.read(overrides)
    configure_logging(config.log)
    os.umask(0o077)
    hub = Hub(config, sources=place.sources(overrides))
    make_data_directory(config)
    server = HubServer(hub, partial(welcome, hub, place))
    server.serve_until_stopped(bind(config.server))
