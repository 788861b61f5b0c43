"""Identifiers: random, URL-safe, and never used as a path or a command-line argument."""

import os
import re
import secrets
import time

NO_SESSION = "none"
"""In the place of a session's id: nothing is to be remembered."""

SESSION_ID_PATTERN = "^[A-Za-z0-9._:-]{1,128}$"
"""What a caller may name a session, for schemas."""

IDEMPOTENCY_KEY_PATTERN = "^[\\x21-\\x7e]{1,255}$"
"""What a caller may choose as an `Idempotency-Key`, for schemas."""

TURN_ID_PATTERN = "^turn-[0-9a-f]{24}$"

_TURN_ID = re.compile(r"turn-[0-9a-f]{24}")
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_SESSION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def new_turn_id() -> str:
    """A fresh turn id, `turn-` and 24 hexadecimal digits.

    Half of them count milliseconds, so that what is stored by turn is stored side by side.
    """
    return f"turn-{int(time.time() * 1000):012x}{os.urandom(6).hex()}"


def new_session_id() -> str:
    """A fresh session id, `sess-` and 24 hexadecimal digits."""
    return f"sess-{secrets.token_hex(12)}"


def is_turn_id(value: str) -> bool:
    """Whether a turn may have this id."""
    return _TURN_ID.fullmatch(value) is not None


def is_idempotency_key(value: str) -> bool:
    """Whether a caller may use this as an `Idempotency-Key`: 1 to 255 visible ASCII characters."""
    return _IDEMPOTENCY_KEY.fullmatch(value) is not None


def is_session_id(value: str) -> bool:
    """Whether a caller may name a session so: 1 to 128 of `A-Z a-z 0-9 . _ : -`, but `none`."""
    return value != NO_SESSION and _SESSION_ID.fullmatch(value) is not None
