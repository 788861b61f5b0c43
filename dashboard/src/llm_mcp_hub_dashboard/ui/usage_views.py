"""A usage report as figures, lines and shares. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]
Row = dict[str, Any]

COLOURS = ("teal", "amber", "violet", "sky", "tomato", "grass", "pink", "brown")
"""Of the slices of a pie, told apart by people who see few colours as well, with a legend."""
MANY = len(COLOURS)


def figures(body: Json) -> Row:
    """The large numbers above the charts."""
    requests = body["requests"]
    return {
        "requests": requests,
        "failed": body["failed"],
        "error_rate": body["failed"] / requests if requests else None,
        "mean": body["mean_seconds"],
        "p95": body["p95_seconds"],
        "first": body["mean_first_chunk_seconds"],
        "first_p95": body["p95_first_chunk_seconds"],
        "tokens_in": body["input_tokens"],
        "tokens_out": body["output_tokens"],
    }


def lines(buckets: Iterable[Json]) -> list[Row]:
    """A point for each bucket; times in seconds, the error rate in percent."""
    points = []
    for bucket in buckets:
        row = figures(bucket["figures"])
        rate = row["error_rate"]
        points.append(
            {
                "start": bucket["start"],
                "requests": row["requests"],
                "failed": row["failed"],
                "error_percent": None if rate is None else round(100 * rate, 2),
                "mean": row["mean"],
                "p95": row["p95"],
                "first": row["first"],
            }
        )
    return points


def shares(groups: Iterable[Json], by: str, what: str = "requests") -> list[Row]:
    """What each provider, model or access token has of the whole, the largest first.

    Args:
        groups: Of the report.
        by: `provider`, `model` or `access_token`.
        what: `requests`, or `tokens` in and out.
    """
    sums: dict[str, int] = {}
    for group in groups:
        name = group["access_token"] if by == "access_token" else group["provider"]
        if by == "model":
            name = f"{group['provider']}/{group['model']}"
        sums[name] = sums.get(name, 0) + _amount(group["figures"], what)
    whole = sum(sums.values())
    largest = sorted(sums.items(), key=lambda item: (-item[1], item[0]))
    if len(largest) > MANY:
        rest = sum(value for _, value in largest[MANY - 1 :])
        largest = [*largest[: MANY - 1], ("…", rest)]
    return [
        {
            "name": name,
            "value": value,
            "share": value / whole if whole else 0.0,
            "fill": f"var(--{COLOURS[index]}-9)",
        }
        for index, (name, value) in enumerate(largest)
    ]


def errors(body: Json) -> list[Row]:
    """How often each error came, the most frequent first."""
    found = sorted(body["errors"].items(), key=lambda item: (-item[1], item[0]))
    return [{"code": code, "count": count} for code, count in found]


def _amount(body: Json, what: str) -> int:
    if what == "tokens":
        return int(body["input_tokens"]) + int(body["output_tokens"])
    return int(body["requests"])
