"""What a provider card shows below its facts: quota windows, and its workers one by one."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.ui import show
from llm_mcp_hub_dashboard.ui.parts import table, th
from llm_mcp_hub_dashboard.ui.text import joined, t


def quota(window: Any) -> rx.Component:
    """One window, and when it begins anew."""
    return rx.el.div(
        rx.el.div(
            rx.el.strong(window["name"]),
            rx.el.span(
                rx.cond(
                    window["used"] == None,  # noqa: E711  # becomes JavaScript
                    window["status"],
                    t(
                        rx.fragment(show.percent(window["used"]), " used"),
                        rx.fragment(show.percent(window["used"]), " 사용"),
                    ),
                )
            ),
            class_name="quota-head",
        ),
        rx.cond(
            window["used"] != None,  # noqa: E711  # becomes JavaScript
            rx.el.div(
                rx.el.div(
                    width=show.width(window["used"]),
                    background=joined("var(--", window["colour"]) + "-9)",
                ),
                class_name="meter",
                aria_hidden="true",
            ),
        ),
        rx.el.span(
            t("Resets ", "초기화: "), show.date_time(window["resets_at"]), class_name="soft small"
        ),
        class_name="quota",
    )


def workers(one: Any) -> rx.Component:
    """A provider's workers, folded away."""
    return rx.el.details(
        rx.el.summary(t("Workers one by one", "워커 목록")),
        rx.el.div(
            table(
                t(f"Workers of {one['name']}", f"{one['name']}의 워커"),
                [
                    th("PID", "number"),
                    th(t("State", "상태")),
                    th(t("Age", "나이"), "number"),
                    th(t("Turns", "요청"), "number"),
                    th(t("Memory", "메모리"), "number"),
                    th(t("CPU time", "CPU 시간"), "number"),
                    th(t("Conversation of", "대화 소유자")),
                ],
                rx.foreach(
                    one["pool"].to(list[dict[str, Any]]),
                    lambda worker: rx.el.tr(
                        rx.el.td(worker["pid"], class_name="number"),
                        rx.el.td(
                            rx.match(
                                worker["state"],
                                ("blank", t("spare", "여유")),
                                ("claimed", t("busy", "사용 중")),
                                ("parked", t("kept for its conversation", "대화용 보관")),
                                t("ending", "종료 중"),
                            )
                        ),
                        rx.el.td(show.seconds(worker["age"]), class_name="number"),
                        rx.el.td(worker["turns"], class_name="number"),
                        rx.el.td(show.megabytes(worker["rss"]), class_name="number"),
                        rx.el.td(show.seconds(worker["cpu"]), class_name="number"),
                        rx.el.td(worker["principal"]),
                    ),
                ),
            ),
            margin_top=".6rem",
        ),
    )
