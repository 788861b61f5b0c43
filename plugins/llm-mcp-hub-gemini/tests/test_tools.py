"""The client's tools, called by the real Gemini CLI on a loopback Code Assist."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from llm_mcp_hub.domain.chat import ImagePart, Message, ToolCallPart, ToolResultPart, TurnRequest
from llm_mcp_hub.domain.chunk import (
    FinishChunk,
    FinishReason,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.testing.turns import message, run_turn, turn_request
from llm_mcp_hub_gemini.provider import GeminiProvider
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist, Reply

pytestmark = [pytest.mark.anyio, pytest.mark.real_cli, pytest.mark.xdist_group("gemini")]

MakeProvider = Callable[..., GeminiProvider]
MODEL = "gemini-2.5-flash"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "Its name"}},
    "required": ["city"],
}
WEATHER = Tool("get_weather", "The weather in a city", CITY)
TIME = Tool("get_time", "The time in a city", CITY)


def ask(*messages: Any, tools: Any = (WEATHER, TIME), **fields: Any) -> TurnRequest:
    return turn_request(*messages, model=MODEL, tools=tools, **fields)


def result(call: ToolCallPart, text: str, **fields: Any) -> Message:
    return message("tool", ToolResultPart(call.id, text, **fields))


def natively(request: Any) -> list[tuple[str, list[Any]]]:
    """The turns that a vendor was shown, without ids, and the CLI's marks around results."""
    turns = []
    for role, parts in request.turns:
        shown = []
        for part in parts:
            if isinstance(part, dict) and "functionCall" in part:
                call = part["functionCall"]
                shown.append(("call", call["name"], call["args"]))
            elif isinstance(part, dict) and "functionResponse" in part:
                answer = part["functionResponse"]
                text = json.dumps(answer["response"])
                for mark in ("<untrusted_context>\\n", "\\n</untrusted_context>"):
                    text = text.replace(mark, "")
                shown.append(("result", answer["name"], json.loads(text)))
            else:
                shown.append(part)
        turns.append((role, shown))
    return turns


@pytest.fixture(scope="module")
async def shared_provider(make_provider: MakeProvider) -> AsyncIterator[GeminiProvider]:
    made = make_provider()
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def provider(shared_provider: GeminiProvider) -> AsyncIterator[GeminiProvider]:
    yield shared_provider
    await shared_provider._pool.settled()


async def test_a_call_is_given_to_the_client_and_its_result_to_the_model(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.script(
        Reply(text="Let me look.", calls=(("mcp_client_get_weather", {"city": "Rome"}),)),
        Reply(text="It is 21 degrees."),
    )
    first = await run_turn(provider, ask("Weather in Rome?", system="Be brief."))
    [call] = first.completion.tool_calls
    assert first.completion.text == "Let me look."
    assert first.completion.finish_reason is FinishReason.TOOL_CALLS
    assert call.name == "get_weather"
    assert json.loads(call.arguments) == {"city": "Rome"}
    kinds = [type(chunk) for chunk in first.chunks]
    assert kinds == [*[TextChunk] * 4, ToolCallChunk, ToolArgumentsChunk, FinishChunk]
    said = ("Weather in Rome?", first.completion.message, result(call, "21 C"))
    second = await run_turn(provider, ask(*said, system="Be brief."))
    assert second.completion.text == "It is 21 degrees."
    assert second.completion.finish_reason is FinishReason.STOP
    print(json.dumps(api.requests[-1].body["request"], indent=1)[:4000])
    print(second.completion.usage)
    assert len(api.requests) == 2
    assert natively(api.requests[1]) == []
