"""The Reflex application: its pages and what stands before every event."""

from typing import Any

import reflex as rx
import structlog

from llm_mcp_hub_dashboard.server.admins import Admins
from llm_mcp_hub_dashboard.ui.leaving import lost_connection, watch_for_failures
from llm_mcp_hub_dashboard.ui.screens.access import Access, access
from llm_mcp_hub_dashboard.ui.screens.overview import Overview, overview
from llm_mcp_hub_dashboard.ui.screens.playground import Playground, playground
from llm_mcp_hub_dashboard.ui.screens.providers import Providers, providers
from llm_mcp_hub_dashboard.ui.screens.session import Conversation, session
from llm_mcp_hub_dashboard.ui.screens.sessions import Sessions, sessions
from llm_mcp_hub_dashboard.ui.screens.settings import Settings, settings
from llm_mcp_hub_dashboard.ui.screens.tokens import Tokens, tokens
from llm_mcp_hub_dashboard.ui.screens.usage import Usage, usage
from llm_mcp_hub_dashboard.ui.session import OnlyAdmins
from llm_mcp_hub_dashboard.ui.text import Prefs
from llm_mcp_hub_dashboard.ui.top import Top

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

PAGES: tuple[tuple[str, str, Any, list[Any]], ...] = (
    ("/", "Overview", overview, [Overview.watch]),
    ("/providers", "Providers", providers, [Providers.watch]),
    ("/tokens", "Tokens", tokens, [Tokens.watch]),
    ("/sessions", "Sessions", sessions, [Sessions.watch]),
    ("/session", "Session", session, [Conversation.begin, Conversation.watch, Conversation.follow]),
    ("/usage", "Usage", usage, [Usage.watch]),
    ("/playground", "Playground", playground, [Playground.watch]),
    ("/access", "Access", access, [Access.watch]),
    ("/settings", "Settings", settings, [Settings.watch]),
)
"""Route, title, page, and what runs for as long as it is open."""


def _failed(exception: Exception) -> None:
    """Log a defect. Reflex's own handler would send the browser a script to evaluate."""
    log.error("dashboard.event_failed", exc_info=exception)


def create_app(admins: Admins | None = None) -> rx.App:
    """The application.

    Args:
        admins: Who may use it; None while it is being built.
    """
    app = rx.App(
        stylesheets=["/dashboard.css"],
        toaster=None,
        head_components=[
            watch_for_failures(),
            rx.el.link(rel="icon", type="image/svg+xml", href="/admin/favicon.svg"),
            rx.el.meta(name="color-scheme", content="light dark"),
        ],
        backend_exception_handler=_failed,
        app_wraps={(5, "Overlay"): lambda _stateful: lost_connection()},
    )
    for route, title, page, watches in PAGES:
        app.add_page(
            page,
            route=route,
            title=f"{title} · LLM MCP Hub",
            on_load=[Prefs.settle, Top.watch, *watches],
        )
    if admins is not None:
        app.add_middleware(OnlyAdmins(admins))
    return app
