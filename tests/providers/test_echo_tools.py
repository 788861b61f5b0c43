"""The echo model calls tools when its text says so."""

import json
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.chat import Message, ToolResultPart, TurnOptions
from llm_mcp_hub.domain.chunk import FinishReason, ToolArgumentsChunk, ToolCallChunk
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.providers.echo import EchoProvider, EchoSettings
from llm_mcp_hub.providers.echo_script import answer_to
from llm_mcp_hub.testing.turns import message, run_turn, turn_request
from llm_mcp_hub.workers.limits import PoolLimits

pytestmark = pytest.mark.anyio

TOOLS = [Tool("look"), Tool("time")]
BOTH = '/call look {"city": "서울", "days": [1, 2]}\n/call time'


@pytest.fixture(params=[0.0, 0.001])
async def echo(
    remains: Any, anyio_backend: object, request: pytest.FixtureRequest
) -> AsyncIterator[EchoProvider]:
    provider = EchoProvider("echo", EchoSettings(request.param, PoolLimits(min_spare=0)))
    yield provider
    await provider.aclose()
    remains.check()


async def say(provider: EchoProvider, *said: Message | str, **how: Any) -> Any:
    how = {"tools": TOOLS, "model": "echo", **how}
    return await run_turn(provider, turn_request(*said, **how))


def result(call: Any, text: str, **more: Any) -> Message:
    return message("tool", ToolResultPart(call.id, text, **more))


async def test_lines_that_call_are_calls_with_ids_of_their_own_and_arguments_in_pieces(
    echo: EchoProvider,
) -> None:
    outcome = await say(echo, BOTH)
    completion = outcome.completion
    assert completion.text == ""
    assert completion.finish_reason is FinishReason.TOOL_CALLS
    look, time = completion.tool_calls
    assert (look.name, time.name) == ("look", "time")
    assert json.loads(look.arguments) == {"city": "서울", "days": [1, 2]}
    assert time.arguments == "{}"
    assert look.id.startswith("call_")
    assert look.id != time.id
    began = [chunk.index for chunk in outcome.chunks if isinstance(chunk, ToolCallChunk)]
    assert began == [0, 1]
    assert sum(isinstance(chunk, ToolArgumentsChunk) for chunk in outcome.chunks) > 3


async def test_results_are_answered_with_their_text_by_the_process_that_waited(
    echo: EchoProvider,
) -> None:
    called = (await say(echo, BOTH)).completion
    (waiting,) = [figures.pid for figures in echo.workers()]
    look, time = called.tool_calls
    results = [result(look, "rain"), result(time, "no clock", is_error=True)]
    answer = (await say(echo, BOTH, called.message, *results)).completion
    assert answer.text == "rain\nError: no clock"
    assert answer.finish_reason is FinishReason.STOP
    assert [figures.pid for figures in echo.workers()] == [waiting]
    assert echo.status().pool.served == 2


async def test_results_are_answered_the_same_if_that_process_is_gone(echo: EchoProvider) -> None:
    called = (await say(echo, "/call look")).completion
    (waiting,) = [figures.pid for figures in echo.workers()]
    os.kill(waiting, signal.SIGKILL)
    said = ["/call look", called.message, result(called.tool_calls[0], "rain")]
    assert (await say(echo, *said)).completion.text == "rain"
    assert [figures.pid for figures in echo.workers()] != [waiting]


async def test_a_script_is_carried_out_block_by_block(echo: EchoProvider) -> None:
    said: list[Message | str] = [
        'Let me see.\n/call look {"n": 1}\n\n/call time\n/call look\n\nIt is {"rain": true}'
    ]
    first = (await say(echo, *said)).completion
    assert first.text == "Let me see."
    assert [call.arguments for call in first.tool_calls] == ['{"n": 1}']
    said += [first.message, result(first.tool_calls[0], "one")]
    second = (await say(echo, *said)).completion
    assert [call.name for call in second.tool_calls] == ["time", "look"]
    said += [second.message, *(result(call, "two") for call in second.tool_calls)]
    third = (await say(echo, *said)).completion
    assert (third.text, third.tool_calls) == ('It is {"rain": true}', ())


async def test_without_parallel_calls_each_answer_has_one(echo: EchoProvider) -> None:
    said: list[Message | str] = [BOTH]
    for name in ("look", "time"):
        completion = (await say(echo, *said, parallel_tool_calls=False)).completion
        (call,) = completion.tool_calls
        assert call.name == name
        said += [completion.message, result(call, f"the {name}")]
    completion = (await say(echo, *said, parallel_tool_calls=False)).completion
    assert (completion.text, completion.tool_calls) == ("the time", ())


@pytest.mark.parametrize(
    ("text", "tools", "answer"),
    [
        ("/call fly", TOOLS, "There is no tool fly. The tools are: look, time."),
        ("/call look", [], "There is no tool look. The tools are: none."),
        ("/call look [1]", TOOLS, "The arguments of look are not a JSON object: [1]"),
        ("/call look {", TOOLS, "The arguments of look are not a JSON object: {"),
    ],
)
async def test_a_call_that_can_t_be_made_is_an_answer_that_says_so(
    echo: EchoProvider, text: str, tools: list[Tool], answer: str
) -> None:
    completion = (await say(echo, text, tools=tools)).completion
    assert (completion.text, completion.tool_calls) == (answer, ())


async def test_a_limit_that_cuts_the_text_leaves_no_calls(echo: EchoProvider) -> None:
    outcome = await say(echo, "one two three\n/call look", options=TurnOptions(max_tokens=2))
    assert outcome.completion.text == "one two"
    assert outcome.completion.tool_calls == ()
    assert outcome.completion.finish_reason is FinishReason.LENGTH


async def test_a_text_beside_results_is_what_is_answered(echo: EchoProvider) -> None:
    called = (await say(echo, "/call look")).completion
    said = ["/call look", called.message, result(called.tool_calls[0], "rain"), "never mind"]
    assert (await say(echo, *said)).completion.text == "never mind"


@given(st.text("/cal lok{}\n"))
def test_a_text_that_calls_nothing_is_said_as_it_is(text: str) -> None:
    answer = answer_to(turn_request(text, tools=TOOLS))
    called = any(line.strip().startswith("/call ") for line in text.split("\n"))
    assert called or (answer.text, answer.calls) == (text, ())


def test_scripts_may_come_with_the_line_ends_of_windows() -> None:
    answer = answer_to(turn_request("/call look {}\r\n\r\ndone\r\n", tools=TOOLS))
    assert [call.arguments for call in answer.calls] == ["{}"]
