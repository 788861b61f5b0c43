"""Tokens: the logins behind the providers, how long they last, and what to do."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui import show, views
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, act, keep
from llm_mcp_hub_dashboard.ui.parts import card, fact, facts, loaded, nothing, set_up_hint
from llm_mcp_hub_dashboard.ui.text import hub_words, joined, t


class Tokens(Live, rx.State):
    """The logins.

    Attributes:
        verifying: The provider that is being asked something.
    """

    logins: list[dict[str, Any]] = []
    verifying: str = ""

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep them up to date."""
        await keep(self, load)

    @rx.event(background=True)
    async def verify(self, provider: str) -> None:
        """Ask the provider for a few words, which shows whether its login works."""
        async with self:
            if self.verifying:
                return
            self.verifying = provider
        try:
            await act(
                self,
                lambda rest: rest.call("POST", f"/v1/providers/{provider}/verify"),
                f"{provider} answered: its login works.",
                f"{provider}: 응답했습니다. 로그인이 유효합니다.",
            )
        finally:
            async with self:
                self.verifying = ""


async def load(rest: Rest) -> dict[str, Any]:
    """The logins."""
    unused = views.unused(await rest.shared("/v1/providers"))
    return {"logins": views.tokens(await rest.shared("/health/tokens"), unused)}


def tokens() -> rx.Component:
    """The screen."""
    return screen(
        "/tokens",
        t("Provider logins", "제공자 로그인"),
        loaded(
            Tokens,
            rx.cond(
                Tokens.logins.length() == 0,
                nothing(
                    "key-round",
                    t("No provider here has a login", "로그인이 있는 제공자가 없습니다"),
                    t(
                        "The echo provider needs none. Log in with `llm-mcp-hub setup claude`.",
                        "echo 제공자는 로그인이 필요 없습니다. "
                        "`llm-mcp-hub setup claude`로 로그인하세요.",
                    ),
                ),
                rx.el.div(rx.foreach(Tokens.logins, _login), class_name="cards"),
            ),
        ),
    )


def _status(status: Any) -> rx.Component:
    return rx.match(
        status,
        ("valid", t("Valid", "유효")),
        ("warning", t("Expiring soon", "곧 만료")),
        ("expired", t("Expired", "만료됨")),
        (views.NOT_SET_UP, t("Not set up", "설정되지 않음")),
        t("Unknown", "알 수 없음"),
    )


def _days(one: Any) -> rx.Component:
    days = one["days_left"].to(int)
    return rx.cond(
        one["days_left"] == None,  # noqa: E711  # becomes JavaScript
        "–",
        rx.cond(
            days < 0,
            t(rx.fragment(-days, " days ago"), rx.fragment(-days, "일 지남")),
            t(rx.fragment(days, " days left"), rx.fragment(days, "일 남음")),
        ),
    )


def _login(one: Any) -> rx.Component:
    unused = one["status"] == views.NOT_SET_UP
    return card(
        rx.el.div(
            rx.el.h2(one["provider"]),
            rx.badge(
                _status(one["status"]), color_scheme=one["colour"], size="2", high_contrast=True
            ),
            class_name="card-head",
        ),
        rx.cond(unused, set_up_hint(one["provider"]), _known(one)),
        rx.el.div(
            rx.cond(~unused, _verify(one)),
            rx.link(
                rx.cond(unused, t("How to set it up", "설정 방법"), t("How to renew", "갱신 방법")),
                rx.icon("external-link", size=14, aria_hidden="true"),
                href=one["renewal_url"],
                is_external=True,
                size="2",
                display="inline-flex",
                align_items="center",
                gap=".3rem",
            ),
            class_name="card-foot",
            align_items="center",
        ),
        class_name=joined("edge edge-", one["colour"]),
    )


def _known(one: Any) -> rx.Component:
    return rx.fragment(
        facts(
            fact(t("Expires", "만료일"), show.date_time(one["expires_at"])),
            fact(t("Left", "남은 기간"), _days(one)),
            fact(t("Method", "방식"), one["method"]),
            fact(t("Plan", "요금제"), one["plan"]),
            fact(
                t("Last verified by a request", "요청으로 확인한 시각"),
                show.date_time(one["verified_at"]),
            ),
        ),
        rx.cond(
            one["message"] != "",
            rx.el.p(
                hub_words(one["message"], one["message_ko"]),
                class_name="soft small",
                margin_top=".8rem",
            ),
        ),
        rx.cond(
            one["remedy"] != "",
            rx.el.p(
                hub_words(one["remedy"], one["remedy_ko"]), class_name="small", margin_top=".4rem"
            ),
        ),
    )


def _verify(one: Any) -> rx.Component:
    return rx.button(
        rx.icon("badge-check", size=15, aria_hidden="true"),
        t("Verify now", "지금 확인"),
        on_click=Tokens.verify(one["provider"]),
        loading=Tokens.verifying == one["provider"],
        disabled=Tokens.verifying != "",
        variant="soft",
        aria_label=t(f"Verify now: {one['provider']}", f"지금 확인: {one['provider']}"),
    )
