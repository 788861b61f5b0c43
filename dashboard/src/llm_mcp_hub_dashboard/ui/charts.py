"""Charts, each with the same numbers as a table for those who can't see it."""

from typing import Any

import reflex as rx
from reflex.vars import FunctionStringVar, VarData

from llm_mcp_hub_dashboard.ui import show
from llm_mcp_hub_dashboard.ui.parts import card
from llm_mcp_hub_dashboard.ui.text import LOCALE, t

NEAR = FunctionStringVar.create(
    f"((s) => new Date(s * 1000).toLocaleString({LOCALE}, "
    "{dateStyle: 'medium', timeStyle: 'short'}))",
    _var_data=LOCALE._get_all_var_data(),  # noqa: SLF001  # how Vars are made of Vars
)

SECONDS = " s"
DURATION = FunctionStringVar.create(
    "((s) => s > 0 && s < 1 ? Number((s * 1000).toFixed(1)) + ' ms' : Number(s.toFixed(1)) + ' s')"
)


def ticks(bucket: rx.Var[Any]) -> FunctionStringVar[Any]:
    """How points in time stand below a chart whose buckets are as long as `bucket` says."""
    return FunctionStringVar.create(
        f"((s) => new Date(s * 1000).toLocaleString({LOCALE}, {bucket} === 'hour' "
        f"? {{hour: '2-digit', minute: '2-digit'}} : {bucket} === 'month' "
        "? {year: 'numeric', month: 'short'} : {month: 'short', day: 'numeric'}))",
        _var_data=VarData.merge(LOCALE._get_all_var_data(), bucket._get_all_var_data()),  # noqa: SLF001  # how Vars are made of Vars
    )


def line_chart(
    title: Any, data: Any, bucket: Any, series: list[tuple[str, Any, str, str]], unit: str = ""
) -> rx.Component:
    """Lines over time.

    Args:
        title: What it shows.
        data: Points with `start` in Unix seconds.
        bucket: How far they are from each other: `hour`, `day`, `week` or `month`.
        series: Of each line the key, the name, the colour and the dashes.
        unit: Stands behind the numbers of the axis.
    """
    return card(
        rx.el.div(rx.el.h2(title), class_name="card-head"),
        rx.el.div(
            rx.recharts.line_chart(
                rx.recharts.cartesian_grid(stroke="var(--gray-5)", vertical=False),
                *[
                    rx.recharts.line(
                        data_key=key,
                        name=name,
                        stroke=f"var(--{colour}-10)",
                        stroke_dasharray=dashes,
                        stroke_width=2,
                        type_="monotone",
                        # Solid also where the line has dashes: one point alone is all of it.
                        dot={"r": 2, "fill": f"var(--{colour}-10)", "strokeDasharray": "0"},
                        connect_nulls=True,
                        is_animation_active=False,
                    )
                    for key, name, colour, dashes in series
                ],
                rx.recharts.x_axis(
                    data_key="start",
                    tick_formatter=ticks(bucket),
                    min_tick_gap=40,
                    stroke="var(--gray-9)",
                    tick_line=False,
                ),
                rx.recharts.y_axis(
                    width=60,
                    **({"tick_formatter": DURATION} if unit == SECONDS else {"unit": unit}),
                    allow_decimals=unit != "",
                    stroke="var(--gray-9)",
                    tick_line=False,
                    axis_line=False,
                ),
                rx.recharts.graphing_tooltip(label_formatter=NEAR),
                rx.recharts.legend(),
                data=data,
                width="100%",
                height=260,
            ),
            class_name="chart",
            role="img",
            aria_label=title,
        ),
        _numbers(
            title,
            [t("From", "시작"), *[name for _, name, _, _ in series]],
            rx.foreach(
                data,
                lambda point: rx.el.tr(
                    rx.el.td(show.date_time(point["start"]), class_name="nowrap"),
                    *[
                        rx.el.td(show.number(point[key]), class_name="number")
                        for key, _, _, _ in series
                    ],
                ),
            ),
        ),
    )


def pie_chart(title: Any, data: Any) -> rx.Component:
    """Shares of a whole, with their names and numbers beside it."""
    return card(
        rx.el.div(rx.el.h2(title), class_name="card-head"),
        rx.cond(
            data.length() == 0,
            rx.el.p("–", class_name="soft"),
            rx.el.div(
                rx.el.div(
                    rx.recharts.pie_chart(
                        rx.recharts.pie(
                            data=data,
                            data_key="value",
                            name_key="name",
                            inner_radius="58%",
                            outer_radius="92%",
                            start_angle=90,
                            end_angle=-270,
                            stroke="var(--color-panel-solid)",
                            is_animation_active=False,
                        ),
                        rx.recharts.graphing_tooltip(),
                        width="100%",
                        height=200,
                    ),
                    role="img",
                    aria_label=title,
                    flex="1 1 11rem",
                    min_width="0",
                ),
                rx.el.ul(
                    rx.foreach(
                        data,
                        lambda slice_: rx.el.li(
                            rx.el.span(
                                width=".75rem",
                                height=".75rem",
                                border_radius="3px",
                                background=slice_["fill"],
                                flex="none",
                                aria_hidden="true",
                            ),
                            rx.el.span(slice_["name"], class_name="line-text"),
                            rx.el.span(
                                show.number(slice_["value"]),
                                " · ",
                                show.percent(slice_["share"]),
                                class_name="numbers soft",
                            ),
                        ),
                    ),
                    class_name="lines",
                    flex="1 1 14rem",
                    min_width="0",
                ),
                display="flex",
                flex_wrap="wrap",
                gap="1rem",
                align_items="center",
            ),
        ),
    )


def _numbers(title: Any, names: list[Any], rows: Any) -> rx.Component:
    return rx.el.details(
        rx.el.summary(t("The numbers", "숫자로 보기")),
        rx.el.div(
            rx.el.table(
                rx.el.caption(title, class_name="unseen"),
                rx.el.thead(
                    rx.el.tr(
                        *[
                            rx.el.th(name, scope="col", class_name="" if index == 0 else "number")
                            for index, name in enumerate(names)
                        ]
                    )
                ),
                rx.el.tbody(rows),
                class_name="list",
            ),
            class_name="table-wrap",
            max_height="18rem",
            overflow_y="auto",
            tab_index=0,
            role="region",
            aria_label=title,
            margin_top=".6rem",
        ),
    )
