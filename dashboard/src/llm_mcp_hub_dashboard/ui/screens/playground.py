"""Playground: a talk with any model, streamed, that is stored nowhere."""

import asyncio
import time
from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.events import piece, until
from llm_mcp_hub_dashboard.server.rest import Rest, RestError, SignedOutError
from llm_mcp_hub_dashboard.ui import korean, show, views
from llm_mcp_hub_dashboard.ui.conversation import growing, role_word, thought, words
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, admin_of, keep
from llm_mcp_hub_dashboard.ui.parts import field, loaded, note, nothing
from llm_mcp_hub_dashboard.ui.talk_views import entry_of, request_for
from llm_mcp_hub_dashboard.ui.text import hub_words, t

WRITE_SECONDS = 0.1
"""A growing answer is sent to the page at most so often."""
LOOK_SECONDS = 15.0
NOT_STORED = {"x-session-id": "none"}

_stops: dict[str, asyncio.Event] = {}
"""By tab: set to end the answer that is being written."""


class Playground(Live, rx.State):
    """The talk of one tab.

    Attributes:
        model: The one that was chosen, or the talk began with.
        default: The one that is asked otherwise.
        talk: Each with `role`, `text`, `reasoning`, `figures` and `problem`.
        answer: What the model has said so far; `answering` tells whether it goes on.
    """

    models: list[str] = []
    model: str = ""
    default: str = ""
    system: str = ""
    talk: list[dict[str, Any]] = []
    answering: bool = False
    answer: str = ""
    reasoning: str = ""

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep the list of models up to date."""
        await keep(self, load, LOOK_SECONDS)

    @rx.event
    def choose(self, model: str) -> None:
        """Choose a model."""
        self.model = model

    @rx.event
    def instruct(self, system: str) -> None:
        """Set the system prompt."""
        self.system = system

    @rx.event
    def clear(self) -> None:
        """Begin anew."""
        self.talk = []

    @rx.event
    def stop(self) -> None:
        """End the answer that is being written."""
        if (stop := _stops.get(self.router.session.client_token)) is not None:
            stop.set()

    @rx.event(background=True)
    async def send(self, form: dict[str, Any]) -> None:
        """Say something, and show the answer as it comes."""
        text = str(form.get("text", "")).strip()
        async with self:
            if self.answering or not text:
                return
            admin = await admin_of(self)
            if admin is None:
                return
            self.model = self.model or self.default
            tab = self.router.session.client_token
            self.talk = [*self.talk, entry_of("user", text)]
            self.answering, self.answer, self.reasoning = True, "", ""
            body = request_for(self.model, self.system, self.talk)
        stop = _stops[tab] = asyncio.Event()
        entry = entry_of("assistant", "")
        try:
            entry = await self._answer(admin.rest, body, stop)
        except SignedOutError:
            await admin.end()
        finally:
            _stops.pop(tab, None)
            async with self:
                self.talk = [*self.talk, entry]
                self.answering, self.answer, self.reasoning = False, "", ""

    async def _answer(
        self, rest: Rest, body: dict[str, Any], stop: asyncio.Event
    ) -> dict[str, Any]:
        text = reasoning = problem = code = ""
        usage: dict[str, Any] | None = None
        begun, first, shown = time.monotonic(), None, 0.0
        try:
            async with rest.stream("POST", "/v1/chat/completions", body, NOT_STORED) as stream:
                async for line in until(stop, stream.aiter_lines()):
                    if (said := piece(line)) is None:
                        continue
                    text, reasoning = text + said.text, reasoning + said.reasoning
                    problem, usage = said.error or problem, said.usage or usage
                    now = time.monotonic()
                    if first is None and (said.text or said.reasoning):
                        first = now - begun
                    if now - shown >= WRITE_SECONDS:
                        shown = now
                        async with self:
                            self.answer, self.reasoning = text, reasoning
        except SignedOutError:
            raise
        except RestError as error:
            problem, code = error.message, error.code
        return entry_of(
            "assistant",
            text,
            reasoning=reasoning,
            problem=problem,
            problem_ko=korean.error(code, problem),
            stopped=stop.is_set(),
            first=first,
            seconds=time.monotonic() - begun,
            tokens=usage["completion_tokens"] if usage else None,
        )


async def load(rest: Rest) -> dict[str, Any]:
    """The models."""
    models = [one["id"] for one in (await rest.shared("/v1/models"))["data"]]
    providers = (await rest.shared("/v1/providers"))["data"]
    return {"models": models, "default": views.default_model(models, providers)}


def playground() -> rx.Component:
    """The screen."""
    return screen(
        "/playground",
        t("Playground", "플레이그라운드"),
        loaded(
            Playground,
            rx.el.div(
                field(
                    t("Model", "모델"),
                    rx.select(
                        Playground.models,
                        value=rx.cond(Playground.model != "", Playground.model, Playground.default),
                        on_change=Playground.choose,
                        id="model",
                        size="2",
                    ),
                    "model",
                ),
                rx.el.div(
                    rx.el.details(
                        rx.el.summary(t("System prompt", "시스템 프롬프트")),
                        rx.text_area(
                            default_value=Playground.system,
                            on_blur=Playground.instruct,
                            aria_label=t("System prompt", "시스템 프롬프트"),
                            rows="3",
                            margin_top=".4rem",
                        ),
                    ),
                    class_name="grow",
                ),
                class_name="toolbar",
            ),
            rx.cond(
                (Playground.talk.length() == 0) & ~Playground.answering,
                nothing(
                    "square-terminal",
                    t("Say something to a model", "모델에게 말을 걸어 보세요"),
                    t(
                        "This talk is kept in this tab only, and no session is stored.",
                        "이 대화는 이 탭에만 남고 세션으로 저장되지 않습니다.",
                    ),
                ),
                rx.el.ol(
                    rx.foreach(Playground.talk, _said),
                    rx.cond(Playground.answering, growing(Playground.answer, Playground.reasoning)),
                    class_name="talk",
                    aria_label=t("Conversation", "대화"),
                ),
            ),
            _composer(),
        ),
        actions=[
            rx.button(
                t("Clear", "지우기"),
                on_click=Playground.clear,
                variant="soft",
                color_scheme="gray",
                disabled=Playground.answering | (Playground.talk.length() == 0),
            )
        ],
    )


def _said(one: Any) -> rx.Component:
    return rx.el.li(
        rx.el.div(rx.el.strong(role_word(one["role"])), class_name="said-head"),
        rx.cond(one["reasoning"] != "", thought(one["reasoning"])),
        words(one["text"]),
        rx.cond(
            one["problem"] != "",
            note(
                "red",
                "circle-alert",
                hub_words(one["problem"], one["problem_ko"]),
                margin_top=".5rem",
            ),
        ),
        rx.cond(
            one["stopped"],
            rx.el.p(t("Stopped.", "중지했습니다."), class_name="soft small", margin_top=".5rem"),
        ),
        rx.cond(
            one["seconds"],
            rx.el.p(
                t("First word ", "첫 단어 "),
                show.seconds(one["first"]),
                t(" · in all ", " · 전체 "),
                show.seconds(one["seconds"]),
                rx.cond(
                    one["tokens"],
                    rx.fragment(" · ", show.number(one["tokens"]), t(" tokens", " 토큰")),
                ),
                class_name="soft small numbers",
                margin_top=".5rem",
            ),
        ),
        class_name=rx.cond(one["role"] == "user", "said said-user", "said"),
    )


def _composer() -> rx.Component:
    return rx.el.div(
        rx.form(
            rx.el.div(
                rx.text_area(
                    name="text",
                    id="message",
                    placeholder=t("Your message", "메시지"),
                    aria_label=t("Your message", "메시지"),
                    rows="2",
                    enter_key_submit=True,
                ),
                rx.el.div(
                    rx.el.span(
                        t(
                            "Enter sends, Shift+Enter makes a new line.",
                            "Enter로 보내고 Shift+Enter로 줄을 바꿉니다.",
                        ),
                        class_name="soft small wide",
                    ),
                    rx.el.span(),
                    rx.cond(
                        Playground.answering,
                        rx.button(
                            rx.icon("square", size=14, aria_hidden="true"),
                            t("Stop", "중지"),
                            on_click=Playground.stop,
                            type="button",
                            color_scheme="red",
                            variant="soft",
                        ),
                        rx.button(
                            rx.icon("send", size=14, aria_hidden="true"),
                            t("Send", "보내기"),
                            type="submit",
                            disabled=Playground.models.length() == 0,
                        ),
                    ),
                    class_name="spread",
                ),
                class_name="composer-box",
            ),
            on_submit=Playground.send,
            reset_on_submit=True,
        ),
        class_name="composer",
    )
