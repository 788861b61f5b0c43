"""Showing what was said, safely.

Guarantee: whatever a message contains, no script runs and nothing is fetched from elsewhere.
Markdown is rendered without its HTML, which appears as the text it is; links that are no web
addresses lose their target; pictures in Markdown are not shown; pictures of messages are data of
four known types. Calls of tools and their results are plain text, folded.
"""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.ui import show
from llm_mcp_hub_dashboard.ui.text import t


def words(text: Any) -> rx.Component:
    """Markdown."""
    return rx.el.div(
        rx.markdown(
            text,
            use_raw=False,
            use_math=False,
            use_katex=False,
            component_map={
                "pre": lambda value, **props: rx.el.pre(rx.el.code(value), tab_index=0),  # noqa: ARG005  # the language is not shown
                "code": rx.el.code,
                "p": rx.el.p,
                "a": lambda value: rx.el.a(
                    value, target="_blank", rel="noopener noreferrer nofollow"
                ),
                "img": rx.el.span,
                "ul": rx.el.ul,
                "ol": rx.el.ol,
                "li": rx.el.li,
                # Below the page's own headings.
                **{f"h{level}": rx.el.h3 for level in range(1, 7)},
            },
        ),
        class_name="words",
    )


def said(message: Any) -> rx.Component:
    """One message."""
    return rx.el.li(
        rx.el.div(
            rx.el.strong(role_word(message["role"])),
            rx.cond(
                message["created_at"],
                rx.el.span(show.date_time(message["created_at"])),
            ),
            class_name="said-head",
        ),
        rx.foreach(message["parts"].to(list[dict[str, Any]]), _part),
        class_name=rx.cond(message["role"] == "user", "said said-user", "said"),
    )


def growing(text: Any, reasoning: Any = "") -> rx.Component:
    """An answer that is being written."""
    return rx.el.li(
        rx.el.div(
            rx.el.strong(role_word("assistant")),
            rx.el.span(t("answering…", "답변하는 중…"), role="status"),
            class_name="said-head",
        ),
        rx.cond(reasoning != "", thought(reasoning)),
        words(text),
        rx.el.span(class_name="caret", aria_hidden="true"),
        class_name="said",
    )


def thought(reasoning: Any) -> rx.Component:
    """What the model thought, folded away."""
    return rx.el.details(
        rx.el.summary(t("Reasoning", "추론 과정")),
        rx.el.div(reasoning, class_name="plain soft", margin_top=".4rem"),
        margin_bottom=".5rem",
    )


def role_word(role: Any) -> rx.Component:
    """Who spoke."""
    return rx.match(
        role,
        ("user", t("User", "사용자")),
        ("assistant", t("Assistant", "어시스턴트")),
        t("Tool", "도구"),
    )


def _part(part: Any) -> rx.Component:
    return rx.match(
        part["kind"],
        ("text", words(part["text"].to(str))),
        (
            "image",
            rx.el.img(
                src=part["text"].to(str),
                alt=t("Picture in this message", "이 메시지의 이미지"),
                class_name="picture",
            ),
        ),
        ("call", _folded(part, "wrench", t("Call of", "도구 호출"))),
        (
            "result",
            _folded(
                part,
                "corner-down-right",
                rx.cond(
                    part["failed"],
                    t("Failure of", "도구 실패"),
                    t("Result of", "도구 결과"),
                ),
            ),
        ),
        rx.el.div(rx.el.strong(part["label"].to(str), class_name="mono")),
    )


def _folded(part: Any, icon: str, what: Any) -> rx.Component:
    """A tool's name and a glance at what it was given or gave, and all of it unfolded."""
    return rx.el.details(
        rx.el.summary(
            rx.icon(icon, size=13, aria_hidden="true"),
            rx.el.span(what),
            rx.el.strong(part["label"].to(str), class_name="mono"),
            rx.el.span(part["glance"].to(str), class_name="soft mono glance"),
        ),
        rx.el.p(t("Call", "호출"), " ", part["call"].to(str), class_name="soft mono"),
        rx.el.pre(part["text"].to(str), tab_index=0),
        class_name=rx.cond(part["failed"], "tool tool-failed", "tool"),
    )
