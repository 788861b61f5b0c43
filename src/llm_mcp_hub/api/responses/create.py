"""`POST /v1/responses`."""

import msgspec
from litestar.handlers import ASGIRouteHandler
from litestar.types import Scope
from msgspec.structs import replace

from llm_mcp_hub.api.answer import Answer, AnyTurn
from llm_mcp_hub.api.gate import Gate
from llm_mcp_hub.api.responses import kept
from llm_mcp_hub.api.responses.convert import Converted, convert_request, echo
from llm_mcp_hub.api.responses.input_items import references, said
from llm_mcp_hub.api.responses.maker import error_body
from llm_mcp_hub.api.responses.objects import Echo
from llm_mcp_hub.api.responses.output import response_id
from llm_mcp_hub.api.responses.schemas import ResponseRequest
from llm_mcp_hub.api.responses.wire import ResponseForm
from llm_mcp_hub.api.turn_request import TurnCall, decode
from llm_mcp_hub.api.turn_route import open_turn, turn_handler
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.access import Scope as AccessScope
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.turn import Turn

PATH = "/v1/responses"

_decoder = msgspec.json.Decoder(ResponseRequest)


def create_handler(hub: Hub, gate: Gate) -> ASGIRouteHandler:
    """The route for one hub."""

    async def admit(scope: Scope) -> Principal:
        return await gate.admit(scope, AccessScope.CHAT)

    async def serve(call: TurnCall, answer: Answer) -> None:
        request = decode(_decoder, call.body)
        converted = convert_request(request)
        call = _in_conversation(call, converted.conversation)
        stored = call.remember and request.store is not False
        if request.background and not stored:
            raise InvalidRequest(
                "`background` needs the answer to be stored: leave `X-Session-ID: none` out.",
                param="X-Session-ID",
            )
        shown = echo(request, converted.conversation, store=stored)
        command, ignored = await _command(hub, call, request, converted, shown)
        form = ResponseForm(shown)
        opening = open_turn(hub, call.principal, call.addressed(command), ignored, answer)
        if request.background:
            await _answer_later(hub, call.principal, await opening, form, answer, request)
        else:
            await answer.write(opening, form, stream=bool(request.stream))

    return turn_handler(PATH, hub, admit, error_body, serve)


async def _command(
    hub: Hub, call: TurnCall, request: ResponseRequest, converted: Converted, shown: Echo
) -> tuple[ChatCommand, tuple[str, ...]]:
    """What is asked for, and the names of what has no effect."""
    name, stored = call.principal.name, shown.store
    before = await kept.before(hub.kept_turns, name, request.previous_response_id)
    items = await kept.items(hub.kept_turns, name, references(converted.items))
    told = said(converted.items, items)
    if not told.messages:
        raise InvalidRequest("`input` is empty: say something.", param="input")
    system = (*before.system, *told.system)
    note = kept.Note(shown, system, len(told.messages))
    command = ChatCommand(
        model=request.model or "",
        messages=before.messages + told.messages,
        system="\n\n".join(filter(None, [converted.instructions, *system])) or None,
        options=converted.options,
        tools=converted.tools,
        tool_choice=converted.tool_choice,
        parallel_tool_calls=shown.parallel_tool_calls,
        response_format=converted.response_format,
        remember=stored or call.session_id is not None,
        resumable=bool(request.stream) and stored,
        note=kept.noted(note) if stored else b"",
    )
    ignored = converted.ignored + (("input.reasoning",) if told.has_reasoning else ())
    return command, ignored


async def _answer_later(
    hub: Hub,
    principal: Principal,
    turn: AnyTurn,
    form: ResponseForm,
    answer: Answer,
    request: ResponseRequest,
) -> None:
    """Have the turn run whoever waits for it, and answer with how it is, or follow it."""
    if isinstance(turn, Turn):
        hub.background.start(turn, lambda _: None, lambda: None)
        live = hub.journals.live(principal.name, turn.turn_id)
        if live is not None:  # whoever knows its id must find it, at every hub
            await hub.journals.settle(live)
    journal = await kept.find(hub.kept_turns, principal.name, response_id(turn.turn_id))
    if request.stream:
        await answer.write(await hub.kept_turns.follow(journal), form, stream=True)
    else:
        answer.introduce(turn)
        await answer.respond(200, msgspec.json.encode(kept.shown(journal)))


def _in_conversation(call: TurnCall, conversation: str | None) -> TurnCall:
    """The request with the session that it names in its body."""
    if conversation is None:
        return call
    named = None if call.hinted else call.session_id
    if not call.remember or named not in (None, conversation):
        raise InvalidRequest(
            "`conversation` is the id of a session here, and X-Session-ID names another one.",
            param="conversation",
        )
    return replace(call, session_id=conversation, hinted=False)
