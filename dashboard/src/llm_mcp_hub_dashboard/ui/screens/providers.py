"""Providers: each with its state, its workers and its quota; and what can be done about it."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui import show, views
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, act, keep
from llm_mcp_hub_dashboard.ui.parts import (
    card,
    confirm,
    fact,
    facts,
    loaded,
    note,
    nothing,
    set_up_hint,
)
from llm_mcp_hub_dashboard.ui.screens.provider_form import add_provider
from llm_mcp_hub_dashboard.ui.screens.provider_pool import quota, workers
from llm_mcp_hub_dashboard.ui.text import hub_words, joined, t

DONE = {
    "drain": ("takes no new turns", "새 요청을 받지 않습니다"),
    "resume": ("takes turns again", "다시 요청을 받습니다"),
    "restart": ("replaces its workers", "워커를 교체합니다"),
}


class Providers(Live, rx.State):
    """The providers.

    Attributes:
        busy: The provider that something is being done with.
    """

    providers: list[dict[str, Any]] = []
    busy: str = ""

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep them up to date."""
        await keep(self, load)

    @rx.event(background=True)
    async def do(self, name: str, what: str) -> None:
        """Drain, resume or restart a provider."""
        if what not in DONE:
            return
        english, korean = DONE[what]
        await self._change(
            name,
            lambda rest: rest.call("POST", f"/v1/providers/{name}/{what}"),
            f"{name} {english}.",
            f"{name}: {korean}.",
        )

    @rx.event(background=True)
    async def remove(self, name: str) -> None:
        """Remove a provider that was added."""
        await self._change(
            name,
            lambda rest: rest.call("DELETE", f"/v1/providers/{name}"),
            f"{name} is being removed.",
            f"{name}을(를) 제거하는 중입니다.",
        )

    async def _change(self, name: str, work: Any, english: str, korean: str) -> None:
        async with self:
            self.busy = name
        try:
            await act(self, work, english, korean)
        finally:
            async with self:
                self.busy = ""
        await keep(self, load, 0)


async def load(rest: Rest) -> dict[str, Any]:
    """The providers with their workers."""
    rows = []
    for one in (await rest.shared("/v1/providers"))["data"]:
        pool: list[Any] = []
        if one["pool"]["max_workers"]:
            pool = (await rest.shared(f"/v1/providers/{one['name']}/pool"))["workers"]
        rows.append(views.provider(one, pool))
    return {"providers": rows}


def providers() -> rx.Component:
    """The screen."""
    return screen(
        "/providers",
        t("Providers", "제공자"),
        loaded(
            Providers,
            rx.cond(
                Providers.providers.length() == 0,
                nothing(
                    "server",
                    t("No provider is configured", "설정된 제공자가 없습니다"),
                    t(
                        "Set one up with `llm-mcp-hub setup claude`, or add one here.",
                        "`llm-mcp-hub setup claude`로 설정하거나 여기에서 추가하세요.",
                    ),
                ),
                rx.el.div(rx.foreach(Providers.providers, _provider), class_name="stack"),
            ),
        ),
        actions=[add_provider()],
    )


def _provider(one: Any) -> rx.Component:
    return card(
        rx.el.div(
            rx.el.h2(one["name"]),
            rx.badge(_state(one), color_scheme=one["colour"], size="2", high_contrast=True),
            rx.cond(
                one["draining"] & ~one["removing"],
                rx.badge(t("draining", "새 요청 받지 않음"), color_scheme="gray", size="2"),
            ),
            rx.cond(
                one["removing"],
                rx.badge(t("being removed", "제거 중"), color_scheme="red", size="2"),
            ),
            rx.cond(one["state"] != views.NOT_SET_UP, rx.el.div(_actions(one), class_name="end")),
            class_name="card-head",
        ),
        rx.cond(one["state"] == views.NOT_SET_UP, set_up_hint(one["name"]), _inside(one)),
        class_name=joined("edge edge-", one["colour"]),
        aria_label=one["name"],
    )


def _inside(one: Any) -> rx.Component:
    return rx.el.div(
        rx.cond(
            one["reason"] != "",
            note(
                "red",
                "circle-alert",
                rx.el.p(hub_words(one["reason"], one["reason_ko"])),
                rx.cond(one["remedy"] != "", rx.el.p(hub_words(one["remedy"], one["remedy_ko"]))),
            ),
        ),
        rx.cond(
            one["warning"] != "",
            note("amber", "triangle-alert", hub_words(one["warning"], one["warning_ko"])),
        ),
        rx.cond(
            one["paused"] != "",
            note("amber", "circle-pause", hub_words(one["paused"], one["paused_ko"])),
        ),
        facts(
            fact(
                t("Authentication", "인증 방식"),
                rx.el.code(one["authentication"], class_name="mono"),
            ),
            fact(t("Plan", "요금제"), one["plan"]),
            fact(t("Version", "버전"), one["version"]),
            fact(t("Workers", "워커"), one["workers"]),
            fact(
                t("Busy · kept · spare", "사용 · 보관 · 여유"),
                f"{one['claimed']} · {one['parked']} · {one['blank']}",
            ),
            fact(t("Queue", "대기열"), one["queue"]),
            fact(t("Wait, p95", "대기 p95"), show.seconds(one["wait_p95"])),
            fact(t("Served · refused", "처리 · 거절"), f"{one['served']} · {one['refused']}"),
        ),
        rx.el.div(
            rx.el.span(t("Models", "모델"), class_name="soft small"),
            rx.el.ul(
                rx.foreach(
                    one["models"].to(list[dict[str, str]]),
                    lambda model: rx.el.li(
                        rx.badge(
                            model["id"], color_scheme="gray", variant="soft", high_contrast=True
                        )
                    ),
                ),
                class_name="tags",
                margin_top=".3rem",
            ),
        ),
        rx.cond(
            one["quota"].to(list[dict[str, Any]]).length() > 0,
            rx.el.div(rx.foreach(one["quota"].to(list[dict[str, Any]]), quota), class_name="cards"),
        ),
        rx.cond(one["pool"].to(list[dict[str, Any]]).length() > 0, workers(one)),
        class_name="stack",
    )


def _state(one: Any) -> rx.Component:
    return rx.match(
        one["state"],
        ("available", t("Available", "사용 가능")),
        ("starting", t("Starting", "시작 중")),
        (views.NOT_SET_UP, t("Not set up", "설정되지 않음")),
        t("Unavailable", "사용 불가"),
    )


def _actions(one: Any) -> rx.Component:
    name = one["name"]
    busy = Providers.busy != ""
    return rx.flex(
        rx.cond(
            one["draining"],
            rx.button(
                t("Resume", "재개"),
                on_click=Providers.do(name, "resume"),
                variant="soft",
                size="1",
                disabled=busy | one["removing"],
            ),
            rx.button(
                t("Drain", "새 요청 중지"),
                on_click=Providers.do(name, "drain"),
                variant="soft",
                size="1",
                disabled=busy,
            ),
        ),
        confirm(
            rx.button(t("Restart workers", "워커 재시작"), variant="soft", size="1", disabled=busy),
            t(f"Restart the workers of {name}?", f"{name}의 워커를 재시작할까요?"),
            t(
                "Each is replaced once it has no turn. Conversations go on; the next turn of each "
                "takes a little longer.",
                "실행 중인 요청이 끝난 뒤 교체됩니다. 대화는 이어지며 다음 요청만 조금 늦어집니다.",
            ),
            t("Restart", "재시작"),
            Providers.do(name, "restart"),
        ),
        rx.cond(
            one["removable"],
            confirm(
                rx.button(
                    t("Remove", "제거"),
                    variant="soft",
                    color_scheme="red",
                    size="1",
                    disabled=busy | one["removing"],
                ),
                t(f"Remove {name}?", f"{name}을(를) 제거할까요?"),
                t(
                    "It takes no new turn, those that run may finish, and then it is gone.",
                    "새 요청을 받지 않고, 실행 중인 요청이 끝나면 제거됩니다.",
                ),
                t("Remove", "제거"),
                Providers.remove(name),
            ),
        ),
        spacing="2",
        wrap="wrap",
    )
