"""Points in time for people."""

from datetime import UTC, datetime, tzinfo

DAY_SECONDS = 86_400
MAX_SECONDS = 253_402_300_800
"""The year 10,000, which Python's calendar does not reach."""


def written(seconds: float | None, none: str = "-") -> str:
    """A time in UTC to the minute; `seconds` since the epoch."""
    if seconds is None:
        return none
    if seconds >= MAX_SECONDS:
        return "after 9999"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")


def local_time(seconds: float, zone: tzinfo) -> str:
    """A time in a zone, to the minute."""
    return datetime.fromtimestamp(seconds, zone).strftime("%Y-%m-%d %H:%M")


def days_left(until: float, now: float) -> str:
    """How much is left, in whole days."""
    days = int((until - now) // DAY_SECONDS)
    if until <= now:
        return "expired"
    if days < 1:
        return "less than a day left"
    return "1 day left" if days == 1 else f"{days} days left"
