"""The gate before the dashboard.

Guarantees: without a live session a page answers 303 to the sign-in page, everything else 401 or,
for a websocket, 403; a websocket also wants an Origin that is this very address, and is closed when
its session ends; signing in and out work only from our own pages; every response forbids the
browser what `headers` says. Whether the request is meant for this hub, the hub has checked before.
"""

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from llm_mcp_hub_dashboard.server import cookie
from llm_mcp_hub_dashboard.server.admins import Admin, Admins, NotAnAdminError
from llm_mcp_hub_dashboard.server.headers import COMMON, NEVER_STORED, STORED
from llm_mcp_hub_dashboard.server.in_process import AsgiApp
from llm_mcp_hub_dashboard.server.rest import RestError, SignedOutError
from llm_mcp_hub_dashboard.server.sign_in import HEADERS, sign_in_page

HANDLE = b"x-dashboard-session"
"""What a websocket's headers have instead of the cookie, once it is through the gate."""
MAX_FORM_BYTES = 4096
GOODBYE_SECONDS = 2.0
"""So long a websocket outlives its session, for the page to be told that it is over."""
POLICY_VIOLATION = 1008
PLAIN = [(b"content-type", b"text/plain"), NEVER_STORED, *COMMON]


class Gate:
    """Lets admins through to `app`.

    Args:
        pages: The application behind the gate.
        path: Where the dashboard is served, without a slash at the end.
    """

    def __init__(self, pages: AsgiApp, admins: Admins, path: str) -> None:
        self._pages = pages
        self._admins = admins
        self._path = path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request or websocket."""
        request = _Request(scope)
        admin = await self._admins.live(self._admins.by_cookie(request.session_id))
        if scope["type"] == "websocket":
            await self._websocket(request, admin, receive, send)
        elif scope["path"] == f"{self._path}/login":
            await self._login(request, admin, receive, send)
        elif scope["path"] == f"{self._path}/logout" and scope["method"] == "POST":
            await self._logout(request, admin, send)
        elif admin is None and request.wants_page:
            await self._redirect(send, f"{self._path}/login")
        elif admin is None:
            await _answer(send, 401, b"Sign in first.", PLAIN)
        elif scope["path"] == f"{self._path}/signed-in":
            await _answer(send, 200, b"You are signed in.", PLAIN)
        else:
            await self._pages(scope, receive, _with_headers(send, scope["path"]))

    async def _login(
        self, request: "_Request", admin: Admin | None, receive: Any, send: Any
    ) -> None:
        if request.method not in {"GET", "HEAD", "POST"}:
            await _answer(send, 405, b"", [(b"allow", b"GET, POST"), *COMMON])
            return
        if request.method == "POST":
            await self._sign_in(request, admin, receive, send)
            return
        if admin is not None:
            await self._redirect(send, f"{self._path}/")
            return
        # A hub without access control takes everybody; nobody need be asked then.
        with suppress(SignedOutError, NotAnAdminError, RestError, TimeoutError):
            await self._welcome(request, await self._admins.sign_in(""), send)
            return
        note = "out" if "out" in request.query else ""
        await self._page(request, send, 200, note)

    async def _sign_in(
        self, request: "_Request", admin: Admin | None, receive: Any, send: Any
    ) -> None:
        if not cookie.same_site(request.origin, request.host):
            await self._page(request, send, 403, "foreign")
            return
        form = parse_qs((await _body(receive)).decode("utf-8", "replace"))
        token = form.get("token", [""])[0].strip()
        try:
            fresh = await self._admins.sign_in(token)
        except SignedOutError:
            await self._page(request, send, 401, "unknown")
        except NotAnAdminError:
            await self._page(request, send, 403, "not_admin")
        except RestError as error:
            await self._page(request, send, 503, "unavailable", error.message)
        else:
            if admin is not None:
                await self._admins.end(admin)
            await self._welcome(request, fresh, send)

    async def _logout(self, request: "_Request", admin: Admin | None, send: Any) -> None:
        if not cookie.same_site(request.origin, request.host):
            await self._page(request, send, 403, "foreign")
            return
        if admin is not None:
            await self._admins.end(admin)
        forget = cookie.write("", request.host, self._path, secure=request.secure)
        await self._redirect(
            send,
            f"{self._path}/login?out",
            [(b"set-cookie", forget)],
        )

    async def _websocket(
        self, request: "_Request", admin: Admin | None, receive: Any, send: Any
    ) -> None:
        if admin is None or not cookie.same_site(request.origin, request.host):
            await receive()
            # Before it is accepted, a close is the status 403.
            await send({"type": "websocket.close", "code": POLICY_VIOLATION})
            return
        scope = {**request.scope, "headers": _for_reflex(request.scope["headers"], admin)}
        serving = asyncio.ensure_future(self._pages(scope, receive, send))
        ended = asyncio.ensure_future(admin.ended.wait())
        try:
            await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await asyncio.wait({serving}, timeout=GOODBYE_SECONDS)
            if not serving.done():
                with suppress(Exception):  # the client may have left at this very moment
                    await send({"type": "websocket.close", "code": POLICY_VIOLATION})
                await asyncio.wait({serving}, timeout=GOODBYE_SECONDS)
        finally:
            ended.cancel()
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

    async def _welcome(self, request: "_Request", admin: Admin, send: Any) -> None:
        value = cookie.write(admin.id, request.host, self._path, secure=request.secure)
        await self._redirect(send, f"{self._path}/", [(b"set-cookie", value)])

    async def _redirect(
        self, send: Any, to: str, headers: list[tuple[bytes, bytes]] | None = None
    ) -> None:
        sent = [(b"location", to.encode()), NEVER_STORED, *COMMON, *(headers or [])]
        await _answer(send, 303, b"", sent)

    async def _page(
        self, request: "_Request", send: Any, status: int, note: str = "", reason: str = ""
    ) -> None:
        body = sign_in_page(self._path, request.header("accept-language"), note, reason)
        await _answer(send, status, b"" if request.method == "HEAD" else body, HEADERS)


class _Request:
    """What the gate looks at."""

    def __init__(self, scope: Any) -> None:
        self.scope = scope
        self.method: str = scope.get("method", "GET")
        self._headers: dict[str, str] = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        self.host = self.header("host")
        self.origin = self.header("origin")
        self._scheme: str = scope["scheme"]
        self.query: str = scope["query_string"].decode("latin-1")
        self.session_id = cookie.read(self.header("cookie"), self.host)

    def header(self, name: str) -> str:
        return self._headers.get(name, "")

    @property
    def wants_page(self) -> bool:
        """Whether a person would see the answer."""
        return self.method in {"GET", "HEAD"} and "text/html" in self.header("accept")

    @property
    def secure(self) -> bool:
        """Whether the browser speaks TLS, to us or to the proxy before us."""
        return (
            self._scheme in {"https", "wss"}
            or self.origin.startswith("https://")
            # A page that is merely opened has no Origin.
            or self.header("x-forwarded-proto") == "https"
        )


def _with_headers(send: Any, path: str) -> Any:
    """Add our headers to a response, and drop what Reflex says about other origins."""

    async def sending(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", [])
                if not name.lower().startswith((b"access-control-", b"cache-control"))
            ]
            stored = STORED if "/assets/" in path and message["status"] == 200 else NEVER_STORED
            message = {**message, "headers": [*kept, stored, *COMMON]}
        await send(message)

    return sending


def _for_reflex(headers: Any, admin: Admin) -> list[tuple[bytes, bytes]]:
    """A websocket's headers without the cookie, which Reflex would keep, and log with an error."""
    kept = [(name, value) for name, value in headers if name.lower() not in {b"cookie", HANDLE}]
    return [*kept, (HANDLE, admin.handle.encode())]


async def _answer(send: Any, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Any) -> bytes:
    body = b""
    more = True
    while more and len(body) <= MAX_FORM_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
