"""The pieces that screens are made of."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.ui.text import coded, hub_words, joined, t


def card(*children: Any, **props: Any) -> rx.Component:
    """A panel."""
    classes = props.pop("class_name", "")
    return rx.el.section(*children, class_name=joined("card ", classes), **props)


def fact(name: Any, value: Any) -> rx.Component:
    """A name and a value, inside of `facts`."""
    return rx.el.div(rx.el.dt(name), rx.el.dd(value, class_name="numbers"))


def facts(*children: Any) -> rx.Component:
    """Names and values, side by side where there is room."""
    return rx.el.dl(*children, class_name="facts")


def figure(name: Any, value: Any, of: Any = "", below: Any = None) -> rx.Component:
    """One large number, with what it is part of beside it, or what more there is to say below."""
    more = [] if below is None else [rx.el.dd(below, class_name="below numbers")]
    return rx.el.div(
        rx.el.dl(
            rx.el.dt(name),
            rx.el.dd(value, rx.el.span(of, class_name="of"), class_name="numbers"),
            *more,
            class_name="figure",
        ),
        class_name="card",
    )


def dot(colour: Any) -> rx.Component:
    """A coloured dot; what it means must stand beside it."""
    return rx.el.span(class_name=joined("dot dot-", colour), aria_hidden="true")


def note(colour: Any, icon: str, *children: Any, **props: Any) -> rx.Component:
    """A remark in a box: `red`, `amber`, `green` or `gray`."""
    return rx.el.div(
        rx.icon(icon, size=16, aria_hidden="true"),
        rx.el.div(*children, min_width="0"),
        class_name=joined("note note-", colour),
        **props,
    )


def nothing(icon: str, title: Any, hint: Any = "", *actions: Any) -> rx.Component:
    """What is shown where there is nothing yet: what would be here, and how it comes."""
    return rx.el.div(
        rx.icon(icon, size=28, aria_hidden="true"),
        rx.el.strong(title),
        rx.el.p(coded(hint)),
        *actions,
        class_name="nothing",
    )


def loading(lines: int = 3) -> rx.Component:
    """A place holder while the first answer is awaited."""
    return rx.el.div(
        rx.el.span(t("Loading", "불러오는 중"), class_name="unseen"),
        *[rx.skeleton(height="4.5rem", width="100%") for _ in range(lines)],
        class_name="stack",
        role="status",
    )


def problem(message: Any, korean: Any, retry: Any = None) -> rx.Component:
    """What went wrong, in the hub's words, and a way to try again."""
    return note(
        "red",
        "circle-alert",
        rx.el.p(t("The hub could not answer.", "허브가 응답하지 못했습니다."), font_weight="600"),
        rx.el.p(hub_words(message, korean)),
        *(
            [rx.button(t("Try again", "다시 시도"), on_click=retry, size="1", margin_top=".5rem")]
            if retry is not None
            else []
        ),
        role="alert",
    )


def loaded(state: Any, *content: Any, lines: int = 3) -> rx.Component:
    """The content of a live state, or what stands in its place until it is there."""
    return rx.match(
        state.phase,
        (
            "ready",
            rx.el.div(
                rx.cond(
                    state.problem != "",
                    note(
                        "amber",
                        "wifi-off",
                        t("Not up to date: ", "최신 상태가 아닙니다: "),
                        hub_words(state.problem, state.problem_ko),
                        role="status",
                    ),
                ),
                *content,
                class_name="stack",
            ),
        ),
        ("failed", problem(state.problem, state.problem_ko, state.watch)),
        loading(lines),
    )


def confirm(
    trigger: rx.Component, title: Any, text: Any, action: Any, on_confirm: Any
) -> rx.Component:
    """A button whose action must be confirmed."""
    return rx.alert_dialog.root(
        rx.alert_dialog.trigger(trigger),
        rx.alert_dialog.content(
            rx.alert_dialog.title(title, size="4"),
            rx.alert_dialog.description(text, size="2"),
            rx.flex(
                rx.alert_dialog.cancel(
                    rx.button(t("Cancel", "취소"), variant="soft", color_scheme="gray")
                ),
                rx.alert_dialog.action(rx.button(action, color_scheme="red", on_click=on_confirm)),
                spacing="3",
                justify="end",
                margin_top="1rem",
            ),
            max_width="28rem",
        ),
    )


def set_up_hint(name: Any) -> rx.Component:
    """What to do with a provider that is not set up."""
    return rx.el.p(
        t("To use it, log in: ", "사용하려면 로그인하세요: "),
        rx.el.code(joined("llm-mcp-hub setup ", name), class_name="mono"),
    )


def field(label: Any, control: rx.Component, name: str) -> rx.Component:
    """A labelled form control; `name` is the control's id."""
    return rx.el.div(rx.el.label(label, html_for=name), control, class_name="field")


def table(label: Any, head: list[Any], body: Any) -> rx.Component:
    """A table that scrolls by itself where it is too wide, also by keyboard."""
    return rx.el.div(
        rx.el.table(rx.el.thead(rx.el.tr(*head)), rx.el.tbody(body), class_name="list"),
        class_name="table-wrap",
        role="region",
        aria_label=label,
        tab_index=0,
    )


def th(text: Any, kind: str = "") -> rx.Component:
    """The head of a column; `number` puts it to the right."""
    return rx.el.th(text, class_name=kind, scope="col")
