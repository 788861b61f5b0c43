"""All of the hub's routes."""

from litestar import Router
from litestar.types import ControllerRouterHandler

from llm_mcp_hub.api.anthropic.messages import messages_handlers
from llm_mcp_hub.api.body import HubRequest
from llm_mcp_hub.api.errors import handle_error
from llm_mcp_hub.api.gate import Gate
from llm_mcp_hub.api.hub.access_tokens import access_token_handlers
from llm_mcp_hub.api.hub.admin import admin_handlers
from llm_mcp_hub.api.hub.feed import feed_handlers
from llm_mcp_hub.api.hub.health import health_handlers
from llm_mcp_hub.api.hub.metrics import metrics_handlers
from llm_mcp_hub.api.hub.pressure import pressure_handlers
from llm_mcp_hub.api.hub.providers import provider_handlers
from llm_mcp_hub.api.hub.sessions import session_handlers
from llm_mcp_hub.api.hub.turns import turn_handlers
from llm_mcp_hub.api.hub.usage import usage_handlers
from llm_mcp_hub.api.mcp import McpRoutes
from llm_mcp_hub.api.mounts import Mounts
from llm_mcp_hub.api.openai.chat import chat_handler
from llm_mcp_hub.api.openai.models import model_handlers
from llm_mcp_hub.api.responses.create import create_handler
from llm_mcp_hub.api.responses.manage import response_handlers
from llm_mcp_hub.hub import Hub


def hub_router(hub: Hub, path: str, mcp: McpRoutes, mounts: Mounts) -> Router:
    """The routes of one hub, below `path`, and those of the applications that plugins mount."""
    gate = Gate(hub.config.server, hub.access)
    handlers: list[ControllerRouterHandler] = [
        chat_handler(hub, gate),
        create_handler(hub, gate),
        *response_handlers(hub, gate),
        *messages_handlers(hub, gate),
        *model_handlers(hub, gate),
        *provider_handlers(hub, gate),
        *pressure_handlers(hub, gate),
        *session_handlers(hub, gate),
        *turn_handlers(hub, gate),
        *admin_handlers(hub, gate),
        *feed_handlers(hub, gate),
        *usage_handlers(hub, gate),
        *access_token_handlers(hub, gate),
        *health_handlers(hub, gate),
        *metrics_handlers(hub, gate),
        *mcp.handlers(gate),
        *mounts.handlers(gate),
    ]
    return Router(
        path=path,
        route_handlers=handlers,
        exception_handlers={Exception: handle_error},
        request_class=HubRequest,
    )
