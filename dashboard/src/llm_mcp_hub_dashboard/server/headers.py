"""What the dashboard's responses tell a browser to forbid.

Guarantee: no script runs but the built ones. Those in files come from this hub; those inside of a
built page are named one by one, by their hashes, so a script that somebody smuggles into a page has
no effect. Styles may be inline, for Radix and Emotion write them.
"""

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path

_SCRIPT = re.compile(rb"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL)

COMMON = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not `no-referrer`: browsers would then send `Origin: null` with our own forms.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
]
"""On every response."""

NEVER_STORED = (b"cache-control", b"no-store")
STORED = (b"cache-control", b"private, max-age=31536000, immutable")
"""For files whose names have the hash of what is in them."""


def script_hashes(page: bytes) -> list[str]:
    """A source expression for every script that stands inside of a page."""
    return [
        f"'sha256-{base64.b64encode(hashlib.sha256(match['text']).digest()).decode()}'"
        for match in _SCRIPT.finditer(page)
        if b"src=" not in match["attributes"]
    ]


def policy(hashes: list[str]) -> bytes:
    """The Content-Security-Policy of a page with these scripts."""
    return "; ".join(
        (
            "default-src 'none'",
            " ".join(["script-src 'self'", *hashes]),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        )
    ).encode()


@lru_cache(maxsize=256)
def policy_of_file(page: Path) -> bytes:
    """The policy of a built page."""
    return policy(script_hashes(page.read_bytes()))
