"""One session: the whole conversation, live while a turn streams, and its end."""

import asyncio
from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.admins import Admin
from llm_mcp_hub_dashboard.server.events import piece, until
from llm_mcp_hub_dashboard.server.rest import Rest, RestError
from llm_mcp_hub_dashboard.ui import show, talk_views, views
from llm_mcp_hub_dashboard.ui.conversation import growing, said
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, act, admin_of, keep
from llm_mcp_hub_dashboard.ui.parts import card, confirm, fact, facts, loaded, nothing
from llm_mcp_hub_dashboard.ui.session import Tab
from llm_mcp_hub_dashboard.ui.text import t

SHOWN = 200
"""So many of the latest messages are shown at first."""
WRITE_SECONDS = 0.15
"""A growing answer is sent to the page at most so often."""


class Conversation(Live, rx.State):
    """The session named by the page's address.

    Attributes:
        gone: Whether it does not exist, or not any more.
        answer: What the running turn has said so far.
        earlier: So many older messages are not shown.
    """

    session: dict[str, Any] = {}
    system: str = ""
    messages: list[dict[str, Any]] = []
    earlier: int = 0
    gone: bool = False
    answer: str = ""
    _shown: int = SHOWN

    @rx.event
    def begin(self) -> None:
        """Forget the session that was shown before."""
        self.phase, self.problem = "loading", ""
        self.session, self.system, self.messages = {}, "", []
        self.answer, self.gone, self.earlier, self._shown = "", False, 0, SHOWN

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep the conversation up to date."""
        async with self:
            name, owner = self._named()
            owner = owner or (await self.get_state(Tab)).admin

        async def load(rest: Rest) -> dict[str, Any]:
            return await load_session(rest, name, owner, self._shown)

        await keep(self, load)

    @rx.event(background=True)
    async def follow(self) -> None:
        """Show the answer of a running turn as it is written."""
        async with self:
            admin = await admin_of(self)
            _, owner = self._named()
        while admin is not None and await admin.pause(0.3):
            turn = self.session.get("running_turn", "")
            if turn:
                await self._write(admin, turn, owner)

    @rx.event
    def show_all(self) -> None:
        """Show all messages from the next look on."""
        self._shown = 1_000_000

    @rx.event(background=True)
    async def force_end(self) -> Any:
        """Delete the session; a turn that runs on it is interrupted."""
        async with self:
            name, owner = self._named()
        done = await act(
            self,
            lambda rest: rest.call("DELETE", f"/v1/sessions/{name}", query={"owner": owner}),
            f"The session {name} was ended and deleted.",
            f"세션 {name}을(를) 종료하고 삭제했습니다.",
        )
        return rx.redirect("/sessions") if done else None

    def _named(self) -> tuple[str, str]:
        named = self.router.url.query_parameters
        return named.get("id", ""), named.get("owner", "")

    async def _write(self, admin: Admin, turn: str, owner: str) -> None:
        text, shown, loop = "", 0.0, asyncio.get_running_loop()
        try:
            async with admin.rest.stream(
                "GET", f"/v1/turns/{turn}/events", None, {}, query={"owner": owner}
            ) as stream:
                async for line in until(admin.ended, stream.aiter_lines()):
                    if (said_now := piece(line)) is None:
                        continue
                    text += said_now.text
                    if loop.time() - shown >= WRITE_SECONDS:
                        shown = loop.time()
                        async with self:
                            self.answer = text
            # What was said is in the session now; the next look shows it there.
            await admin.pause(2.0)
        except RestError:
            await admin.pause(1.0)  # it is over already, or can't be followed
        finally:
            async with self:
                self.answer = ""


async def load_session(rest: Rest, name: str, owner: str, shown: int) -> dict[str, Any]:
    """A session with its latest messages; while its first answer is made, what is known of that."""
    body = await _stored(rest, name, owner)
    if body is None:
        # It is stored with its first answer.
        running = (await rest.shared("/v1/turns"))["data"]
        if (first := views.beginning(running, name, owner)) is not None:
            return {"gone": False, "session": first, "system": "", "earlier": 0, "messages": []}
        # That may have been between the two looks.
        body = await _stored(rest, name, owner)
    if body is None:
        return {"gone": True, "session": {}, "messages": []}
    latest = talk_views.messages(body["messages"], shown)
    return {
        "gone": False,
        "session": views.session(body["session"]),
        "system": body["system"],
        "earlier": len(body["messages"]) - len(latest),
        "messages": latest,
    }


async def _stored(rest: Rest, name: str, owner: str) -> Any:
    try:
        return await rest.get(f"/v1/sessions/{name}", owner=owner)
    except RestError as error:
        if error.status != 404:
            raise
    return None


def session() -> rx.Component:
    """The screen."""
    return screen(
        "/sessions",
        t("Session", "세션"),
        rx.el.p(
            rx.link(
                rx.icon("arrow-left", size=14, aria_hidden="true"),
                t("All sessions", "모든 세션"),
                href="/sessions",
                size="2",
                display="inline-flex",
                align_items="center",
                gap=".3rem",
            ),
            margin_bottom=".8rem",
        ),
        loaded(
            Conversation,
            rx.cond(
                Conversation.gone,
                nothing(
                    "ghost",
                    t("There is no such session", "그런 세션이 없습니다"),
                    t(
                        "It was deleted, has expired, or never was.",
                        "삭제되었거나 만료되었거나 존재한 적이 없습니다.",
                    ),
                ),
                rx.el.div(_about(), _talk(), class_name="stack"),
            ),
        ),
        actions=[rx.cond(Conversation.gone, rx.fragment(), _end())],
    )


def _end() -> rx.Component:
    return confirm(
        rx.button(
            rx.icon("trash-2", size=15, aria_hidden="true"),
            t("Force end", "강제 종료"),
            color_scheme="red",
            variant="soft",
        ),
        t("End and delete this session?", "이 세션을 종료하고 삭제할까요?"),
        t(
            "The conversation is deleted for good. A turn that runs on it is interrupted, and its "
            "caller gets an error.",
            "대화가 완전히 삭제됩니다. 실행 중인 요청은 중단되고 호출자는 오류를 받습니다.",
        ),
        t("End and delete", "종료하고 삭제"),
        Conversation.force_end,
    )


def _about() -> rx.Component:
    one = Conversation.session
    return card(
        facts(
            fact(t("Id", "ID"), rx.el.span(one["id"], class_name="mono")),
            fact(t("Owner", "소유자"), one["owner"]),
            fact(t("Model", "모델"), one["model"]),
            fact(t("Created", "생성"), show.date_time(one["created_at"])),
            fact(t("Last used", "마지막 사용"), show.date_time(one["updated_at"])),
            fact(t("Expires", "만료"), show.date_time(one["expires_at"])),
            fact(t("Messages", "메시지"), show.number(one["messages"])),
            fact(
                t("Tokens in / out", "토큰 입력 / 출력"),
                rx.fragment(
                    show.number(one["input_tokens"]), " / ", show.number(one["output_tokens"])
                ),
            ),
        ),
        rx.cond(
            Conversation.system != "",
            rx.el.details(
                rx.el.summary(t("System prompt", "시스템 프롬프트")),
                rx.el.div(Conversation.system, class_name="plain", margin_top=".5rem"),
                margin_top="1rem",
            ),
        ),
    )


def _talk() -> rx.Component:
    return rx.el.section(
        rx.cond(
            Conversation.earlier > 0,
            rx.button(
                t(
                    f"Show {Conversation.earlier} earlier messages",
                    f"이전 메시지 {Conversation.earlier}개 보기",
                ),
                on_click=Conversation.show_all,
                variant="soft",
                margin_bottom=".8rem",
            ),
        ),
        rx.el.ol(
            rx.foreach(Conversation.messages, said),
            rx.cond(
                Conversation.session["running_turn"] != "",
                growing(Conversation.answer),
            ),
            class_name="talk",
        ),
        aria_label=t("Conversation", "대화"),
    )
