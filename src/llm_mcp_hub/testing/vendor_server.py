"""A fake of a vendor's back end on loopback, to run the vendor's real tool against.

Guarantees: it listens on 127.0.0.1 only and in a thread of its own, so a test may block or run an
event loop; every request for an answer is recorded with headers and body before it is answered;
what a request gets is decided by the test (`script`, `default`), never by time. What a vendor's
requests and answers look like is all that a subclass says.

It needs aiohttp, which the hub does not: install it for your tests.
"""

import asyncio
import json
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Generic, Literal, Self, TypeVar

from aiohttp import web

from llm_mcp_hub.testing.vendor_script import VendorReply, VendorRequest

START_SECONDS = 10.0
WAIT_SECONDS = 30.0
"""How long `wait` waits unless told otherwise."""
MAX_BODY_BYTES = 64 * 1024 * 1024

RequestT = TypeVar("RequestT", bound=VendorRequest)
ReplyT = TypeVar("ReplyT", bound=VendorReply)


class VendorServer(ABC, Generic[RequestT, ReplyT]):
    """See the module. A context manager; `url` is known inside.

    Args:
        request: Its requests.
        usual: How it answers, after `reset` too, unless told otherwise.

    Attributes:
        url: Its address.
        default: How requests are answered for which there is no script.
        requests: What was asked for an answer, oldest first.
        others: Everything else, as `METHOD /path`.
    """

    def __init__(self, request: type[RequestT], usual: ReplyT) -> None:
        self.url = ""
        self.default: ReplyT | Callable[[RequestT], ReplyT] = usual
        self.requests: list[RequestT] = []
        self.others: list[str] = []
        self._request = request
        self._usual = usual
        self._script: deque[ReplyT] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._released = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError(f"{type(self).__name__} did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)
        self._loop.close()

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Name the paths on which answers are asked for, with a handler that calls `take`."""

    @abstractmethod
    async def answer(
        self, http: web.Request, request: RequestT, reply: ReplyT
    ) -> web.StreamResponse:
        """Answer in the vendor's dialect, with the help of `breaks_off`, `count` and `cut`."""

    async def other(self, http: web.Request) -> web.StreamResponse:  # noqa: ARG002  # for overrides
        """Answer what is on no known path: with an empty object."""
        return web.json_response({})

    def script(self, *replies: ReplyT) -> None:
        """Answer the next requests so, in this order; afterwards as `default` says."""
        self._script.extend(replies)

    def reset(self) -> None:
        """Forget requests and script."""
        with self._changed:
            self.requests.clear()
            self.others.clear()
        self._script.clear()
        self.default = self._usual
        self._loop.call_soon_threadsafe(self._released.clear)

    def release(self) -> None:
        """Let everything go on that is held, now and from now on."""
        self._loop.call_soon_threadsafe(self._released.set)

    def wait(self, condition: Callable[[], bool], seconds: float = WAIT_SECONDS) -> None:
        """Block until the condition holds; it is looked at after every event.

        Raises:
            TimeoutError: It does not hold in time.
        """
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise TimeoutError(f"{type(self).__name__} did not see what was waited for")

    async def wait_async(
        self, condition: Callable[[], bool], seconds: float = WAIT_SECONDS
    ) -> None:
        """`wait` for code that runs in an event loop."""
        await asyncio.to_thread(self.wait, condition, seconds)

    async def read(self, http: web.Request) -> RequestT:
        """A request, to be recorded."""
        headers = {name.lower(): value for name, value in http.headers.items()}
        return self._request(http.path_qs, headers, json.loads(await http.read()))

    async def take(self, http: web.Request, request: RequestT) -> web.StreamResponse:
        """Record a request and answer it as the test has decided."""
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        reply = self._script.popleft() if self._script else self._default_for(request)
        try:
            response = await self.respond(http, request, reply)
        except (ConnectionError, asyncio.CancelledError):
            self._end(request, "aborted")
            raise
        self._end(request, "done")
        return response

    async def respond(
        self, http: web.Request, request: RequestT, reply: ReplyT
    ) -> web.StreamResponse:
        """`answer`, but not before the end if the reply hangs."""
        if reply.hang:
            await self._stop.wait()
        return await self.answer(http, request, reply)

    async def breaks_off(self, request: RequestT, reply: ReplyT, count: int) -> bool:
        """Wait before the next of `count` pieces if it is held; whether it is not to be sent."""
        breaks = reply.then != "go on"
        stop_at = reply.hold_after
        if stop_at is None and breaks:
            stop_at = max(1, count // 2)
        if request.sent != stop_at:
            return False
        if reply.hold_after is not None:
            await self._released.wait()
        return breaks

    def count(self, request: RequestT) -> None:
        """Another piece has gone out."""
        with self._changed:
            request.sent += 1
            self._changed.notify_all()

    def cut(self, http: web.Request, request: RequestT) -> None:
        """Drop the connection."""
        self._end(request, "cut")
        if http.transport is not None:
            http.transport.abort()

    def _default_for(self, request: RequestT) -> ReplyT:
        return self.default if isinstance(self.default, VendorReply) else self.default(request)

    def _end(self, request: RequestT, state: Literal["done", "cut", "aborted"]) -> None:
        with self._changed:
            if request.state == "open":
                request.state = state
            self._changed.notify_all()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            asyncio.set_event_loop(None)

    async def _serve(self) -> None:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        self.add_routes(app.router)
        app.router.add_route("*", "/{tail:.*}", self._other)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            self._ready.set()
            await self._stop.wait()
        finally:
            await runner.cleanup()

    async def _other(self, http: web.Request) -> web.StreamResponse:
        self.others.append(f"{http.method} {http.path_qs}")
        return await self.other(http)
