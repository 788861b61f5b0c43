"""HTTP to a hub's `/mcp` that outlives the hub: the transport of the bridge.

Guarantees: a hub that can't be reached is an error in the answer and no exception; an MCP session
that the hub has forgotten, because it was started again or the client was silent for long, is begun
anew with what it watches, unseen by the client, and the request is sent once more, for it was not
run; the stream of notices comes back whenever the hub does; a hub's own errors keep their words.
"""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import structlog
from mcp_types import INTERNAL_ERROR

from llm_mcp_hub.workers.backoff import Backoff

SESSION = "mcp-session-id"
FORGOTTEN = 404
"""The status for a session that the hub does not know (2025-11-25, Session Management)."""

AWAY = 503
LISTEN_SECONDS, LISTEN_LIMIT_SECONDS = 0.25, 15.0
"""The stream of notices is tried again ever more slowly while the hub is away."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class HubTransport(httpx2.AsyncBaseTransport):
    """See the module.

    Args:
        url: Of the hub, for messages.
        inner: What really sends; by default the network, without proxies.
    """

    def __init__(self, url: str, inner: httpx2.AsyncBaseTransport | None = None) -> None:
        self._url = url
        self._inner = inner or httpx2.AsyncHTTPTransport()
        self._handshake: list[httpx2.Request] = []
        self._watching: dict[str, httpx2.Request] = {}
        self._session: str | None = None
        self._renewing = asyncio.Lock()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; always returns, with an answer or an error in the shape of one."""
        if request.method == "GET":
            return await self._listen(request)
        self._note(request)
        return await self._send(request)

    async def _listen(self, request: httpx2.Request) -> httpx2.Response:
        """Open the stream of notices, as soon as there is a hub to open it."""
        backoff = Backoff(LISTEN_SECONDS, LISTEN_LIMIT_SECONDS, random.random)
        while (response := await self._send(request)).status_code == AWAY:
            await response.aclose()
            now = asyncio.get_running_loop().time()
            backoff.failed(now)
            await asyncio.sleep(backoff.wait(now))
        if response.status_code < 400:
            response.stream = _Ending(response)
        return response

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        session = self._session
        if session is not None and SESSION in request.headers:
            request = _with_session(request, session)
        try:
            response = await self._inner.handle_async_request(request)
            lost = response.status_code == FORGOTTEN and SESSION in request.headers
            if lost and request.method != "DELETE":
                renewed = await self._renew(session)
                if renewed is not None:
                    await response.aclose()
                    request = _with_session(request, renewed)
                    response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            log.warning("mcp.hub_away", url=self._url, reason=repr(error))
            return _answer(
                AWAY,
                f"No hub answers at {self._url} ({type(error).__name__}). Start it with "
                "`llm-mcp-hub serve`, then try again.",
            )
        if SESSION in response.headers:
            self._session = response.headers[SESSION]
        return response if response.status_code < 400 else await _in_words(response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    def _note(self, request: httpx2.Request) -> None:
        """Keep what a session consists of: the two requests it begins with, and what it watches."""
        message = _message(request)
        method, params = message.get("method"), message.get("params")
        uri = params.get("uri") if isinstance(params, dict) else None
        if method == "initialize":
            self._handshake, self._session = [request], None
            self._watching.clear()
        elif method == "notifications/initialized" and len(self._handshake) == 1:
            self._handshake.append(request)
        elif method == "resources/subscribe" and isinstance(uri, str):
            self._watching[uri] = request
        elif method == "resources/unsubscribe" and isinstance(uri, str):
            self._watching.pop(uri, None)

    async def _renew(self, session: str | None) -> str | None:
        """Begin the session anew, once for all who have lost it; None if that does not work."""
        async with self._renewing:
            if self._session != session or not self._handshake:
                return self._session
            log.info("mcp.session_renewed")
            first, *rest = self._handshake
            response = await self._inner.handle_async_request(_again(first))
            await response.aread()
            await response.aclose()
            self._session = response.headers.get(SESSION)
            if response.status_code >= 400 or self._session is None:
                return None
            for request in (*rest, *self._watching.values()):
                following = await self._inner.handle_async_request(
                    _with_session(request, self._session)
                )
                await following.aread()
                await following.aclose()
            return self._session


class _Ending(httpx2.AsyncByteStream):
    """The body of a stream that just ends when its connection breaks, so that it is opened anew."""

    def __init__(self, response: httpx2.Response) -> None:
        self._inner = response.stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if not isinstance(self._inner, httpx2.AsyncByteStream):
            return
        try:
            async for piece in self._inner:
                yield piece
        except httpx2.TransportError as error:
            log.info("mcp.stream_broken", reason=repr(error))

    async def aclose(self) -> None:
        if isinstance(self._inner, httpx2.AsyncByteStream):
            await self._inner.aclose()


def _message(request: httpx2.Request) -> dict[str, Any]:
    if request.method != "POST":
        return {}
    try:
        message = json.loads(request.content)
    except (ValueError, httpx2.RequestNotRead):
        return {}
    return message if isinstance(message, dict) else {}


def _again(request: httpx2.Request) -> httpx2.Request:
    return httpx2.Request(
        request.method,
        request.url,
        headers=request.headers,
        content=request.content if request.method == "POST" else None,
        extensions=request.extensions,
    )


def _with_session(request: httpx2.Request, session: str) -> httpx2.Request:
    fresh = _again(request)
    fresh.headers[SESSION] = session
    return fresh


async def _in_words(response: httpx2.Response) -> httpx2.Response:
    """A hub's error as the JSON-RPC error that the client is waiting for."""
    try:
        body = json.loads(await response.aread())
    except ValueError:
        body = None
    finally:
        await response.aclose()
    error = body.get("error") if isinstance(body, dict) else None
    if isinstance(body, dict) and "jsonrpc" in body:
        return httpx2.Response(response.status_code, json=body)
    message = error.get("message") if isinstance(error, dict) else None
    return _answer(
        response.status_code, message or f"The hub answered with the status {response.status_code}."
    )


def _answer(status: int, message: str) -> httpx2.Response:
    error = {"code": INTERNAL_ERROR, "message": message}
    return httpx2.Response(status, json={"jsonrpc": "2.0", "id": None, "error": error})
