"""Values as the admin's browser shows them: in its time zone and the chosen language."""

from typing import Any

import reflex as rx
from reflex.vars import VarData

from llm_mcp_hub_dashboard.ui.text import LOCALE


def _js(expression: str, *values: rx.Var[Any]) -> rx.Var[Any]:
    """A JavaScript expression with `{0}`, `{1}`, … for values."""
    merged = VarData.merge(*[value._get_all_var_data() for value in values])  # noqa: SLF001  # how Vars are made of Vars
    return rx.Var(expression.format(*values), _var_type=str, _var_data=merged)


def date_time(seconds: Any) -> rx.Var[Any]:
    """Unix seconds as a date and a time; a dash for null."""
    return _js(
        "(({0}) == null ? '–' : new Date({0} * 1000).toLocaleString({1}, "
        "{{dateStyle: 'medium', timeStyle: 'short'}}))",
        seconds,
        LOCALE,
    )


def time_of_day(seconds: Any) -> rx.Var[Any]:
    """Unix seconds as a time with seconds."""
    return _js(
        "(({0}) == null ? '–' : new Date({0} * 1000).toLocaleTimeString({1}))", seconds, LOCALE
    )


def number(value: Any) -> rx.Var[Any]:
    """A number with separators; a dash for null."""
    return _js("(({0}) == null ? '–' : Number({0}).toLocaleString({1}))", value, LOCALE)


def short_number(value: Any) -> rx.Var[Any]:
    """A number that may be very large, from 100,000 on as `483.6k`; a dash for null."""
    return _js(
        "(({0}) == null ? '–' : Number({0}).toLocaleString({1}, {0} < 100000 ? {{}} : "
        "{{notation: 'compact', maximumFractionDigits: 1}}))",
        value,
        LOCALE,
    )


def average(total: Any, count: Any) -> rx.Var[Any]:
    """What each of so many has of a total, rounded; a dash if there are none."""
    return _js(
        "(({1}) ? Math.round(({0}) / ({1})).toLocaleString({2}) : '–')", total, count, LOCALE
    )


def seconds(value: Any) -> rx.Var[Any]:
    """A duration in seconds with as many digits as say something; a dash for null."""
    return _js(
        "(({0}) == null ? '–' : ({0} < 1 ? Math.round({0} * 1000) + ' ms' : "
        "{0} < 60 ? Number({0}).toFixed(1) + ' s' : {0} < 3600 ? Math.round({0} / 60) + ' min' : "
        "{0} < 86400 ? (Number({0}) / 3600).toFixed(1) + ' h' : "
        "Math.floor({0} / 86400) + ' d'))",
        value,
    )


def megabytes(value: Any) -> rx.Var[Any]:
    """Bytes as MiB; a dash for null."""
    return _js("(({0}) == null ? '–' : Math.round({0} / 1048576) + ' MB')", value)


def percent(value: Any) -> rx.Var[Any]:
    """A share from 0 to 1; a dash for null."""
    return _js(
        "(({0}) == null ? '–' : Number({0}).toLocaleString({1}, "
        "{{style: 'percent', maximumFractionDigits: 1}}))",
        value,
        LOCALE,
    )


def width(value: Any) -> rx.Var[Any]:
    """A share from 0 to 1 as a CSS width."""
    return _js("(Math.max(0, Math.min(1, Number({0} ?? 0))) * 100 + '%')", value)
