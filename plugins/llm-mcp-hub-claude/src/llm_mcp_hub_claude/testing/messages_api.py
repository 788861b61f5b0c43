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
    message,
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

    def reset(self) -> None:
        """Forget requests and script."""
        super().reset()
        self.unstreamed_requests.clear()
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
        index = 0
        if reply.thinking:
            for kind, fields in thinking(reply.thinking):
                await event(kind, index=index, **fields)
            index += 1
        if not reply.calls or reply.text:
            await event(
                "content_block_start", index=index, content_block={"type": "text", "text": ""}
            )
            parts = pieces(request.text_of(reply), reply.pieces)
            for piece in parts:
                if await self.breaks_off(request, reply, len(parts)):
                    if reply.then == "cut":
                        self.cut(http, request)
                    else:
                        error = {"type": "overloaded_error", "message": "Overloaded"}
                        await event("error", error=error)
                    return
                await event(
                    "content_block_delta", index=index, delta={"type": "text_delta", "text": piece}
                )
                self.count(request)
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
