"""The hub's REST API as the dashboard calls it: in process, with one admin's access token."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from llm_mcp_hub_dashboard.server.in_process import AsgiApp, InProcessTransport

ADDRESS = "http://127.0.0.1"
"""What in-process requests have in `Host`: a name by which every hub is known."""
SECONDS = 30.0
"""How long an answer may take that is not a stream."""
SHARED_SECONDS = 1.0
"""Tabs that ask for the same within so long share one answer."""


class RestError(Exception):
    """The hub refused.

    Attributes:
        status: HTTP status.
        code: The hub's name of the situation.
        message: What happened and what to do next.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


class SignedOutError(RestError):
    """The access token works no more."""


class Rest:
    """Calls one hub with one access token.

    Args:
        app: The application that serves the hub.
        base: What the paths of the REST API begin with in it.
        token: The access token; empty where the hub asks for none.
    """

    def __init__(self, app: AsgiApp, base: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(
            transport=InProcessTransport(app),
            base_url=f"{ADDRESS}{base}",
            headers=headers,
            timeout=SECONDS,
        )
        self._shared: dict[str, tuple[float, asyncio.Task[Any]]] = {}

    async def get(self, path: str, **query: Any) -> Any:
        """The decoded JSON at a path; parameters that are None or empty are left out.

        Raises:
            RestError: The hub refused.
        """
        return await self.call("GET", path, query=query)

    async def call(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> Any:
        """The decoded JSON that a call answers with; text that is not JSON as it is.

        Raises:
            RestError: The hub refused.
        """
        async with asyncio.timeout(SECONDS):
            answer = await self._http.request(
                method, path, params=_without_empty(query or {}), **_body(body)
            )
        if answer.is_error:
            raise _refusal(answer)
        if not answer.content:
            return None
        if answer.headers.get("content-type", "").startswith("application/json"):
            return msgspec.json.decode(answer.content)
        return answer.text

    async def health(self) -> Any:
        """`GET /health`, which says what is wrong with a status that is an error."""
        async with asyncio.timeout(SECONDS):
            answer = await self._http.get("/health")
        try:
            body = msgspec.json.decode(answer.content)
        except msgspec.DecodeError:
            raise _refusal(answer) from None
        if "error" in body:
            raise _refusal(answer)
        return body

    async def shared(self, path: str, **query: Any) -> Any:
        """As `get`, but whoever asks for the same at the same time gets the same answer.

        Many tabs that are looked at together so cost the hub no more than one.
        """
        key = f"{path}?{sorted(_without_empty(query).items())}"
        return await self._share(key, lambda: self.get(path, **query))

    async def shared_health(self) -> Any:
        """As `health`, shared in the same way."""
        return await self._share("health", self.health)

    async def _share(self, key: str, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        now = time.monotonic()
        made, task = self._shared.get(key, (0.0, None))
        if task is None or (task.done() and now - made > SHARED_SECONDS):
            self._shared = {
                name: entry
                for name, entry in self._shared.items()
                if now - entry[0] <= SHARED_SECONDS or not entry[1].done()
            }
            task = asyncio.get_running_loop().create_task(make())
            task.add_done_callback(_retrieved)
            self._shared[key] = now, task
        return await asyncio.shield(task)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        body: Any,
        headers: Mapping[str, str],
        query: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[httpx.Response]:
        """A response whose body is read as it comes; leaving the block ends the request.

        Raises:
            RestError: The hub refused.
        """
        sent = _body(body)
        sent["headers"] = {**sent.get("headers", {}), **headers}
        params = _without_empty(query or {})
        async with self._http.stream(method, path, params=params, timeout=None, **sent) as answer:
            if answer.is_error:
                await answer.aread()
                raise _refusal(answer)
            yield answer

    async def aclose(self) -> None:
        """End what still runs."""
        for _, task in self._shared.values():
            task.cancel()
        await self._http.aclose()


def _retrieved(task: asyncio.Task[Any]) -> None:
    """Nobody may be left to hear of an error."""
    if not task.cancelled():
        task.exception()


def _without_empty(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value not in (None, "")}


def _body(body: Any) -> dict[str, Any]:
    if body is None:
        return {}
    return {
        "content": msgspec.json.encode(body),
        "headers": {"content-type": "application/json"},
    }


def _refusal(answer: httpx.Response) -> RestError:
    try:
        error = msgspec.json.decode(answer.content)["error"]
        code, message = str(error["code"]), str(error["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        code, message = "unknown", f"HTTP {answer.status_code}"
    kind = SignedOutError if answer.status_code == 401 else RestError
    return kind(answer.status_code, code, message)
