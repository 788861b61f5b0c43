"""A fake of the Anthropic Messages API on loopback, to run the real tool against.

Guarantees: it listens on 127.0.0.1 only and in a thread of its own, so a test may block or run an
event loop; every request is recorded with headers and body before it is answered; what a request
gets is decided by the test (`script`, `default`), never by time.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Literal, Self

from aiohttp import web

from llm_mcp_hub_claude.testing.scripted import (
    ERROR_TYPES,
    OUTPUT_TOKENS,
    Reply,
    Request,
    ToolCall,
    message,
    pieces,
    thinking,
    tool_use,
)

__all__ = ["FakeMessagesApi", "Reply", "Request", "ToolCall"]

START_SECONDS = 10.0
WAIT_SECONDS = 30.0
"""How long `wait` waits unless told otherwise."""


class FakeMessagesApi:
    """See the module. A context manager; `url` is known inside.

    Attributes:
        url: Its address.
        default: How requests are answered for which there is no script.
        unstreamed: How requests without `stream` are answered: the tool tries out the name of a
            model so, and asks again so after a 404. None does what `default` says.
        requests: Those with `stream`, in order.
        unstreamed_requests: Those without.
        others: Method and path of all that is not `POST /v1/messages`.
    """

    def __init__(self) -> None:
        self.default: Reply | Callable[[Request], Reply] = Reply()
        self.unstreamed: Reply | None = None
        self.requests: list[Request] = []
        self.unstreamed_requests: list[Request] = []
        self.others: list[str] = []
        self.url = ""
        self._script: deque[Reply] = deque()
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._released = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fake-messages-api", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError("the fake Messages API did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def script(self, *replies: Reply) -> None:
        """Answer the next requests so, in this order; afterwards as `default` says."""
        self._script.extend(replies)

    def reset(self) -> None:
        """Forget requests and script."""
        with self._changed:
            self.requests.clear()
            self.unstreamed_requests.clear()
            self.others.clear()
        self._script.clear()
        self.default = Reply()
        self.unstreamed = None
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
                raise TimeoutError("the fake Messages API did not see what was waited for")

    async def wait_async(
        self, condition: Callable[[], bool], seconds: float = WAIT_SECONDS
    ) -> None:
        """`wait` for code that runs in an event loop."""
        await asyncio.to_thread(self.wait, condition, seconds)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            asyncio.set_event_loop(None)

    async def _serve(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/messages", self._messages)
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

    async def _other(self, http: web.Request) -> web.Response:
        self.others.append(f"{http.method} {http.path_qs}")
        return web.json_response({})

    async def _messages(self, http: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = Request(http.path_qs, headers, json.loads(await http.read()))
        if not request.body.get("stream"):
            self.unstreamed_requests.append(request)
            return await self._answer(http, request, self._unstreamed_reply())
        with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        if self._script:
            reply = self._script.popleft()
        else:
            reply = self.default if isinstance(self.default, Reply) else self.default(request)
        try:
            response = await self._answer(http, request, reply)
        except (ConnectionError, asyncio.CancelledError):
            self._end(request, "aborted")
            raise
        self._end(request, "done")
        return response

    def _unstreamed_reply(self) -> Reply:
        if self.unstreamed is not None:
            return self.unstreamed
        return self.default if isinstance(self.default, Reply) else Reply()

    def _end(self, request: Request, state: Literal["done", "cut", "aborted"]) -> None:
        with self._changed:
            if request.state == "open":
                request.state = state
            self._changed.notify_all()

    async def _answer(
        self, http: web.Request, request: Request, reply: Reply
    ) -> web.StreamResponse:
        if reply.hang:
            await self._stop.wait()
        if reply.drop:
            self._abort(http, request)
            return web.Response()
        if reply.status != 200:
            error = {"type": ERROR_TYPES.get(reply.status, "api_error"), "message": reply.error}
            body = {"type": "error", "error": error}
            return web.json_response(body, status=reply.status, headers=reply.headers)
        if not request.body.get("stream"):
            text = reply.text or "."
            content = [{"type": "text", "text": text}]
            return web.json_response({**message(request), "content": content})
        response = web.StreamResponse(
            headers={"content-type": "text/event-stream; charset=utf-8", **reply.headers}
        )
        await response.prepare(http)
        await self._stream(http, response, request, reply)
        return response

    def _abort(self, http: web.Request, request: Request) -> None:
        self._end(request, "cut")
        if http.transport is not None:
            http.transport.abort()

    async def _stream(
        self, http: web.Request, response: web.StreamResponse, request: Request, reply: Reply
    ) -> None:
        async def event(kind: str, **fields: object) -> None:
            data = json.dumps({"type": kind, **fields})
            await response.write(f"event: {kind}\ndata: {data}\n\n".encode())

        await event("message_start", message=message(request))
        index = 0
        if reply.thinking:
            for kind, fields in thinking(reply.thinking):
                await event(kind, index=index, **fields)
            index += 1
        text = reply.text if reply.text is not None else f"echo: {request.last_user_text}"
        if not reply.calls or reply.text:
            await event(
                "content_block_start", index=index, content_block={"type": "text", "text": ""}
            )
            parts = pieces(text, reply.pieces)
            stop_at = reply.hold_after
            if stop_at is None and reply.then != "go on":
                stop_at = max(1, len(parts) // 2)
            for number, piece in enumerate(parts):
                if number == stop_at:
                    if reply.hold_after is not None:
                        await self._released.wait()
                    if reply.then == "cut":
                        self._abort(http, request)
                        return
                    if reply.then == "error event":
                        error = {"type": "overloaded_error", "message": "Overloaded"}
                        await event("error", error=error)
                        return
                await event(
                    "content_block_delta", index=index, delta={"type": "text_delta", "text": piece}
                )
                with self._changed:
                    request.sent_deltas += 1
                    self._changed.notify_all()
            await event("content_block_stop", index=index)
            index += 1
        for call in reply.calls:
            for kind, fields in tool_use(call, index):
                await event(kind, index=index, **fields)
            index += 1
        stop = "tool_use" if reply.calls else reply.stop_reason
        await event(
            "message_delta",
            delta={"stop_reason": stop, "stop_sequence": None},
            usage={"output_tokens": OUTPUT_TOKENS},
        )
        await event("message_stop")
