"""Sessions: find one among thousands."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui import show, views
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, keep
from llm_mcp_hub_dashboard.ui.parts import field, loaded, nothing, table, th
from llm_mcp_hub_dashboard.ui.text import t

PAGE = 50
SORTS = ("last_used", "created", "messages", "tokens")
LOOK_SECONDS = 3.0


class Sessions(Live, rx.State):
    """A page of the list.

    Attributes:
        words: What is searched for.
        sort: One of `SORTS`.
        page: Number of the page, from 1.
    """

    sessions: list[dict[str, Any]] = []
    words: str = ""
    sort: str = "last_used"
    ascending: bool = False
    page: int = 1
    has_more: bool = False
    _cursors: list[str] = [""]
    _next: str = ""

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep the page up to date."""

        async def load(rest: Rest) -> dict[str, Any]:
            return await load_page(rest, self)

        await keep(self, load, LOOK_SECONDS)

    @rx.event
    def search(self, words: str) -> Any:
        """Look for words."""
        self.words = words[:200]
        return self._from_the_start()

    @rx.event
    def order(self, sort: str) -> Any:
        """Order by a column, or the other way round if it is so already."""
        if sort in SORTS:
            self.ascending = not self.ascending if sort == self.sort else False
            self.sort = sort
        return self._from_the_start()

    @rx.event
    def forward(self) -> Any:
        """The next page."""
        if self._next:
            self._cursors = [*self._cursors, self._next]
        return self._turned()

    @rx.event
    def back(self) -> Any:
        """The page before."""
        self._cursors = self._cursors[:-1] or [""]
        return self._turned()

    @rx.event(background=True)
    async def look(self) -> None:
        """Load the page at once."""

        async def load(rest: Rest) -> dict[str, Any]:
            return await load_page(rest, self)

        await keep(self, load, 0)

    def _from_the_start(self) -> Any:
        self._cursors = [""]
        return self._turned()

    def _turned(self) -> Any:
        self.page = len(self._cursors)
        return Sessions.look


async def load_page(rest: Rest, state: Sessions) -> dict[str, Any]:
    """The page that the state asks for."""
    asked = (state.words, state.sort, state.ascending, state._cursors[-1])  # noqa: SLF001
    words, sort, ascending, cursor = asked
    body = await rest.get(
        "/v1/sessions",
        all="true",
        limit=PAGE,
        q=words,
        sort=sort,
        order="asc" if ascending else "desc",
        cursor=cursor,
    )
    if asked != (state.words, state.sort, state.ascending, state._cursors[-1]):  # noqa: SLF001
        return {}  # another page is wanted by now, and on its way
    return {
        "sessions": [
            {
                **views.session(one),
                "href": views.session_link(one["id"], one["owner"]),
            }
            for one in body["data"]
        ],
        "has_more": body["next_cursor"] is not None,
        "_next": body["next_cursor"] or "",
    }


def sessions() -> rx.Component:
    """The screen."""
    return screen(
        "/sessions",
        t("Sessions", "세션"),
        rx.el.div(
            rx.el.div(
                field(
                    t("Search id, owner, model or title", "ID, 소유자, 모델, 제목 검색"),
                    rx.debounce_input(
                        rx.input(
                            value=Sessions.words,
                            on_change=Sessions.search,
                            type="search",
                            id="search",
                            max_length=200,
                        ),
                        debounce_timeout=300,
                    ),
                    "search",
                ),
                class_name="grow",
            ),
            class_name="toolbar",
            margin_bottom="1rem",
        ),
        loaded(
            Sessions,
            rx.cond(
                Sessions.sessions.length() == 0,
                rx.cond(Sessions.words != "", _no_match(), _none_yet()),
                rx.el.div(_table(), _pager(), class_name="stack"),
            ),
            lines=6,
        ),
    )


def _no_match() -> rx.Component:
    return nothing(
        "search-x",
        t("Nothing found", "검색 결과가 없습니다"),
        t(
            f"No session has “{Sessions.words}” in its id, owner, model or title.",
            f"ID, 소유자, 모델, 제목에 “{Sessions.words}”이(가) 있는 세션이 없습니다.",
        ),
        rx.button(
            t("Clear the search", "검색 지우기"),
            on_click=[Sessions.search(""), rx.set_focus("search")],
            variant="soft",
        ),
    )


def _none_yet() -> rx.Component:
    return nothing(
        "messages-square",
        t("No session yet", "아직 세션이 없습니다"),
        t(
            "A session begins with the first answered request, unless it says "
            "`X-Session-ID: none`.",
            "`X-Session-ID: none`이 아닌 첫 요청에 응답하면 세션이 시작됩니다.",
        ),
    )


def _sortable(name: str, text: Any, kind: str = "") -> rx.Component:
    chosen = Sessions.sort == name
    return rx.el.th(
        rx.el.button(
            text,
            rx.cond(
                chosen,
                rx.cond(
                    Sessions.ascending,
                    rx.icon("arrow-up", size=13, aria_hidden="true"),
                    rx.icon("arrow-down", size=13, aria_hidden="true"),
                ),
                rx.icon("chevrons-up-down", size=13, aria_hidden="true"),
            ),
            on_click=Sessions.order(name),
            class_name="sort",
            type="button",
        ),
        aria_sort=rx.cond(chosen, rx.cond(Sessions.ascending, "ascending", "descending"), "none"),
        scope="col",
        class_name=kind,
    )


def _table() -> rx.Component:
    return table(
        t("Sessions", "세션"),
        [
            th(t("Session", "세션")),
            th(t("Owner", "소유자")),
            th(t("Model", "모델")),
            _sortable("created", t("Created", "생성")),
            _sortable("last_used", t("Last used", "마지막 사용")),
            _sortable("messages", t("Messages", "메시지"), "number"),
            _sortable("tokens", t("Tokens", "토큰"), "number"),
        ],
        rx.foreach(Sessions.sessions, _row),
    )


def _row(one: Any) -> rx.Component:
    return rx.el.tr(
        rx.el.td(
            rx.link(
                rx.cond(one["title"] != "", one["title"], one["id"]),
                href=one["href"],
                size="2",
            ),
            rx.cond(
                one["running_turn"] != "",
                rx.badge(t("answering", "답변 중"), color_scheme="teal", margin_left=".5rem"),
            ),
            rx.el.div(rx.el.span(one["id"], class_name="mono soft small")),
        ),
        rx.el.td(one["owner"]),
        rx.el.td(one["model"]),
        rx.el.td(show.date_time(one["created_at"]), class_name="nowrap"),
        rx.el.td(show.date_time(one["updated_at"]), class_name="nowrap"),
        rx.el.td(show.number(one["messages"]), class_name="number"),
        rx.el.td(show.number(one["tokens"]), class_name="number"),
    )


def _pager() -> rx.Component:
    return rx.el.nav(
        rx.button(
            t("Previous", "이전"),
            on_click=Sessions.back,
            disabled=Sessions.page == 1,
            variant="soft",
        ),
        rx.el.span(
            t(f"Page {Sessions.page}", f"{Sessions.page}쪽"), class_name="soft small numbers"
        ),
        rx.button(
            t("Next", "다음"),
            on_click=Sessions.forward,
            disabled=~Sessions.has_more,
            variant="soft",
        ),
        class_name="pager",
        aria_label=t("Pages", "쪽"),
    )
