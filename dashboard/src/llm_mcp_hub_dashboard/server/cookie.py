"""The cookie that holds a dashboard session.

Guarantees: no script can read it, no other site's page can have it sent, and under TLS it is sent
over TLS only. Its name has the port in it, because browsers share cookies between the ports of a
host and two hubs on one machine must not sign each other's admins out.
"""

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

NAME = "hub_dashboard"


def cookie_name(host: str) -> str:
    """The cookie's name at an address as it stands in a Host header."""
    _, colon, port = host.rpartition(":")
    return f"{NAME}_{port}" if colon and port.isdigit() else NAME


def read(cookies: str, host: str) -> str | None:
    """The session's id in a Cookie header."""
    try:
        morsel = SimpleCookie(cookies).get(cookie_name(host))
    except CookieError:
        return None
    return morsel.value if morsel is not None else None


def write(session_id: str, host: str, path: str, *, secure: bool) -> bytes:
    """The value of a Set-Cookie header; an empty id has the browser forget it."""
    parts = [
        f"{cookie_name(host)}={session_id}",
        f"Path={path}",
        "HttpOnly",
        "SameSite=Strict",
        *(["Secure"] if secure else []),
        *([] if session_id else ["Max-Age=0"]),
    ]
    return "; ".join(parts).encode("ascii")


def same_site(origin: str | None, host: str) -> bool:
    """Whether an Origin header names the very address that the request went to."""
    if not origin:
        return False
    try:
        site = urlsplit(origin).netloc
    except ValueError:
        return False
    return site != "" and site.lower() == host.lower()
