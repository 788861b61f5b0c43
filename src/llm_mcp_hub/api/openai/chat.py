"""`POST /v1/chat/completions`, the hot route.

It is a bare ASGI handler: request parsing, authentication and streaming cost a third of what they
cost through a decorated handler. Its place in the OpenAPI document is given by `api.openapi`.
"""

import re
from contextlib import suppress
from hashlib import blake2b

import msgspec
from litestar import asgi
from litestar.enums import ScopeType
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive, Scope, Send

from llm_mcp_hub.api.body import ClientGone, read_body
from llm_mcp_hub.api.errors import as_hub_error
from llm_mcp_hub.api.gate import Gate
from llm_mcp_hub.api.openai.answer import SESSION_HEADER, Answer
from llm_mcp_hub.api.openai.convert import convert_request
from llm_mcp_hub.api.openai.schemas import ChatCompletionRequest
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.access import Scope as AccessScope
from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.domain.ids import is_idempotency_key
from llm_mcp_hub.errors import InvalidRequest, MethodNotAllowed
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.services.turn import Turn

PATH = "/v1/chat/completions"
NO_SESSION = "none"
KEY_HEADER = b"idempotency-key"
PRIORITY_HEADER = b"x-priority"

_decoder = msgspec.json.Decoder(ChatCompletionRequest)
_PARAM = re.compile(r" - at `\$\.?(.*)`\Z", re.DOTALL)


def chat_handler(hub: Hub, gate: Gate) -> ASGIRouteHandler:
    """The route for one hub."""
    limit = hub.config.server.max_body_bytes

    @asgi(PATH, copy_scope=False)
    async def chat_completions(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.WEBSOCKET:  # Litestar brings websockets here, too
            await send({"type": "websocket.close", "code": 1000, "reason": "Use POST."})
            return
        answer = Answer(receive, send)
        try:
            if scope.get("method") != "POST":
                raise MethodNotAllowed("Use POST on this path; see `GET /schema`.")
            principal = await gate.admit(scope, AccessScope.CHAT)
            body = await read_body(scope, receive, limit)
            request = _decode(body)
            command, ignored = _command(scope, principal, body, request)
            await answer.write(
                _open(hub, principal, command, ignored, answer),
                stream=bool(request.stream),
                include_usage=command.include_usage,
            )
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  # every failure becomes an answer
            with suppress(ClientGone):
                await answer.fail(as_hub_error(error))

    return chat_completions


async def _open(
    hub: Hub,
    principal: Principal,
    command: ChatCommand,
    ignored: tuple[str, ...],
    answer: Answer,
) -> Turn | FollowedTurn:
    turn = await hub.chat.open_turn(principal, command)
    provider = hub.registry.find(turn.model_id.partition("/")[0])
    if provider is not None:
        ignored += tuple(provider.ignored(command.options))
    if ignored:
        answer.headers.append((b"x-hub-ignored", ", ".join(ignored).encode()))
    if isinstance(turn, FollowedTurn):
        answer.headers.append((b"idempotent-replayed", b"true"))
    return turn


def _command(
    scope: Scope, principal: Principal, body: bytes, request: ChatCompletionRequest
) -> tuple[ChatCommand, tuple[str, ...]]:
    """What is asked for, and the names of the fields that have no effect."""
    converted = convert_request(request)
    session_id = key = None
    priority = principal.priority
    for name, value in scope["headers"]:
        if name == SESSION_HEADER:
            session_id = _the_only(session_id, value, "X-Session-ID")
        elif name == KEY_HEADER:
            key = _the_only(key, value, "Idempotency-Key")
        elif name == PRIORITY_HEADER and _priority(value) is Priority.BATCH:
            priority = Priority.BATCH
    if key is not None and not is_idempotency_key(key):
        raise InvalidRequest(
            "An Idempotency-Key is 1 to 255 visible ASCII characters.",
            param="Idempotency-Key",
        )
    options = request.stream_options
    command = ChatCommand(
        model=request.model,
        messages=converted.messages,
        system=converted.system,
        options=converted.options,
        session_id=None if session_id == NO_SESSION else session_id,
        remember=session_id != NO_SESSION,
        priority=priority,
        resumable=bool(request.stream),
        include_usage=options is not None and options.include_usage,
        key=key,
        fingerprint="" if key is None else _fingerprint(session_id, body),
    )
    return command, converted.ignored


def _the_only(known: str | None, raw: bytes, header: str) -> str:
    value = raw.decode("latin-1")
    if known is not None and known != value:
        raise InvalidRequest(f"Send one {header}, not several.", param=header)
    return value


def _priority(raw: bytes) -> Priority:
    try:
        return Priority(raw.decode("latin-1").strip().lower())
    except ValueError:
        raise InvalidRequest(
            "X-Priority is `interactive` or `batch`.", param="X-Priority"
        ) from None


def _fingerprint(session_id: str | None, body: bytes) -> str:
    return blake2b(f"{session_id} ".encode() + body, digest_size=16).hexdigest()


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
