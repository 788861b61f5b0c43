"""The routes that ask a model for an answer, in whatever dialect: the hot routes.

They are bare ASGI handlers: request parsing, authentication and streaming cost a third of what
they cost through a decorated handler. Their place in the OpenAPI document is given by
`api.openapi`.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from litestar import asgi
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from llm_mcp_hub.api.answer import Answer, AnswerForm, AnyTurn, ErrorBody
from llm_mcp_hub.api.body import NOT_UTF_8, ClientGone, is_utf_8, read_body
from llm_mcp_hub.api.errors import as_hub_error
from llm_mcp_hub.api.session_hints import SessionHints
from llm_mcp_hub.api.turn_request import TurnCall, turn_call
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.errors import HubError, InvalidRequest, MethodNotAllowed
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.attempts import AwaitedTurn
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.follow import FollowedTurn

Admit = Callable[[Scope], Awaitable[Principal]]
Serve = Callable[[TurnCall, Answer], Awaitable[None]]


def turn_handler(
    path: str, hub: Hub, admit: Admit, error_body: ErrorBody, serve: Serve
) -> ASGIRouteHandler:
    """A route for one hub, `POST` alone.

    Args:
        path: Its path.
        hub: The hub.
        admit: Lets a request in, or raises why not; before its body is read.
        error_body: How the dialect tells of an error.
        serve: Answers a request that was let in. What it raises becomes the answer.
    """
    limit = hub.config.server.max_body_bytes
    session_hints = SessionHints(hub.config.sessions)

    @asgi(path, copy_scope=False)
    async def turn_route(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:  # Litestar brings websockets here, too
            await send({"type": "websocket.close", "code": 1000, "reason": "Use POST."})
            return
        answer = Answer(receive, send, error_body)
        body = b""
        try:
            if scope.get("method") != "POST":
                raise MethodNotAllowed("Use POST on this path; see `GET /schema`.")
            principal = await admit(scope)
            body = await read_body(scope, receive, limit)
            await serve(turn_call(scope, principal, body, session_hints), answer)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  # every failure becomes an answer
            with suppress(ClientGone):
                await answer.fail(_with_its_cause(as_hub_error(error), body))

    return turn_route


def _with_its_cause(error: HubError, body: bytes) -> HubError:
    """An error that can't say where the body is wrong, or that the body is no text at all."""
    if isinstance(error, InvalidRequest) and error.param is None and not is_utf_8(body):
        return InvalidRequest(NOT_UTF_8)
    return error


class FollowedAnswer:
    """The ASGI application that answers with the events of a turn that is followed."""

    def __init__(self, turn: FollowedTurn, form: AnswerForm, error_body: ErrorBody) -> None:
        self._turn = turn
        self._form = form
        self._error_body = error_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        """Answer one request."""
        answer = Answer(receive, send, self._error_body)
        try:
            await answer.write(self._turn, self._form, stream=True)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  # every failure becomes an answer
            with suppress(ClientGone):
                await answer.fail(as_hub_error(error))


async def open_turn(
    hub: Hub, principal: Principal, command: ChatCommand, ignored: tuple[str, ...], answer: Answer
) -> AnyTurn:
    """Begin a turn, or follow the one of the same `Idempotency-Key`; the headers say what it is.

    Args:
        hub: The hub.
        principal: Who asks.
        command: What for.
        ignored: Names of fields of the request that have no effect.
        answer: Gets the headers, and is told of a turn whose first chunk is awaited.
    """

    def awaits(turn: AwaitedTurn) -> None:
        answer.ignores(ignored)
        answer.await_first_chunk(turn)

    turn = await hub.chat.open_turn(principal, command, awaits)
    provider = hub.registry.find(turn.model_id.partition("/")[0])
    try:
        names = provider.ignored(command.options) if provider is not None else ()
    except BaseException:
        await turn.aclose()  # it is nobody else's yet
        raise
    answer.ignores((*ignored, *names))
    if isinstance(turn, FollowedTurn):
        answer.headers.append((b"idempotent-replayed", b"true"))
    return turn
