"""Usage: how much, how well and by whom, from the hub's own counts."""

import time
from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui import show, usage_views
from llm_mcp_hub_dashboard.ui.charts import SECONDS, line_chart, pie_chart
from llm_mcp_hub_dashboard.ui.frame import screen
from llm_mcp_hub_dashboard.ui.live import Live, act, keep
from llm_mcp_hub_dashboard.ui.parts import card, figure, loaded, nothing, table, th
from llm_mcp_hub_dashboard.ui.text import t

LOOK_SECONDS = 5.0
BUCKETS = {"hour": 24 * 3600, "day": 30 * 86_400, "week": 12 * 7 * 86_400, "month": 365 * 86_400}
"""How far back is looked with buckets of each size, in seconds."""
GROUPS = "provider,model,access_token"
ZONE = rx.Var("Intl.DateTimeFormat().resolvedOptions().timeZone", _var_type=str)


class Usage(Live, rx.State):
    """What `load` makes of the report.

    Attributes:
        bucket: One of `BUCKETS`.
    """

    bucket: str = "hour"
    totals: dict[str, Any] = {}
    points: list[dict[str, Any]] = []
    by_provider: list[dict[str, Any]] = []
    by_model: list[dict[str, Any]] = []
    by_token: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    _zone: str = "UTC"

    @rx.event
    def settle(self, zone: str) -> None:
        """Take the browser's time zone, in which days begin."""
        self._zone = zone

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep it up to date."""
        await keep(self, self._load, LOOK_SECONDS)

    @rx.event(background=True)
    async def choose(self, bucket: str | list[str]) -> None:
        """Choose how long buckets are."""
        if isinstance(bucket, str) and bucket in BUCKETS:
            async with self:
                self.bucket = bucket
            await keep(self, self._load, 0)

    @rx.event(background=True)
    async def export(self) -> Any:
        """Download what is shown as CSV, from the same route of the REST API."""
        async with self:
            query = {**self._query(), "format": "csv"}
            name = f"usage-{self.bucket}.csv"
        text = await act(self, lambda rest: rest.get("/v1/usage", **query))
        return rx.download(data=text, filename=name) if text else None

    def _query(self) -> dict[str, Any]:
        return {
            "bucket": self.bucket,
            "from": int(time.time()) - BUCKETS[self.bucket],
            "tz": self._zone,
        }

    async def _load(self, rest: Rest) -> dict[str, Any]:
        return await load(rest, {**self._query(), "group_by": GROUPS})


async def load(rest: Rest, query: dict[str, Any]) -> dict[str, Any]:
    """The report as charts."""
    body = await rest.shared("/v1/usage", **query)
    groups = body["groups"]
    return {
        "totals": usage_views.figures(body["total"]),
        "points": usage_views.lines(body["data"]),
        "by_provider": usage_views.shares(groups, "provider"),
        "by_model": usage_views.shares(groups, "model", "tokens"),
        "by_token": usage_views.shares(groups, "access_token", "tokens"),
        "errors": usage_views.errors(body["total"]),
    }


def usage() -> rx.Component:
    """The screen."""
    return screen(
        "/usage",
        t("Usage", "사용량"),
        rx.el.div(on_mount=Usage.settle(ZONE)),
        rx.segmented_control.root(
            rx.segmented_control.item(t("Hours", "시간"), value="hour"),
            rx.segmented_control.item(t("Days", "일"), value="day"),
            rx.segmented_control.item(t("Weeks", "주"), value="week"),
            rx.segmented_control.item(t("Months", "월"), value="month"),
            value=Usage.bucket,
            on_change=Usage.choose,
            margin_bottom="1rem",
            aria_label=t("Length of a bucket", "기간 단위"),
        ),
        loaded(
            Usage,
            _figures(),
            rx.cond(
                Usage.totals["requests"] == 0,
                card(
                    nothing(
                        "chart-line",
                        t("No requests in this time", "이 기간에 요청이 없습니다"),
                        t(
                            "Every request is counted, whatever became of it.",
                            "모든 요청은 결과와 상관없이 집계됩니다.",
                        ),
                    )
                ),
                _charts(),
            ),
        ),
        actions=[
            rx.button(
                rx.icon("download", size=15, aria_hidden="true"),
                t("Export CSV", "CSV 내보내기"),
                on_click=Usage.export,
                variant="soft",
            )
        ],
    )


def _figures() -> rx.Component:
    totals = Usage.totals
    return rx.el.div(
        figure(
            t("Requests", "요청"),
            show.number(totals["requests"]),
            below=t("in this time", "이 기간 전체"),
        ),
        figure(
            t("Error rate", "오류율"),
            show.percent(totals["error_rate"]),
            below=t(
                rx.fragment(show.number(totals["failed"]), " failed"),
                rx.fragment("실패 ", show.number(totals["failed"])),
            ),
        ),
        figure(t("Response time", "응답 시간"), show.seconds(totals["mean"]), below=_p95("p95")),
        figure(t("First token", "첫 토큰"), show.seconds(totals["first"]), below=_p95("first_p95")),
        figure(
            t("Tokens in", "입력 토큰"),
            show.short_number(totals["tokens_in"]),
            below=_per_request("tokens_in"),
        ),
        figure(
            t("Tokens out", "출력 토큰"),
            show.short_number(totals["tokens_out"]),
            below=_per_request("tokens_out"),
        ),
        class_name="figures",
    )


def _p95(name: str) -> rx.Component:
    return rx.fragment(t("mean · p95 ", "평균 · p95 "), show.seconds(Usage.totals[name]))


def _per_request(name: str) -> rx.Var[Any]:
    each = show.average(Usage.totals[name], Usage.totals["requests"])
    return rx.fragment(t("", "요청당 "), each, t(" per request", ""))


def _charts() -> rx.Component:
    return rx.el.div(
        line_chart(
            t("Requests", "요청"),
            Usage.points,
            Usage.bucket,
            [
                ("requests", t("Requests", "요청"), "teal", "0"),
                ("failed", t("Errors", "오류"), "red", "6 3"),
            ],
        ),
        line_chart(
            t("Response time", "응답 시간"),
            Usage.points,
            Usage.bucket,
            [
                ("p95", "p95", "violet", "0"),
                ("mean", t("Mean", "평균"), "teal", "6 3"),
                ("first", t("First token", "첫 토큰"), "amber", "2 3"),
            ],
            SECONDS,
        ),
        line_chart(
            t("Error rate", "오류율"),
            Usage.points,
            Usage.bucket,
            [("error_percent", t("Error rate (%)", "오류율 (%)"), "red", "0")],
            " %",
        ),
        pie_chart(t("Requests by provider", "제공자별 요청"), Usage.by_provider),
        pie_chart(t("Tokens by model", "모델별 토큰"), Usage.by_model),
        pie_chart(t("Tokens by access token", "접근 토큰별 토큰"), Usage.by_token),
        rx.cond(
            Usage.errors.length() > 0,
            card(
                rx.el.div(rx.el.h2(t("Errors by kind", "오류 종류")), class_name="card-head"),
                table(
                    t("Errors by kind", "오류 종류"),
                    [th(t("Code", "코드")), th(t("Count", "횟수"), "number")],
                    rx.foreach(
                        Usage.errors,
                        lambda one: rx.el.tr(
                            rx.el.td(rx.el.code(one["code"], class_name="mono")),
                            rx.el.td(show.number(one["count"]), class_name="number"),
                        ),
                    ),
                ),
            ),
        ),
        class_name="halves",
    )
