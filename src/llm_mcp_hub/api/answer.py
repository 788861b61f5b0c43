"""Writing one turn's answer, whole or as events, to one client; and its failure, whenever it comes.

Guarantee: the turn is closed whatever happens; what has been sent decides how a failure is told.
What the answer looks like is the affair of an `AnswerForm`: each API of the hub's has its own.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog
from litestar.types import Receive, Send

from llm_mcp_hub.api.disconnect import unless_client_leaves
from llm_mcp_hub.api.errors import error_headers, status_of
from llm_mcp_hub.api.model_headers import model_headers
from llm_mcp_hub.api.openai.limits import limit_headers
from llm_mcp_hub.api.sse import EventStream
from llm_mcp_hub.domain.chunk import Chunk
from llm_mcp_hub.domain.completion import Completion
from llm_mcp_hub.errors import HubError, MethodNotAllowed
from llm_mcp_hub.services.attempts import AwaitedTurn
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.services.turn import Turn

TURN_HEADER = b"x-turn-id"
SESSION_HEADER = b"x-session-id"
IGNORED_HEADER = b"x-hub-ignored"

AnyTurn = Turn | FollowedTurn
KnownTurn = AnyTurn | AwaitedTurn
"""A turn, or one that is being opened and has an id already."""
ErrorBody = Callable[[HubError], bytes]
"""The body of a failed request, JSON."""


class AnswerEvents(Protocol):
    """Encodes the events of one streamed answer. Each result is whole events, ready to be sent."""

    def encode(self, chunks: Sequence[Chunk]) -> bytes:
        """The events of the next chunks; of the first ones also those that begin the answer."""
        ...

    def end(self, completion: Completion, last: int) -> bytes:
        """The events after the last chunk, which has the number `last`."""
        ...

    def fail(self, error: HubError) -> bytes:
        """The events that end an answer which breaks off, at whatever point."""
        ...


class AnswerForm(Protocol):
    """How one API answers one request."""

    def whole(self, turn: AnyTurn, completion: Completion) -> bytes:
        """A whole answer, JSON."""
        ...

    def events(self, turn: KnownTurn) -> AnswerEvents:
        """The encoder of a streamed answer; made when there is the first to encode."""
        ...


class Answer:
    """The answer to one request.

    Args:
        receive: The client's end of the request.
        send: The client's end of the response.
        error_body: How its API tells of an error, as long as nothing has been sent.

    Attributes:
        headers: Sent with it, beside those that every answer has.
        id_headers: Those that have the turn's id.
    """

    def __init__(self, receive: Receive, send: Send, error_body: ErrorBody) -> None:
        self._receive = receive
        self._send = send
        self._error_body = error_body
        self._form: AnswerForm | None = None
        self._streamed: _Streamed | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.id_headers: tuple[bytes, ...] = (TURN_HEADER,)

    async def write(
        self, opening: Awaitable[AnyTurn] | FollowedTurn, form: AnswerForm, *, stream: bool
    ) -> None:
        """Open the turn, answer, and close it whatever happens.

        Args:
            opening: Opens the turn, or one that is followed.
            form: What the answer is to look like.
            stream: Send events, not the whole.
        """
        turn: AnyTurn | None = None
        self._form = form if stream else None
        try:
            async with unless_client_leaves(self._receive) as watch:
                turn = opening if isinstance(opening, FollowedTurn) else await opening
                watch.until_abandoned = turn.until_abandoned
                self.introduce(turn)
                if stream:
                    await self._write_events(turn, form)
                else:
                    completion = await turn.collect()
                    self._introduce_model(turn)
                    await self.respond(200, form.whole(turn, completion))
        finally:
            if self._streamed is not None:
                self._streamed.stream.stop()
            if turn is not None:
                await turn.aclose()

    def await_first_chunk(self, turn: AwaitedTurn) -> None:
        """Keep the client's connection alive from now on, if it is to get events.

        Who answers is not in the headers if they have to be sent before that is certain.
        """
        if self._form is None:
            return
        if self._streamed is None:
            self._introduce(turn)
            self._streamed = _Streamed(EventStream(self._send, self.headers), self._form, turn)
        self._streamed.turn = turn

    def introduce(self, turn: AnyTurn) -> None:
        """Say in the headers, and in the log from now on, what turn it is."""
        if self._streamed is None:
            self._introduce(turn)
        if isinstance(turn, Turn):
            self.headers += model_headers(turn.model_id)

    def ignores(self, names: tuple[str, ...]) -> None:
        """Say in the headers which fields of the request have no effect; the last word counts."""
        if names:
            self.headers[:] = [header for header in self.headers if header[0] != IGNORED_HEADER]
            self.headers.append((IGNORED_HEADER, ", ".join(names).encode()))

    def _introduce(self, turn: KnownTurn) -> None:
        structlog.contextvars.bind_contextvars(turn_id=turn.turn_id, session_id=turn.session_id)
        turn_id = turn.turn_id.encode()
        self.headers += [(name, turn_id) for name in self.id_headers]
        if turn.session_id is not None:
            self.headers.append((SESSION_HEADER, turn.session_id.encode()))
        if not isinstance(turn, FollowedTurn) and turn.admission is not None:
            self.headers += limit_headers(turn.admission)

    def _introduce_model(self, turn: AnyTurn) -> None:
        """Say who answers, and where, if that was not certain before the first chunk had come."""
        if isinstance(turn, FollowedTurn):
            self.headers += model_headers(turn.model_id)
            known = any(name == SESSION_HEADER for name, _ in self.headers)
            if turn.session_id is not None and not known:
                # It came while the turn that it follows was being opened.
                self.headers.append((SESSION_HEADER, turn.session_id.encode()))

    async def fail(self, error: HubError) -> None:
        """Tell the client, in a way that fits what it has been sent already."""
        streamed = self._streamed
        if streamed is not None:
            if streamed.stream.started:
                await streamed.stream.end(streamed.events.fail(error))
                return
            streamed.stream.stop()
        for name, value in error_headers(error).items():
            self.headers.append((name.encode(), value.encode()))
        if isinstance(error, MethodNotAllowed):
            self.headers.append((b"allow", b"POST"))
        await self.respond(status_of(error), self._error_body(error))

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

    async def _write_events(self, turn: AnyTurn, form: AnswerForm) -> None:
        streamed = self._streamed
        if streamed is None:
            streamed = self._streamed = _Streamed(EventStream(self._send, self.headers), form, turn)
        streamed.turn = turn
        async for chunks in turn:
            if not streamed.stream.started:
                self._introduce_model(turn)
            data = streamed.events.encode(chunks)
            completion = turn.completion
            if completion is None:
                await streamed.stream.write(data)
            else:
                await streamed.stream.end(data + streamed.events.end(completion, turn.chunk_count))


class _Streamed:
    """An answer on its way as events."""

    def __init__(self, stream: EventStream, form: AnswerForm, turn: KnownTurn) -> None:
        self.stream = stream
        self.turn = turn
        self._form = form
        self._events: AnswerEvents | None = None

    @property
    def events(self) -> AnswerEvents:
        events = self._events
        if events is None:
            events = self._events = self._form.events(self.turn)
        return events
