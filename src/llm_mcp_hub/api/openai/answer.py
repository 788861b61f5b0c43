"""Writing one turn's answer, whole or as events, to one client; and its failure, whenever it comes.

Guarantee: the turn is closed whatever happens; what has been sent decides how a failure is told.
"""

from collections.abc import Awaitable

import msgspec
import structlog
from litestar.types import Receive, Send

from llm_mcp_hub.api.disconnect import unless_client_leaves
from llm_mcp_hub.api.errors import error_body, error_headers, status_of
from llm_mcp_hub.api.openai.limits import limit_headers
from llm_mcp_hub.api.openai.wire import EventEncoder, whole
from llm_mcp_hub.api.sse import EventStream
from llm_mcp_hub.errors import HubError, MethodNotAllowed
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.services.turn import Turn

SESSION_HEADER = b"x-session-id"


class Answer:
    """The answer to one request.

    Attributes:
        headers: Sent with it, beside those that every answer has.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._events: EventStream | None = None
        self.headers: list[tuple[bytes, bytes]] = []

    async def write(
        self,
        opening: Awaitable[Turn | FollowedTurn] | FollowedTurn,
        *,
        stream: bool,
        include_usage: bool = False,
        seen: int | None = None,
    ) -> None:
        """Open the turn, answer, and close it whatever happens.

        Args:
            opening: Opens the turn, or one that is followed.
            stream: Send events, not the whole.
            include_usage: Among the events, the token counts.
            seen: The id of the last event that the client has, None for none.
        """
        turn: Turn | FollowedTurn | None = None
        try:
            async with unless_client_leaves(self._receive) as watch:
                turn = opening if isinstance(opening, FollowedTurn) else await opening
                watch.until_abandoned = turn.until_abandoned
                structlog.contextvars.bind_contextvars(
                    turn_id=turn.turn_id, session_id=turn.session_id
                )
                self.headers.append((b"x-turn-id", turn.turn_id.encode()))
                if turn.session_id is not None:
                    self.headers.append((SESSION_HEADER, turn.session_id.encode()))
                if isinstance(turn, Turn) and turn.admission is not None:
                    self.headers += limit_headers(turn.admission)
                if stream:
                    await self._stream(turn, include_usage, seen)
                else:
                    completion = await turn.collect()
                    answer = whole(completion, turn.turn_id, turn.created_at, turn.model_id)
                    await self.respond(200, msgspec.json.encode(answer))
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
        for name, value in error_headers(error).items():
            self.headers.append((name.encode(), value.encode()))
        if isinstance(error, MethodNotAllowed):
            self.headers.append((b"allow", b"POST"))
        await self.respond(status_of(error), error_body(error))

    async def respond(self, status: int, body: bytes) -> None:
        """Send a whole response of JSON."""
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(body)).encode()),
                    *self.headers,
                ],
            }
        )
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _stream(
        self, turn: Turn | FollowedTurn, include_usage: bool, seen: int | None
    ) -> None:
        encoder = EventEncoder(
            turn.turn_id,
            turn.created_at,
            turn.model_id,
            include_usage=include_usage,
            seen=seen,
        )
        events = self._events = EventStream(self._send, self.headers)
        async for chunks in turn:
            data = encoder.encode(chunks)
            completion = turn.completion
            if completion is None:
                await events.write(data)
            else:
                await events.end(data + encoder.end(completion.usage, turn.chunk_count))
