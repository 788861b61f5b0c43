"""`POST /v1/messages` and `POST /v1/messages/count_tokens`."""

import msgspec
from litestar.handlers import ASGIRouteHandler
from litestar.types import Scope

from llm_mcp_hub.api.answer import TURN_HEADER, Answer
from llm_mcp_hub.api.anthropic.convert import convert_request
from llm_mcp_hub.api.anthropic.errors import error_body
from llm_mcp_hub.api.anthropic.schemas import MessagesRequest
from llm_mcp_hub.api.anthropic.wire import MessagesForm
from llm_mcp_hub.api.gate import Gate
from llm_mcp_hub.api.turn_request import TurnCall, decode
from llm_mcp_hub.api.turn_route import open_turn, turn_handler
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.access import Scope as AccessScope
from llm_mcp_hub.errors import NotFound
from llm_mcp_hub.hub import Hub

PATH = "/v1/messages"
COUNT_PATH = "/v1/messages/count_tokens"
REQUEST_ID_HEADER = b"request-id"
"""Whose value Anthropic's clients show as the id of the request."""

_decoder = msgspec.json.Decoder(MessagesRequest)


def messages_handlers(hub: Hub, gate: Gate) -> list[ASGIRouteHandler]:
    """The routes for one hub."""

    async def admit(scope: Scope) -> Principal:
        return await gate.admit(scope, AccessScope.CHAT, token_header=True)

    async def serve(call: TurnCall, answer: Answer) -> None:
        request = decode(_decoder, call.body)
        converted = convert_request(request)
        command = call.addressed(converted.command)
        answer.id_headers = (TURN_HEADER, REQUEST_ID_HEADER)
        await answer.write(
            open_turn(hub, call.principal, command, converted.ignored, answer),
            MessagesForm(show_thinking=converted.show_thinking),
            stream=bool(request.stream),
        )

    async def count(_call: TurnCall, _answer: Answer) -> None:
        raise NotFound(
            "The hub can't count the tokens of a request without sending it: the vendors' programs "
            "don't offer it, and a guess would be taken for a count. `usage` of each answer has "
            "the true numbers."
        )

    return [
        turn_handler(PATH, hub, admit, error_body, serve),
        turn_handler(COUNT_PATH, hub, admit, error_body, count),
    ]
