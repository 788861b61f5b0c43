"""The composition root: a configuration in, an application out."""

from http import HTTPStatus
from typing import Any

from litestar import Litestar, Response, Router
from litestar.config.cors import CORSConfig
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin

from llm_mcp_hub import __version__
from llm_mcp_hub.api.absent import absent_handlers
from llm_mcp_hub.api.errors import handle_error
from llm_mcp_hub.api.gate import Gate
from llm_mcp_hub.api.model_headers import NAMES as MODEL_HEADERS
from llm_mcp_hub.api.openai.limits import NAMES as LIMIT_HEADERS
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.plugin import HubPlugin

EXPOSED_HEADERS = [
    "X-Session-ID",
    "X-Turn-ID",
    *MODEL_HEADERS,
    "X-Hub-Ignored",
    "Idempotent-Replayed",
    "request-id",
    "X-Should-Retry",
    "Retry-After",
    *LIMIT_HEADERS,
    "Mcp-Session-Id",
]
"""What a web page of an allowed origin may read of a reply beside its body."""


def _no_page_of_litestar_s(response: Response[Any]) -> Response[Any]:
    """Litestar answers with a page of its own where it has no document; the hub with its errors."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise NotFoundException
    return response


def create_app(config: HubConfig | None = None, *, hub: Hub | None = None) -> Litestar:
    """The hub as an ASGI application.

    Args:
        config: The configuration; defaults everywhere if None.
        hub: A hub made elsewhere, instead of `config`.

    Raises:
        ConfigError: The configuration is wrong.
    """
    plugin = HubPlugin(config, hub=hub)
    origins = list(plugin.hub.config.server.allowed_origins)
    gate = Gate(plugin.hub.config.server, plugin.hub.access)
    return Litestar(
        [*absent_handlers(gate)],
        plugins=[plugin],
        cors_config=CORSConfig(origins, expose_headers=EXPOSED_HEADERS) if origins else None,
        # Litestar raises 404 and 405 before any router is reached.
        exception_handlers={Exception: handle_error, 404: handle_error, 405: handle_error},
        # The hub logs through structlog; Litestar's own set-up would replace the process's.
        logging_config=None,
        openapi_config=OpenAPIConfig(
            title="LLM MCP Hub",
            version=__version__,
            description="Your Claude and Gemini subscriptions as an OpenAI-compatible API.",
            path="/schema",
            openapi_router=Router(
                "/schema",
                route_handlers=[],
                include_in_schema=False,
                after_request=_no_page_of_litestar_s,
            ),
            render_plugins=[JsonRenderPlugin(path="/openapi.json"), YamlRenderPlugin()],
        ),
    )
