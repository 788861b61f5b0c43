"""The sign-in page: plain HTML without a script, in English or Korean, whatever else is broken."""

from html import escape
from importlib.resources import files
from string import Template

from llm_mcp_hub_dashboard.server.headers import COMMON, NEVER_STORED, policy

TEXTS = {
    "en": {
        "title": "Sign in",
        "intro": "Sign in with an access token of this hub that has the scope <code>admin</code>.",
        "label": "Access token",
        "button": "Sign in",
        "help": "The first start of the hub shows one. Make another with",
        "unknown": "This hub does not know that access token, or it was revoked or has expired.",
        "not_admin": "That access token is good, but has not the scope admin.",
        "unavailable": "The hub can't check access tokens just now: {reason}",
        "foreign": "This form was not sent by this hub's own page. Please try again.",
        "out": "You are signed out.",
    },
    "ko": {
        "title": "로그인",
        "intro": "<code>admin</code> 권한이 있는 이 허브의 접근 토큰으로 로그인하세요.",
        "label": "접근 토큰",
        "button": "로그인",
        "help": "허브를 처음 시작할 때 하나가 표시됩니다. 새로 만들려면",
        "unknown": "이 허브가 모르는 접근 토큰이거나, 폐기되었거나 만료되었습니다.",
        "not_admin": "유효한 접근 토큰이지만 admin 권한이 없습니다.",
        "unavailable": "지금은 접근 토큰을 확인할 수 없습니다: {reason}",
        "foreign": "이 허브의 페이지에서 보낸 양식이 아닙니다. 다시 시도하세요.",
        "out": "로그아웃했습니다.",
    },
}
PAGE = Template(files(__package__).joinpath("sign_in.html").read_text("utf-8"))

HEADERS = [
    (b"content-type", b"text/html; charset=utf-8"),
    (b"content-security-policy", policy([])),
    NEVER_STORED,
    *COMMON,
]


def language(accepted: str) -> str:
    """The language for an Accept-Language header."""
    for part in accepted.lower().split(","):
        tag = part.partition(";")[0].strip().partition("-")[0]
        if tag in TEXTS:
            return tag
    return "en"


def sign_in_page(path: str, accepted: str, note: str = "", reason: str = "") -> bytes:
    """The page.

    Args:
        path: Where the dashboard is served.
        accepted: The request's Accept-Language.
        note: The name of a text to show above the form.
        reason: What that text quotes.
    """
    lang = language(accepted)
    text = TEXTS[lang]
    said = escape(text[note].format(reason=reason)) if note else ""
    role = "status" if note == "out" else "alert"
    return PAGE.substitute(
        lang=lang,
        path=escape(path),
        note=f'<p class="{role}" role="{role}">{said}</p>' if said else "",
        invalid="true" if note in {"unknown", "not_admin"} else "false",
        **{name: text[name] for name in ("title", "intro", "label", "button", "help")},
    ).encode()
