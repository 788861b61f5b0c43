"""What an access token has left, in the headers that OpenAI's clients know (API reference of 2026).

`requests` is the limit of the minute if there is one, otherwise that of the day; `tokens` is that
of the day. Times are whole seconds, such as `12s`.
"""

import math

from llm_mcp_hub.domain.limits import day_left
from llm_mcp_hub.services.limits import Admission

NAMES = tuple(
    f"x-ratelimit-{what}-{kind}"
    for kind in ("requests", "tokens")
    for what in ("limit", "remaining", "reset")
)


def limit_headers(admission: Admission) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, this request included."""
    limits, use = admission.limits, admission.use
    today = day_left(admission.turn.entered_at)
    headers: list[tuple[bytes, bytes]] = []
    if limits.requests_per_minute is not None:
        headers += _three(
            "requests", limits.requests_per_minute, use.requests_in_minute, use.minute_reset
        )
    elif limits.requests_per_day is not None:
        headers += _three("requests", limits.requests_per_day, use.requests_today, today)
    if limits.tokens_per_day is not None:
        headers += _three("tokens", limits.tokens_per_day, use.tokens_today, today)
    return headers


def _three(kind: str, limit: int, used: int, reset: float) -> list[tuple[bytes, bytes]]:
    values = (str(limit), str(max(0, limit - used)), f"{math.ceil(reset)}s")
    names = [name for name in NAMES if name.endswith(kind)]
    return [(name.encode(), value.encode()) for name, value in zip(names, values, strict=True)]
