"""The Reflex application: its pages and what stands before every event."""

from typing import Any

import reflex as rx
import structlog

from llm_mcp_hub_dashboard.server.admins import Admins
from llm_mcp_hub_dashboard.ui.frame import not_found
from llm_mcp_hub_dashboard.ui.leaving import lost_connection, watch_for_failures
from llm_mcp_hub_dashboard.ui.notices import Notices
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
from llm_mcp_hub_dashboard.ui.text import Prefs, t
from llm_mcp_hub_dashboard.ui.top import Top

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

PAGES: tuple[tuple[str, Any, Any, list[Any]], ...] = (
    ("/", t("Overview", "개요"), overview, [Overview.watch]),
    ("/providers", t("Providers", "제공자"), providers, [Providers.watch]),
    ("/tokens", t("Tokens", "로그인 토큰"), tokens, [Tokens.watch]),
    ("/sessions", t("Sessions", "세션"), sessions, [Sessions.watch]),
    (
        "/session",
        t("Session", "세션"),
        session,
        [Conversation.begin, Conversation.watch, Conversation.follow],
    ),
    ("/usage", t("Usage", "사용량"), usage, [Usage.watch]),
    ("/playground", t("Playground", "플레이그라운드"), playground, [Playground.watch]),
    ("/access", t("Access", "접근 권한"), access, [Access.watch]),
    ("/settings", t("Settings", "설정"), settings, [Settings.watch]),
    ("404", t("Not found", "찾을 수 없음"), not_found, []),
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
            title=title + " · LLM MCP Hub",
            on_load=[Prefs.settle, Notices.turn_page, Notices.watch, Top.watch, *watches],
        )
    if admins is not None:
        app.add_middleware(OnlyAdmins(admins))
    return app
