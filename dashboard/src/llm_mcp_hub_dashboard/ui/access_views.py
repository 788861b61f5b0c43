"""An access token, as the form asks the hub for it and as a row shows it. Pure."""

from typing import Any

SCOPES = ("chat", "sessions", "admin")
LIMITS = {
    "requests_per_minute": ("Requests per minute", "분당 요청"),
    "requests_per_day": ("Requests per day", "일일 요청"),
    "tokens_per_day": ("Tokens per day", "일일 토큰"),
    "concurrent_turns": ("Turns at once", "동시 요청"),
}
"""What each limit is called."""
DAYS = ("Ends after so many days (empty: never)", "만료까지 일수 (빈칸: 없음)")
DAY = 86_400
MOST_DIGITS = 15
MOST_DIGITS_OF_DAYS = 5
"""What ends later, browsers can't show as a date."""


class FormError(ValueError):
    """What was entered can't be sent; it says why in both languages."""

    def __init__(self, english: str, korean: str) -> None:
        super().__init__(english)
        self.english, self.korean = english, korean


def request(form: dict[str, Any], now: float) -> dict[str, Any]:
    """What the form asks the hub for.

    Raises:
        FormError: No scope is chosen, or a number is none.
    """
    scopes = [scope for scope in SCOPES if form.get(f"scope-{scope}")]
    if not scopes:
        raise FormError("Choose at least one scope.", "권한을 하나 이상 선택하세요.")
    days = _number(form, "days", DAYS, MOST_DIGITS_OF_DAYS)
    return {
        "name": str(form.get("name", "")).strip(),
        "scopes": scopes,
        "expires_at": None if days is None else now + days * DAY,
        "priority": "batch" if form.get("batch") else "interactive",
        "limits": {
            name: value
            for name, label in LIMITS.items()
            if (value := _number(form, name, label)) is not None
        },
    }


def row(body: dict[str, Any], now: float) -> dict[str, Any]:
    """An access token as a row."""
    limits = {
        name: value for name, value in (body.get("limits") or {}).items() if value is not None
    }
    expires_at = body["expires_at"]
    return {
        "id": body["id"],
        "name": body["name"],
        "scopes": sorted(body["scopes"]),
        "priority": body["priority"],
        "created_at": body["created_at"],
        "expires_at": expires_at,
        "expired": expires_at is not None and expires_at <= now,
        "last_used_at": body.get("last_used_at"),
        "limits": [limit(name, value) for name, value in sorted(limits.items())],
    }


def limit(name: str, value: int) -> dict[str, str]:
    """A limit in both languages, called what the form calls it."""
    plain = name.replace("_", " ")
    english, korean = LIMITS.get(name, (plain, plain))
    return {"text": f"{english}: {value}", "text_ko": f"{korean}: {value}"}


def _number(
    form: dict[str, Any], name: str, label: tuple[str, str], digits: int = MOST_DIGITS
) -> int | None:
    text = str(form.get(name, "")).strip()
    if not text:
        return None
    if not text.isdecimal() or len(text) > digits or not int(text):
        raise FormError(
            f"{label[0]}: a whole number above zero with at most {digits} digits, or nothing.",
            f"{label[1]}: {digits}자리 이하의 0보다 큰 정수를 쓰거나 비워 두세요.",
        )
    return int(text)
