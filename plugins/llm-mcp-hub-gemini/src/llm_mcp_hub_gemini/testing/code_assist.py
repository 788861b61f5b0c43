"""A fake of Google's Code Assist on loopback, to run the real Gemini CLI against.

Guarantees: it listens on 127.0.0.1 only and in a thread of its own, so a test may block or run an
event loop; every request for an answer is recorded before it is answered; what a request gets is
decided by the test (`script`, `default`), never by time. It also plays the three addresses that a
login is checked at. `login.environment_for` leads the Gemini CLI here.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Self

from aiohttp import web

from llm_mcp_hub_gemini.testing.login import REFRESH_TOKEN, SCOPE
from llm_mcp_hub_gemini.testing.scripted import Reply, Request, event, pieces

__all__ = ["FakeCodeAssist", "Reply", "Request"]

START_SECONDS = 10.0
WAIT_SECONDS = 30.0
"""How long `wait` waits unless told otherwise."""
ACCOUNT = "zoe.tester@example.com"
NOT_FOR_INDIVIDUALS = {
    "currentTier": {"id": "standard-tier", "name": "Standard"},
    "allowedTiers": [{"id": "standard-tier", "isDefault": True}],
    "ineligibleTiers": [
        {
            "reasonCode": "UNSUPPORTED_CLIENT",
            "reasonMessage": "This client is no longer supported for Gemini Code Assist for "
            "individuals. Use another one.",
            "tierId": "free-tier",
            "tierName": "Individuals",
        }
    ],
}
ENTITLED = {
    "currentTier": {"id": "standard-tier", "name": "Standard", "hasOnboardedPreviously": True},
    "allowedTiers": [{"id": "standard-tier", "isDefault": True}],
    "cloudaicompanionProject": "fake-project",
    "gcpManaged": False,
}


class FakeCodeAssist:
    """See the module. A context manager; `url` is known inside.

    Attributes:
        url: Its address.
        default: How requests are answered for which there is no script.
        entitled: Whether the account may use this client at all.
        load_status: Another one than 200 has every session fail to open.
        token_status: Another one than 200 refuses to renew a login, as `invalid_grant`.
        check_status: Another one than 200 says that an access token is not valid.
        requests: What was asked for an answer, oldest first.
        others: Everything else, as `METHOD /path`.
    """

    def __init__(self) -> None:
        self.url = ""
        self.default: Reply | Callable[[Request], Reply] = Reply()
        self.entitled = True
        self.load_status = self.token_status = self.check_status = 200
        self.requests: list[Request] = []
        self.others: list[str] = []
        self._script: deque[Reply] = deque()
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._released = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fake-code-assist", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise RuntimeError("the fake Code Assist did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_SECONDS)
        self._loop.close()

    def script(self, *replies: Reply) -> None:
        """Answer the next requests so, in this order; afterwards as `default` says."""
        self._script.extend(replies)

    def reset(self) -> None:
        """Forget requests and script; everybody may log in again."""
        with self._changed:
            self.requests.clear()
            self.others.clear()
        self._script.clear()
        self.default = Reply()
        self.entitled = True
        self.load_status = self.token_status = self.check_status = 200
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
                raise TimeoutError("the fake Code Assist did not see what was waited for")

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
        app.router.add_post("/v1internal:streamGenerateContent", self._generate)
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
        self.others.append(f"{http.method} {http.path}")
        name = http.path.rpartition("/")[2].rpartition(":")[2]
        if name == "loadCodeAssist" and self.load_status != 200:
            body = Reply(status=self.load_status).error_body
            return web.json_response(body, status=self.load_status)
        if name == "tokeninfo" and self.check_status != 200:
            return web.json_response({"error": "invalid_token"}, status=self.check_status)
        if name == "token" and self.token_status != 200:
            return web.json_response({"error": "invalid_grant"}, status=self.token_status)
        return web.json_response(self._answer_to(name))

    def _answer_to(self, name: str) -> dict[str, Any]:
        if name == "loadCodeAssist":
            return ENTITLED if self.entitled else NOT_FOR_INDIVIDUALS
        if name == "tokeninfo":
            return {"aud": "fake", "expires_in": "3000", "email": ACCOUNT, "scope": SCOPE}
        if name == "userinfo":
            return {"id": "1", "email": ACCOUNT}
        if name == "token":
            token = {"access_token": "ya29.renewed", "expires_in": 3599, "token_type": "Bearer"}
            return {**token, "refresh_token": REFRESH_TOKEN, "scope": SCOPE}
        if name == "retrieveUserQuota":
            return {"buckets": []}
        if name == "generateContent":
            return event(Request({}, {"model": "fake"}), [{"text": "{}"}], "STOP")
        return {}

    async def _generate(self, http: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in http.headers.items()}
        request = Request(headers, json.loads(await http.read()))
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
        if reply.status != 200:
            return web.json_response(reply.error_body, status=reply.status)
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(http)
        parts: list[dict[str, Any]] = []
        if reply.thought:
            parts.append({"text": reply.thought, "thought": True})
        if reply.tool:
            call = {"id": f"call-{id(request)}", "name": reply.tool, "args": reply.arguments}
            parts.append({"functionCall": call})
        else:
            text = reply.text if reply.text is not None else f"echo: {request.last_user_text}"
            parts += [{"text": piece} for piece in pieces(text, reply.pieces)]
        await self._stream(http, response, request, reply, parts)
        return response

    async def _stream(
        self,
        http: web.Request,
        response: web.StreamResponse,
        request: Request,
        reply: Reply,
        parts: list[dict[str, Any]],
    ) -> None:
        stop_at = reply.hold_after
        if stop_at is None and reply.then == "cut":
            stop_at = max(1, len(parts) // 2)
        for number, part in enumerate(parts or [{"text": ""}]):
            if number == stop_at:
                if reply.hold_after is not None:
                    await self._released.wait()
                if reply.then == "cut":
                    self._end(request, "cut")
                    if http.transport is not None:
                        http.transport.abort()
                    return
            finish = reply.finish if number >= len(parts) - 1 else ""
            data = json.dumps(event(request, [part], finish))
            await response.write(f"data: {data}\r\n\r\n".encode())
            with self._changed:
                request.sent += 1
                self._changed.notify_all()
