"""A fake of the Anthropic Messages API on loopback, to run the real tool against.

Guarantees: those of `llm_mcp_hub.testing.vendor_server`.
"""

import json

from aiohttp import web

from llm_mcp_hub.testing.vendor_script import pieces
from llm_mcp_hub.testing.vendor_server import VendorServer
from llm_mcp_hub_claude.testing.scripted import (
    ERROR_TYPES,
    OUTPUT_TOKENS,
    Reply,
    Request,
    ToolCall,
    breakable,
    message,
    said,
    thinking,
    tool_use,
)

__all__ = ["FakeMessagesApi", "Reply", "Request", "ToolCall"]


class FakeMessagesApi(VendorServer[Request, Reply]):
    """See `VendorServer`. Its `requests` are those with `stream`.

    Attributes:
        unstreamed: How requests without `stream` are answered: the tool tries out the name of a
            model so, and asks again so after a 404. None does what `default` says.
        unstreamed_requests: Those without `stream`.
    """

    def __init__(self) -> None:
        super().__init__(Request, Reply())
        self.unstreamed: Reply | None = None
        self.unstreamed_requests: list[Request] = []
        self._calls = 0

    def reset(self) -> None:
        """Forget requests and script."""
        super().reset()
        self.unstreamed_requests.clear()
        self._calls = 0
        self.unstreamed = None

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """`POST /v1/messages`."""
        router.add_post("/v1/messages", self._messages)

    async def _messages(self, http: web.Request) -> web.StreamResponse:
        request = await self.read(http)
        if request.body.get("stream"):
            return await self.take(http, request)
        self.unstreamed_requests.append(request)
        return await self.respond(http, request, self._unstreamed_reply())

    def _unstreamed_reply(self) -> Reply:
        if self.unstreamed is not None:
            return self.unstreamed
        return self.default if isinstance(self.default, Reply) else Reply()

    async def answer(self, http: web.Request, request: Request, reply: Reply) -> web.StreamResponse:
        """Answer with an error, a message or the events of one."""
        if reply.drop:
            self.cut(http, request)
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

    async def _stream(
        self, http: web.Request, response: web.StreamResponse, request: Request, reply: Reply
    ) -> None:
        async def event(kind: str, **fields: object) -> None:
            data = json.dumps({"type": kind, **fields})
            await response.write(f"event: {kind}\ndata: {data}\n\n".encode())

        await event("message_start", message=message(request))
        blocks = [thinking(reply.thinking)] if reply.thinking else []
        if not reply.calls or reply.text:
            blocks.append(said(pieces(request.text_of(reply), reply.pieces)))
        for call in reply.calls:
            self._calls += 1
            blocks.append(tool_use(call, f"toolu_{self._calls}"))
        parts = sum(breakable(fields) for block in blocks for _, fields in block)
        for index, block in enumerate(blocks):
            for kind, fields in block:
                counts = breakable(fields)
                if counts and await self.breaks_off(request, reply, parts):
                    if reply.then == "cut":
                        self.cut(http, request)
                    else:
                        error = {"type": "overloaded_error", "message": "Overloaded"}
                        await event("error", error=error)
                    return
                await event(kind, index=index, **fields)
                if counts:
                    self.count(request)
        stop = "tool_use" if reply.calls and reply.stop_reason == "end_turn" else reply.stop_reason
        await event(
            "message_delta",
            delta={"stop_reason": stop, "stop_sequence": None},
            usage={"output_tokens": OUTPUT_TOKENS},
        )
        await event("message_stop")
