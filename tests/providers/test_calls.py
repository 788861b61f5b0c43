"""A worker that waits for the results of its calls, and who is given it."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from llm_mcp_hub.domain.chat import Message, ToolCallPart, ToolResultPart
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.testing.turns import message, run_turn, turn_request

pytestmark = pytest.mark.anyio

Provide = Callable[..., Any]

LOOK, TIME = Tool("look"), Tool("time")
ASKED = '["state",["call",0,"call-a","look"],["call",1,"call-b","time"],["finish","tool_calls"]]'
GO_ON = '["state",["finish","stop"]]'


def result(call_id: str, steps: str = GO_ON) -> Message:
    return message("tool", ToolResultPart(call_id, steps))


async def waiting(provider: Any) -> tuple[int, list[Message]]:
    """A worker that waits for two results; its process id, and the conversation."""
    outcome = await run_turn(provider, turn_request(ASKED, tools=[LOOK, TIME]))
    answer = outcome.completion
    assert [call.id for call in answer.tool_calls] == ["call-a", "call-b"]
    return json.loads(answer.text)[0], [message("user", ASKED), answer.message]


async def answered(provider: Any, said: list[Message], **more: Any) -> list[Any]:
    """What the worker says of its state: process id, whether it was continued, turns."""
    outcome = await run_turn(provider, turn_request(*said, **{"tools": [LOOK, TIME], **more}))
    state: list[Any] = json.loads(outcome.completion.text)
    return state


@pytest.mark.parametrize("order", [("call-a", "call-b"), ("call-b", "call-a")])
async def test_the_worker_that_waits_gets_its_results_in_any_order(
    provide: Provide, order: tuple[str, str]
) -> None:
    provider = provide(max_workers=4)
    pid, said = await waiting(provider)
    assert await answered(provider, [*said, *map(result, order)]) == [pid, True, 2]


async def test_arguments_that_came_back_in_other_words_are_the_same_call(provide: Provide) -> None:
    provider = provide(max_workers=4)
    pid, (asked, called) = await waiting(provider)
    reworded = tuple(
        ToolCallPart(part.id, part.name, '{"id": 1}') if isinstance(part, ToolCallPart) else part
        for part in called.parts
    )
    said = [asked, Message("assistant", reworded), result("call-a"), result("call-b")]
    assert await answered(provider, said) == [pid, True, 2]


@pytest.mark.parametrize(
    ("new", "tools"),
    [
        ([result("call-a"), message("user", GO_ON)], [LOOK, TIME]),
        ([result("call-a"), result("call-b"), message("user", GO_ON)], [LOOK, TIME]),
        ([result("call-a")], [LOOK, TIME]),
        ([message("user", GO_ON)], [LOOK, TIME]),
        ([result("call-a"), result("call-b")], [LOOK]),
    ],
    ids=["with a question", "all with a question", "one missing", "none", "other tools"],
)
async def test_anything_but_all_results_goes_to_a_fresh_worker_with_the_history(
    provide: Provide, new: list[Message], tools: list[Tool]
) -> None:
    provider = provide(max_workers=4)
    pid, said = await waiting(provider)
    state = await answered(provider, [*said, *new], tools=tools)
    assert state[0] != pid
    assert state[1:] == [False, 1]


async def test_a_worker_that_died_while_it_waited_is_replaced_with_the_history(
    provide: Provide,
) -> None:
    provider = provide(max_workers=4)
    pid, said = await waiting(provider)
    os.kill(pid, signal.SIGKILL)
    state = await answered(provider, [*said, result("call-a"), result("call-b")])
    assert state[0] != pid
    assert state[1:] == [False, 1]
