"""Access: who may call the hub, for what and how much."""

import time
from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui import show
from llm_mcp_hub_dashboard.ui.access_views import row
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, act, keep
from llm_mcp_hub_dashboard.ui.parts import confirm, loaded, nothing, table, th
from llm_mcp_hub_dashboard.ui.screens.access_form import AccessForm, create_access, fresh_token
from llm_mcp_hub_dashboard.ui.text import t


class Access(Live, rx.State):
    """The access tokens."""

    tokens: list[dict[str, Any]] = []

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep them up to date."""
        await keep(self, load)

    @rx.event(background=True)
    async def revoke(self, token_id: str, name: str) -> None:
        """Revoke a token: it stops working at once."""
        await act(
            self,
            lambda rest: rest.call("DELETE", f"/v1/access-tokens/{token_id}"),
            f"The access token {name} is revoked.",
            f"접근 토큰 {name}을(를) 폐기했습니다.",
        )
        await keep(self, load, 0)


async def load(rest: Rest) -> dict[str, Any]:
    """The access tokens."""
    body = await rest.get("/v1/access-tokens")
    return {"tokens": [row(one, time.time()) for one in body["data"]]}


def access() -> rx.Component:
    """The screen."""
    return screen(
        "/access",
        t("Access tokens", "접근 토큰"),
        fresh_token(),
        loaded(
            Access,
            rx.cond(
                Access.tokens.length() == 0,
                nothing("shield-check", t("No access token", "접근 토큰이 없습니다")),
                _table(),
            ),
        ),
        actions=[create_access()],
    )


def _table() -> rx.Component:
    return table(
        t("Access tokens", "접근 토큰"),
        [
            th(t("Name", "이름")),
            th(t("Scopes", "권한")),
            th(t("Limits", "제한")),
            th(t("Created", "생성")),
            th(t("Last used", "마지막 사용")),
            th(t("Expires", "만료")),
            th(rx.el.span(t("Actions", "작업"), class_name="unseen")),
        ],
        rx.foreach(Access.tokens, _row),
    )


def _row(one: Any) -> rx.Component:
    return rx.el.tr(
        rx.el.td(
            rx.el.strong(one["name"]),
            rx.cond(
                one["priority"] == "batch",
                rx.badge(t("batch", "배치"), color_scheme="gray", margin_left=".5rem"),
            ),
        ),
        rx.el.td(
            rx.el.ul(
                rx.foreach(
                    one["scopes"].to(list[str]),
                    lambda scope: rx.el.li(
                        rx.badge(
                            scope,
                            color_scheme=rx.cond(scope == "admin", "amber", "gray"),
                            high_contrast=True,
                        )
                    ),
                ),
                class_name="tags",
            )
        ),
        rx.el.td(
            rx.cond(
                one["limits"].to(list[dict[str, str]]).length() == 0,
                "–",
                rx.foreach(
                    one["limits"].to(list[dict[str, str]]),
                    lambda one: rx.el.div(t(one["text"], one["text_ko"]), class_name="small"),
                ),
            )
        ),
        rx.el.td(show.date_time(one["created_at"]), class_name="nowrap"),
        rx.el.td(show.date_time(one["last_used_at"]), class_name="nowrap"),
        rx.el.td(
            rx.cond(
                one["expired"],
                rx.badge(t("expired", "만료됨"), color_scheme="red", high_contrast=True),
                rx.cond(one["expires_at"], show.date_time(one["expires_at"]), t("never", "없음")),
            ),
            class_name="nowrap",
        ),
        rx.el.td(
            confirm(
                rx.button(
                    t("Revoke", "폐기"),
                    size="1",
                    variant="soft",
                    color_scheme="red",
                    aria_label=t(f"Revoke {one['name']}", f"{one['name']} 폐기"),
                ),
                t(f"Revoke {one['name']}?", f"{one['name']}을(를) 폐기할까요?"),
                t(
                    "Whoever uses this token is refused from now on. Its sessions stay. If it is "
                    "the one you signed in with, you are signed out.",
                    "이 토큰을 쓰는 모든 호출이 거부됩니다. 세션은 남습니다. "
                    "지금 로그인한 토큰이라면 로그아웃됩니다.",
                ),
                t("Revoke", "폐기"),
                [Access.revoke(one["id"], one["name"]), AccessForm.forget],
            ),
            class_name="number",
        ),
    )
