"""`POST /v1/chat/completions`, the hot route.

It is a bare ASGI handler: request parsing, authentication and streaming cost a third of what they
cost through a decorated handler. Its place in the OpenAPI document is given by `api.openapi`.
"""

import re
from contextlib import suppress

import msgspec
import structlog
from litestar import asgi
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from llm_mcp_hub.api.body import ClientGone, read_body
from llm_mcp_hub.api.disconnect import unless_client_leaves
from llm_mcp_hub.api.errors import as_hub_error, error_body, error_headers, status_of
from llm_mcp_hub.api.gate import Gate
from llm_mcp_hub.api.openai.convert import convert_request
from llm_mcp_hub.api.openai.schemas import ChatCompletionRequest
from llm_mcp_hub.api.openai.wire import EventEncoder, whole
from llm_mcp_hub.api.sse import EventStream
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.access import Scope as AccessScope
from llm_mcp_hub.errors import HubError, InvalidRequest, MethodNotAllowed
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.chat import ChatCommand
from llm_mcp_hub.services.turn import Turn

PATH = "/v1/chat/completions"
SESSION_HEADER = b"x-session-id"
NO_SESSION = "none"

_decoder = msgspec.json.Decoder(ChatCompletionRequest)
_PARAM = re.compile(r" - at `\$\.?(.*)`\Z", re.DOTALL)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


def chat_handler(hub: Hub, gate: Gate) -> ASGIRouteHandler:
    """The route for one hub."""
    limit = hub.config.server.max_body_bytes

    @asgi(PATH, copy_scope=False)
    async def chat_completions(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:  # Litestar brings websockets here, too
            await send({"type": "websocket.close", "code": 1000, "reason": "Use POST."})
            return
        exchange = _Exchange(hub, receive, send)
        try:
            if scope.get("method") != "POST":
                raise MethodNotAllowed("Use POST on this path; see `GET /schema`.")
            principal = await gate.admit(scope, AccessScope.CHAT)
            body = await read_body(scope, receive, limit)
            await exchange.run(principal, _session_header(scope), _decode(body))
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  # every failure becomes an answer
            with suppress(ClientGone):
                await exchange.fail(as_hub_error(error))

    return chat_completions


class _Exchange:
    """One request and its answer."""

    def __init__(self, hub: Hub, receive: Receive, send: Send) -> None:
        self._hub = hub
        self._receive = receive
        self._send = send
        self._events: EventStream | None = None
        self._headers: list[tuple[bytes, bytes]] = []

    async def run(
        self, principal: Principal, session_id: str | None, request: ChatCompletionRequest
    ) -> None:
        """Open the turn, answer, and close it whatever happens."""
        converted = convert_request(request)
        if converted.ignored:
            self._headers.append((b"x-hub-ignored", ", ".join(converted.ignored).encode()))
        command = ChatCommand(
            model=request.model,
            messages=converted.messages,
            system=converted.system,
            options=converted.options,
            session_id=None if session_id == NO_SESSION else session_id,
            remember=session_id != NO_SESSION,
        )
        turn: Turn | None = None
        try:
            async with unless_client_leaves(self._receive):
                turn = await self._hub.chat.open_turn(principal, command)
                structlog.contextvars.bind_contextvars(
                    turn_id=turn.turn_id, session_id=turn.session_id
                )
                await self._answer(turn, request)
        finally:
            if self._events is not None:
                self._events.stop()
            if turn is not None:
                await turn.aclose()

    async def fail(self, error: HubError) -> None:
        """Tell the client, in a way that fits what it has been sent already."""
        if self._events is not None and self._events.started:
            await self._events.end(b"data: " + error_body(error) + b"\n\n")
            return
        if self._events is not None:
            self._events.stop()
        headers = [(name.encode(), value.encode()) for name, value in error_headers(error).items()]
        if isinstance(error, MethodNotAllowed):
            headers.append((b"allow", b"POST"))
        await self._respond(status_of(error), error_body(error), headers)

    async def _answer(self, turn: Turn, request: ChatCompletionRequest) -> None:
        self._headers.append((b"x-turn-id", turn.turn_id.encode()))
        if turn.session_id is not None:
            self._headers.append((SESSION_HEADER, turn.session_id.encode()))
        if not request.stream:
            completion = await turn.collect()
            answer = whole(completion, turn.turn_id, turn.created_at, turn.model_id)
            await self._respond(200, msgspec.json.encode(answer), [])
            return
        options = request.stream_options
        encoder = EventEncoder(
            turn.turn_id,
            turn.created_at,
            turn.model_id,
            include_usage=options is not None and options.include_usage,
        )
        events = self._events = EventStream(self._send, self._headers)
        async for chunks in turn:
            data = encoder.encode(chunks)
            if turn.completion is None:
                await events.write(data)
            else:
                await events.end(data)

    async def _respond(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                    *self._headers,
                    *headers,
                ],
            }
        )
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


def _session_header(scope: Scope) -> str | None:
    found = {value for name, value in scope["headers"] if name == SESSION_HEADER}
    if len(found) > 1:
        raise InvalidRequest("Name one session.", param="X-Session-ID")
    return found.pop().decode("latin-1") if found else None


def _decode(body: bytes) -> ChatCompletionRequest:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        text = str(error)
        match = _PARAM.search(text)
        param = match.group(1) if match else None
        raise InvalidRequest(
            f"{param or 'The body'}: {_PARAM.sub('', text)}.", param=param
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
