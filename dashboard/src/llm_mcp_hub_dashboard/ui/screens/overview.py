"""Overview: is the hub well, and if not, what is wrong."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest, RestError
from llm_mcp_hub_dashboard.ui import show, views
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, keep
from llm_mcp_hub_dashboard.ui.parts import card, dot, figure, loaded, note
from llm_mcp_hub_dashboard.ui.text import hub_words, joined, t


class Overview(Live, rx.State):
    """What `load` returns; numbers are null while the hub can't say."""

    health: dict[str, Any] = {}
    now: dict[str, Any] = {}
    hour: dict[str, Any] = {}
    unused: list[str] = []
    logins: list[dict[str, Any]] = []
    providers: list[dict[str, Any]] = []
    turns: list[dict[str, Any]] = []

    @rx.var
    def counts(self) -> dict[str, Any]:
        """How many providers there are, and how many of them are available."""
        return views.counts(self.health.get("providers", {}), self.unused)

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep it up to date."""
        await keep(self, load)


async def load(rest: Rest) -> dict[str, Any]:
    """The hub's health, for which no state store is needed, and as much else as can be had."""
    health = views.health(await rest.shared_health())
    values: dict[str, Any] = {"health": health, "now": {}, "hour": {}, "turns": []}
    try:
        values["now"] = views.pressure(await rest.shared("/v1/pressure"))
        providers = await rest.shared("/v1/providers")
        values["providers"] = [views.provider(one) for one in providers["data"]]
        values["unused"] = views.unused(providers)
        values["turns"] = views.running(await rest.shared("/v1/turns"))
        logins = views.tokens(await rest.shared("/health/tokens"), values["unused"])
        values["logins"] = [one for one in logins if one["status"] in {"warning", "expired"}]
        values["hour"] = views.last_hour(await rest.shared("/v1/usage/summary"))
    except RestError as error:
        if error.status != 503:
            raise
    return values


def overview() -> rx.Component:
    """The screen."""
    return screen("/", t("Overview", "개요"), loaded(Overview, _hero(), _figures(), _halves()))


def _hero() -> rx.Component:
    return card(
        rx.el.div(
            rx.el.div(
                dot(Overview.health["colour"]),
                rx.match(
                    Overview.health["status"],
                    ("healthy", t("Healthy", "정상")),
                    ("degraded", t("Degraded", "일부 장애")),
                    t("Unhealthy", "장애"),
                ),
                class_name="hero-word",
                id="health",
            ),
            rx.el.p(
                rx.match(
                    Overview.health["status"],
                    (
                        "healthy",
                        t(
                            "Everything that is configured takes requests.",
                            "설정된 모든 것이 요청을 받고 있습니다.",
                        ),
                    ),
                    (
                        "degraded",
                        t(
                            "The hub serves, but not every provider takes requests.",
                            "허브는 동작하지만 일부 제공자가 요청을 받지 못합니다.",
                        ),
                    ),
                    t(
                        "The hub can't serve requests now.",
                        "지금은 허브가 요청을 처리할 수 없습니다.",
                    ),
                )
            ),
            class_name="hero",
            aria_live="polite",
        )
    )


def _figures() -> rx.Component:
    now, hour = Overview.now, Overview.hour
    return rx.el.div(
        figure(t("Running turns", "실행 중인 요청"), show.number(now["running"])),
        figure(
            t("Waiting", "대기 중인 요청"),
            show.number(now["queued"]),
            rx.cond(now["max_queue"], f" / {now['max_queue']}", ""),
        ),
        figure(
            t("Busy workers", "사용 중인 워커"),
            show.number(now["busy"]),
            rx.cond(now["max_workers"], f" / {now['max_workers']}", ""),
        ),
        figure(t("Requests, last hour", "최근 1시간 요청"), show.number(hour["requests"])),
        figure(
            t("Errors, last hour", "최근 1시간 오류"),
            show.number(hour["failed"]),
            rx.cond(hour["requests"], rx.fragment(" · ", show.percent(hour["error_rate"])), ""),
        ),
        figure(t("Response, p95", "응답 시간 p95"), show.seconds(hour["p95_seconds"])),
        class_name="figures",
    )


def _halves() -> rx.Component:
    there, all_of_them = Overview.counts["available"], Overview.counts["total"]
    return rx.el.div(
        card(
            rx.el.div(rx.el.h2(t("Parts of the hub", "허브 구성 요소")), class_name="card-head"),
            rx.el.ul(
                _part(
                    Overview.health["hub_colour"],
                    t("Hub API", "허브 API"),
                    t("answers", "응답함"),
                    Overview.health["hub_message"],
                    Overview.health["hub_message_ko"],
                ),
                _part(
                    Overview.health["state_colour"],
                    t("State store", "상태 저장소"),
                    Overview.health["state_kind"],
                    Overview.health["state_message"],
                    Overview.health["state_message_ko"],
                ),
                _part(
                    Overview.counts["colour"],
                    t("Providers", "제공자"),
                    t(
                        f"{there} of {all_of_them} available",
                        f"{all_of_them}개 중 {there}개 사용 가능",
                    ),
                ),
                rx.foreach(
                    Overview.providers,
                    lambda one: _part(
                        one["colour"],
                        one["name"],
                        _state_word(one["state"]),
                        _or_set_up(one, one["reason"]),
                        _or_set_up(one, one["reason_ko"]),
                    ),
                ),
                class_name="lines",
            ),
        ),
        rx.el.div(_logins(), _running(), class_name="stack", align_content="start"),
        class_name="halves",
    )


def _logins() -> rx.Component:
    return card(
        rx.el.div(
            rx.el.h2(t("Provider logins", "제공자 로그인")),
            rx.link(t("All", "모두 보기"), href="/tokens", size="2", class_name="end"),
            class_name="card-head",
        ),
        rx.cond(
            Overview.logins.length() == 0,
            note(
                "green",
                "circle-check",
                t("No login is about to end.", "곧 만료될 로그인이 없습니다."),
            ),
            rx.el.div(rx.foreach(Overview.logins, _login), class_name="stack"),
        ),
    )


def _running() -> rx.Component:
    return card(
        rx.el.div(rx.el.h2(t("Running now", "지금 실행 중")), class_name="card-head"),
        rx.cond(
            Overview.turns.length() == 0,
            rx.el.p(
                t("No turn is running.", "실행 중인 요청이 없습니다."), class_name="soft small"
            ),
            rx.el.ul(rx.foreach(Overview.turns, _turn), class_name="lines"),
        ),
    )


def _turn(one: Any) -> rx.Component:
    return rx.el.li(
        rx.el.span(one["owner"], class_name="line-name"),
        rx.el.span(
            one["model"],
            rx.el.span(" · ", show.time_of_day(one["created_at"]), class_name="soft"),
            class_name="line-text",
        ),
        rx.cond(
            one["href"] != "", rx.link(t("Look on", "보기"), href=one["href"].to(str), size="2")
        ),
    )


def _state_word(state: Any) -> rx.Component:
    return rx.match(
        state,
        ("available", t("available", "사용 가능")),
        ("starting", t("starting", "시작 중")),
        (views.NOT_SET_UP, t("not set up", "설정되지 않음")),
        t("unavailable", "사용 불가"),
    )


def _or_set_up(one: Any, reason: Any) -> rx.Var[Any]:
    """Why a provider is not available, or how one is set up that never was."""
    command = joined("`llm-mcp-hub setup ", one["name"]) + "`"
    return rx.cond(one["state"] == views.NOT_SET_UP, command, reason)


def _part(colour: Any, name: Any, word: Any, message: Any = "", korean: Any = "") -> rx.Component:
    return rx.el.li(
        dot(colour),
        rx.el.span(name, class_name="line-name"),
        rx.el.span(
            word,
            rx.cond(
                message != "",
                rx.el.span(" – ", hub_words(message, korean), class_name="soft"),
                "",
            ),
            class_name="line-text",
        ),
    )


def _login(one: Any) -> rx.Component:
    return note(
        rx.cond(one["status"] == "expired", "red", "amber"),
        "key-round",
        rx.el.p(
            rx.el.strong(one["provider"]),
            " · ",
            rx.cond(
                one["status"] == "expired",
                t("expired on ", "만료됨: "),
                t("ends on ", "만료 예정: "),
            ),
            show.date_time(one["expires_at"]),
        ),
        rx.el.p(hub_words(one["remedy"], one["remedy_ko"])),
    )
