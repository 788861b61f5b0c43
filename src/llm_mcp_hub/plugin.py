"""The hub as a plugin of a Litestar application.

Guarantee: it adds its routes, those of mounting plugins among them, one lifespan and its commands,
and changes nothing else of the application: errors of other routes keep the application's own
handling.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from click import Group
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.plugins import CLIPlugin, InitPlugin

from llm_mcp_hub.api.anthropic.openapi import document_messages
from llm_mcp_hub.api.hub.openapi import document_hub
from llm_mcp_hub.api.mcp import McpRoutes
from llm_mcp_hub.api.mounts import Mounts
from llm_mcp_hub.api.openai.openapi import document_chat
from llm_mcp_hub.api.responses.openapi import document_responses
from llm_mcp_hub.api.router import hub_router
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.hub import Hub


class HubPlugin(InitPlugin, CLIPlugin):
    """Serves a hub inside an application: `Litestar(plugins=[HubPlugin(HubConfig())])`.

    Args:
        config: The hub's configuration; defaults everywhere if None.
        path: Where the hub's routes begin.
        hub: A hub made elsewhere, instead of `config`.

    Raises:
        ConfigError: The configuration is wrong.
    """

    def __init__(
        self, config: HubConfig | None = None, path: str = "/", *, hub: Hub | None = None
    ) -> None:
        self.hub = hub if hub is not None else Hub(config or HubConfig())
        self._path = path
        self._mcp = McpRoutes(self.hub, path)
        self._mounts = Mounts(self.hub, path.rstrip("/"))

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Add the routes and the lifespan."""
        router = hub_router(self.hub, self._path, self._mcp, self._mounts)
        app_config.route_handlers.append(router)
        app_config.lifespan.append(self._lifespan)
        return app_config

    def on_cli_init(self, cli: Group) -> None:
        """Add `hub` to the application's own command line."""
        from llm_mcp_hub.cli import main  # noqa: PLC0415  # servers need no commands

        cli.add_command(main, name="hub")

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncIterator[None]:
        base = self._path.rstrip("/")
        for document in (document_chat, document_responses, document_messages, document_hub):
            document(app, base)
        async with self.hub, self._mcp.serving(), self._mounts.opened(app):
            yield
