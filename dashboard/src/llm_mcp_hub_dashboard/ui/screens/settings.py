"""Settings: the configuration in effect and the plugins, also those that failed."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, keep
from llm_mcp_hub_dashboard.ui.parts import card, dot, loaded, table, th
from llm_mcp_hub_dashboard.ui.text import coded, t

LOOK_SECONDS = 10.0


class Settings(Live, rx.State):
    """What `load` returns."""

    file: str = ""
    settings: list[dict[str, str]] = []
    plugins: list[dict[str, Any]] = []

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep it up to date."""
        await keep(self, load, LOOK_SECONDS)


async def load(rest: Rest) -> dict[str, Any]:
    """The configuration and the plugins."""
    config = await rest.shared("/v1/config")
    plugins = await rest.shared("/v1/plugins")
    return {
        "file": config["file"] or "",
        "settings": [
            {"path": one["path"], "value": plain(one["value"]), "origin": one["origin"]}
            for one in config["data"]
        ],
        "plugins": [
            {"name": one["name"], "distribution": one["distribution"], "error": one["error"] or ""}
            for one in plugins["data"]
        ],
    }


def plain(value: Any) -> str:
    """A value as a person would write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value in ("", None, [], {}):
        return "–"
    if isinstance(value, list):
        return ", ".join(plain(one) for one in value)
    return str(value)


def settings() -> rx.Component:
    """The screen."""
    return screen(
        "/settings",
        t("Settings", "설정"),
        loaded(
            Settings,
            card(
                rx.el.div(rx.el.h2(t("Plugins", "플러그인")), class_name="card-head"),
                rx.el.ul(rx.foreach(Settings.plugins, _plugin), class_name="lines"),
            ),
            rx.el.h2(t("Configuration in effect", "적용된 설정"), class_name="section-title"),
            rx.el.p(
                t(
                    "It is read at the start; secrets are not shown.",
                    "시작할 때 읽으며, 비밀 값은 표시하지 않습니다.",
                ),
                rx.cond(
                    Settings.file != "",
                    rx.fragment(" ", rx.el.span(Settings.file, class_name="mono")),
                    t(" There is no configuration file.", " 설정 파일이 없습니다."),
                ),
                class_name="soft small",
            ),
            table(
                t("Configuration in effect", "적용된 설정"),
                [th(t("Setting", "설정")), th(t("Value", "값")), th(t("From", "출처"))],
                rx.foreach(
                    Settings.settings,
                    lambda one: rx.el.tr(
                        rx.el.td(one["path"], class_name="settings"),
                        rx.el.td(one["value"], class_name="settings"),
                        rx.el.td(_origin(one["origin"]), class_name="soft"),
                    ),
                ),
            ),
        ),
    )


def _origin(origin: Any) -> rx.Component:
    return rx.match(
        origin,
        ("default", t("default", "기본값")),
        ("file", t("file", "파일")),
        ("environment", t("environment", "환경 변수")),
        ("command line", t("command line", "명령줄")),
        t("program", "프로그램"),
    )


def _plugin(one: Any) -> rx.Component:
    return rx.el.li(
        dot(rx.cond(one["error"] == "", "green", "red")),
        rx.el.strong(one["name"]),
        rx.el.span(one["distribution"], class_name="soft"),
        rx.el.span(
            rx.cond(
                one["error"] == "",
                t("works", "동작함"),
                rx.fragment(
                    t("left out: ", "제외됨: "), rx.el.span(coded(one["error"]), lang="en")
                ),
            ),
            class_name="line-text",
        ),
    )
