"""`POST /v1/chat/completions`."""

import msgspec
from litestar.handlers import ASGIRouteHandler
from litestar.types import Scope

from llm_mcp_hub.api.answer import Answer
from llm_mcp_hub.api.errors import error_body
from llm_mcp_hub.api.gate import Gate
from llm_mcp_hub.api.openai.convert import convert_request
from llm_mcp_hub.api.openai.schemas import ChatCompletionRequest
from llm_mcp_hub.api.openai.wire import ChatForm
from llm_mcp_hub.api.turn_request import TurnCall, decode
from llm_mcp_hub.api.turn_route import open_turn, turn_handler
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.access import Scope as AccessScope
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.command import ChatCommand

PATH = "/v1/chat/completions"

_decoder = msgspec.json.Decoder(ChatCompletionRequest)


def chat_handler(hub: Hub, gate: Gate) -> ASGIRouteHandler:
    """The route for one hub."""

    async def admit(scope: Scope) -> Principal:
        return await gate.admit(scope, AccessScope.CHAT)

    async def serve(call: TurnCall, answer: Answer) -> None:
        request = decode(_decoder, call.body)
        converted = convert_request(request)
        options = request.stream_options
        include_usage = options is not None and options.include_usage
        command = ChatCommand(
            model=request.model or "",
            messages=converted.messages,
            system=converted.system,
            options=converted.options,
            tools=converted.tools,
            tool_choice=converted.tool_choice,
            parallel_tool_calls=converted.parallel_tool_calls,
            response_format=converted.response_format,
            resumable=bool(request.stream),
            include_usage=include_usage,
        )
        await answer.write(
            open_turn(hub, call.principal, call.addressed(command), converted.ignored, answer),
            ChatForm(
                include_usage=include_usage, refusals=converted.response_format.kind != "text"
            ),
            stream=bool(request.stream),
        )

    return turn_handler(PATH, hub, admit, error_body, serve)
