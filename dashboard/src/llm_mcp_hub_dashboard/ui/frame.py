"""The frame around every screen: where one is, who one is, what needs attention."""

from typing import Any

import reflex as rx
from reflex_components_core.el.elements.base import BaseHTML  # type: ignore[import-untyped]  # has none

from llm_mcp_hub_dashboard.ui.leaving import goodbye
from llm_mcp_hub_dashboard.ui.notices import notices
from llm_mcp_hub_dashboard.ui.parts import dot
from llm_mcp_hub_dashboard.ui.session import Tab
from llm_mcp_hub_dashboard.ui.text import KOREAN, Prefs, hub_words, t, tell_language
from llm_mcp_hub_dashboard.ui.top import Top

PLACES = (
    ("/", "gauge", "Overview", "개요"),
    ("/providers", "server", "Providers", "제공자"),
    ("/tokens", "key-round", "Tokens", "로그인 토큰"),
    ("/sessions", "messages-square", "Sessions", "세션"),
    ("/usage", "chart-line", "Usage", "사용량"),
    ("/playground", "square-terminal", "Playground", "플레이그라운드"),
    ("/access", "shield-check", "Access", "접근 권한"),
    ("/settings", "sliders-horizontal", "Settings", "설정"),
)


class PlainForm(BaseHTML):
    """A form that the browser sends by itself; Reflex's own is always kept from that."""

    tag = "form"
    action: rx.Var[str]
    method: rx.Var[str]


def screen(place: str, title: Any, *content: Any, actions: Any = ()) -> rx.Component:
    """A whole page.

    Args:
        place: Path of the sidebar's entry that it belongs to.
        title: Its heading.
        content: What it shows.
        actions: Buttons beside the heading.
    """
    return rx.cond(
        Tab.signed_out,
        goodbye(),
        rx.el.div(
            rx.el.a(
                t("Skip to content", "본문으로 건너뛰기"),
                href="#content",
                on_click=rx.set_focus("content"),
                class_name="skip",
            ),
            _sidebar(place),
            rx.el.div(
                _header(place),
                rx.el.main(
                    rx.el.div(
                        rx.el.h1(title),
                        rx.el.div(*actions, class_name="actions"),
                        class_name="title-row",
                    ),
                    *content,
                    id="content",
                    tab_index=-1,
                ),
                class_name="column",
            ),
            notices(),
            tell_language(),
            class_name="shell",
        ),
    )


def not_found() -> rx.Component:
    """What stands at an address where there is no screen."""
    return screen(
        "",
        t("There is no such page", "그런 페이지가 없습니다"),
        rx.el.p(
            t(
                "The address is mistyped, or what it led to is gone. ",
                "주소가 잘못되었거나 그 화면이 더는 없습니다. ",
            ),
            rx.link(t("Go to the overview", "개요로 가기"), href="/", underline="always"),
        ),
    )


def _brand() -> rx.Component:
    return rx.el.div(
        rx.icon("waypoints", size=20, aria_hidden="true"), "LLM MCP Hub", class_name="brand"
    )


def _sidebar(place: str) -> rx.Component:
    return rx.el.div(
        _brand(),
        rx.el.nav(
            rx.el.ul(
                *[
                    rx.el.li(
                        rx.link(
                            rx.icon(icon, size=17, aria_hidden="true"),
                            t(english, korean),
                            href=path,
                            class_name="place",
                            underline="none",
                            **({"aria_current": "page"} if path == place else {}),
                        )
                    )
                    for path, icon, english, korean in PLACES
                ],
                class_name="places",
            ),
            aria_label=t("Main", "주 메뉴"),
        ),
        class_name="side",
    )


def _menu(place: str) -> rx.Component:
    """The sidebar's entries where there is no room for a sidebar."""
    return rx.box(
        rx.dropdown_menu.root(
            rx.dropdown_menu.trigger(
                rx.icon_button(
                    rx.icon("menu", size=18, aria_hidden="true"),
                    aria_label=t("Menu", "메뉴"),
                    variant="ghost",
                    color_scheme="gray",
                    size="2",
                )
            ),
            rx.dropdown_menu.content(
                *[
                    rx.dropdown_menu.item(
                        rx.icon(icon, size=16, aria_hidden="true"),
                        t(english, korean),
                        on_select=rx.redirect(path),
                        **({"aria_current": "page"} if path == place else {}),
                    )
                    for path, icon, english, korean in PLACES
                ],
                size="2",
            ),
        ),
        class_name="menu-button",
    )


def _header(place: str) -> rx.Component:
    return rx.el.header(
        _menu(place),
        rx.el.div(class_name="top-space"),
        _alerts(),
        rx.button(
            rx.cond(KOREAN, "English", "한국어"),
            on_click=Prefs.speak(rx.cond(KOREAN, "en", "ko")),
            lang=rx.cond(KOREAN, "en", "ko"),
            variant="ghost",
            color_scheme="gray",
            high_contrast=True,
            margin="0 .35rem",
        ),
        rx.icon_button(
            rx.color_mode_cond(
                rx.icon("moon", size=17, aria_hidden="true"),
                rx.icon("sun", size=17, aria_hidden="true"),
            ),
            on_click=rx.toggle_color_mode,
            aria_label=t("Switch between light and dark", "밝은 화면과 어두운 화면 전환"),
            variant="ghost",
            color_scheme="gray",
        ),
        rx.el.div(
            rx.icon("circle-user-round", size=17, aria_hidden="true"),
            rx.el.span(t("Signed in as ", "로그인: "), class_name="unseen"),
            rx.el.span(Tab.admin, title=Tab.admin, class_name="small"),
            class_name="who",
            margin_left=".5rem",
        ),
        # A plain form: signing out works whatever becomes of the page's script.
        PlainForm.create(
            rx.icon_button(
                rx.icon("log-out", size=17, aria_hidden="true"),
                aria_label=t("Sign out", "로그아웃"),
                type="submit",
                variant="ghost",
                color_scheme="gray",
            ),
            action="/admin/logout",
            method="post",
            display="flex",
        ),
        class_name="top",
    )


def _alerts() -> rx.Component:
    return rx.popover.root(
        rx.popover.trigger(
            rx.button(
                rx.icon("bell", size=16, aria_hidden="true"),
                rx.el.span(Top.alert_count, class_name="numbers"),
                rx.el.span(t(" alerts", "건의 알림"), class_name="unseen"),
                variant=rx.cond(Top.alert_count > 0, "soft", "ghost"),
                color_scheme=rx.match(Top.worst, ("critical", "red"), ("warning", "amber"), "gray"),
                high_contrast=True,
                size="2",
                id="alerts",
            )
        ),
        rx.popover.content(
            rx.heading(t("Alerts", "알림"), size="3", as_="h2", margin_bottom=".6rem"),
            rx.cond(
                Top.alert_count == 0,
                rx.el.p(
                    t("Nothing needs your attention.", "확인이 필요한 것이 없습니다."),
                    class_name="soft small",
                    margin_bottom=".6rem",
                ),
            ),
            rx.cond(
                Top.alerts.length() > 0,
                rx.el.ul(
                    rx.foreach(
                        Top.alerts,
                        lambda alert: rx.el.li(
                            dot(alert["colour"]),
                            rx.el.div(
                                rx.el.strong(
                                    rx.match(
                                        alert["level"],
                                        ("critical", t("Critical", "심각")),
                                        ("warning", t("Warning", "경고")),
                                        t("Note", "안내"),
                                    ),
                                    rx.cond(
                                        alert["subject"] != "",
                                        rx.fragment(" · ", alert["subject"]),
                                    ),
                                ),
                                rx.el.div(hub_words(alert["text"], alert["text_ko"])),
                                rx.cond(
                                    alert["remedy"] != "",
                                    rx.el.div(
                                        hub_words(alert["remedy"], alert["remedy_ko"]),
                                        class_name="soft small",
                                    ),
                                ),
                                class_name="line-text",
                            ),
                        ),
                    ),
                    class_name="lines",
                ),
            ),
            width="min(26rem, 92vw)",
            aria_label=t("Alerts", "알림"),
        ),
    )
