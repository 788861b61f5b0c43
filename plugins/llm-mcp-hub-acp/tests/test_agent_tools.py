"""The client's tools with any agent: the scripted one differs where agents do."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from llm_mcp_hub.domain.chat import Message, ToolCallPart, ToolResultPart, TurnRequest
from llm_mcp_hub.domain.chunk import (
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.model import Capability
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import ProviderFailed, UnsupportedParameter, WorkerStartFailed
from llm_mcp_hub.testing.turns import Outcome, message, run_turn, turn_request
from llm_mcp_hub_acp.provider import AcpProvider

pytestmark = pytest.mark.anyio

MakeProvider = Callable[..., AcpProvider]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
LOOK = Tool("look", "Look", {"type": "object", "properties": {"at": {}}})


def ask(*messages: Any, model: str = "small", **fields: Any) -> TurnRequest:
    return turn_request(*messages, model=model, **{"tools": [LOOK], **fields})


def results(outcome: Outcome, *texts: str) -> list[Message]:
    """The answer, and the results of its calls."""
    calls = outcome.completion.tool_calls
    parts = (ToolResultPart(call.id, text) for call, text in zip(calls, texts, strict=True))
    return [outcome.completion.message, *(message("tool", part) for part in parts)]


async def suspended(provider: AcpProvider, **fields: Any) -> tuple[list[Any], ToolCallPart]:
    outcome = await run_turn(provider, ask('fake:call look {"at": 1}', **fields))
    [call] = outcome.completion.tool_calls
    return ['fake:call look {"at": 1}', *results(outcome, "seen")], call


async def test_a_call_comes_after_the_words_before_it_and_its_result_goes_on(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("--mcp")
    first = await run_turn(provider, ask('fake:call look {"at": [1]}'))
    assert [type(chunk) for chunk in first.chunks[:-1]] == [
        ReasoningChunk,
        TextChunk,
        ToolCallChunk,
        ToolArgumentsChunk,
    ]
    [call] = first.completion.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("look", {"at": [1]})
    assert first.completion.text == "Let me see."
    assert first.completion.finish_reason is FinishReason.TOOL_CALLS
    assert first.completion.usage == Usage()
    pid = provider.workers()[0].pid
    said = ['fake:call look {"at": [1]}', *results(first, "seen")]
    second = await run_turn(provider, ask(*said))
    assert json.loads(second.completion.text) == [{"type": "text", "text": "seen"}]
    assert second.completion.usage.output_tokens == 20
    third = await run_turn(provider, ask(*said, second.completion.message, "fake:tell"))
    told = json.loads(third.completion.text)
    assert told["pid"] == pid
    # In one session, and only what was new.
    assert [one for one in told["told"] if "fake:call" in one and "user" in one] == [
        'user: fake:call look {"at": [1]}'
    ]


async def test_calls_at_once_come_at_once_if_they_may(make_provider: MakeProvider) -> None:
    provider = make_provider("--mcp")
    first = await run_turn(provider, ask("fake:both look"))
    said: list[Any] = ["fake:both look"]
    answered: dict[int, str] = {}
    while first.completion.finish_reason is FinishReason.TOOL_CALLS:
        calls = first.completion.tool_calls
        numbers = [json.loads(call.arguments)["number"] for call in calls]
        answered |= {number: f"result {number}" for number in numbers}
        said += results(first, *(answered[number] for number in numbers))
        first = await run_turn(provider, ask(*said))
    assert sorted(answered) == [0, 1]
    found = [part["text"] for part in _lists(first.completion.text)]
    assert found == ["result 0", "result 1"]


@pytest.mark.parametrize("pings", [True, False])
async def test_one_call_at_a_time_if_the_client_wants_it(
    make_provider: MakeProvider, pings: bool
) -> None:
    provider = make_provider("--mcp", pings=pings)
    said: list[Any] = ["fake:both look"]
    seen = []
    for _ in range(2):
        outcome = await run_turn(provider, ask(*said, parallel_tool_calls=False))
        [call] = outcome.completion.tool_calls
        seen.append(json.loads(call.arguments)["number"])
        said += results(outcome, f"result {seen[-1]}")
    last = await run_turn(provider, ask(*said, parallel_tool_calls=False))
    assert sorted(seen) == [0, 1]
    assert [part["text"] for part in _lists(last.completion.text)] == ["result 0", "result 1"]


def _lists(text: str) -> list[dict[str, str]]:
    decoder, found, at = json.JSONDecoder(), [], 0
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found += value
        at += 1
    return found


async def test_an_agent_that_knows_no_mcp_over_http_is_given_no_tools(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider()
    outcome = await run_turn(provider, ask("hello"))
    assert isinstance(outcome.error, UnsupportedParameter)
    assert outcome.error.param == "tools"
    assert Capability.TOOLS not in provider.capabilities
    assert (await run_turn(provider, ask("hello", tools=()))).error is None
    assert provider._tools.port == 0  # and nothing listens for it
    able = make_provider("--mcp")
    assert (await run_turn(able, ask("hello"))).error is None
    assert Capability.TOOLS in able.capabilities


async def test_tools_are_seen_in_their_own_conversation_only(make_provider: MakeProvider) -> None:
    provider = make_provider("--mcp", session_mode="plan")

    async def listed(*tools: Tool, principal: str) -> list[str]:
        request = ask("fake:list", tools=tools, principal=principal)
        text = (await run_turn(provider, request)).completion.text
        return [tool["name"] for tool in json.loads(text)]

    seen = await asyncio.gather(
        listed(LOOK, Tool("a"), principal="a"),
        listed(Tool("b"), principal="b"),
        listed(principal="c"),
    )
    assert seen == [["look", "a"], ["b"], []]
    # The session is one like any other.
    outcome = await run_turn(provider, ask("fake:tell", model="large"))
    told = json.loads(outcome.completion.text)
    assert (told["model"], told["mode"]) == ("large", "plan")
    assert len({worker.pid for worker in provider.workers()}) == 1


async def test_an_agent_that_takes_no_notice_of_its_tools_is_an_error(
    make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_mcp_hub_acp.client_tools.toolbox.LIST_SECONDS", 0.1)
    provider = make_provider("--mcp=deaf")
    outcome = await run_turn(provider, ask("hello"))
    assert isinstance(outcome.error, WorkerStartFailed)
    assert "tools" in outcome.error.message
    assert (await run_turn(provider, ask("hello", tools=()))).error is None


async def test_a_turn_that_waits_for_the_listing_can_be_given_up(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("--mcp=deaf")
    stream = await provider.open_turn(ask("hello"))
    async with asyncio.timeout(4):
        await stream.aclose()
        await provider._pool.settled()
    assert provider._tools._toolboxes == {}


async def test_a_tool_of_its_own_is_still_none_of_the_clients(make_provider: MakeProvider) -> None:
    provider = make_provider("--mcp")
    outcome = await run_turn(provider, ask("fake:own"))
    assert isinstance(outcome.error, ProviderFailed)
    assert "of its own" in outcome.error.message
    assert not outcome.error.retryable


async def test_permission_is_refused_with_tools_as_well(make_provider: MakeProvider) -> None:
    outcome = await run_turn(make_provider("--mcp"), ask("fake:permission"))
    assert "selected" in outcome.completion.text
    assert '"no"' in outcome.completion.text


async def test_a_call_whose_worker_died_is_written_out_for_another(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("--mcp")
    said, _ = await suspended(provider)
    os.kill(provider.workers()[0].pid, signal.SIGKILL)
    outcome = await run_turn(provider, ask(*said))
    # Its history is text, for this agent loads none; the last it is told is to go on.
    assert outcome.completion.text == "echo: Go on."
    told = await run_turn(provider, ask(*said, outcome.completion.message, "fake:tell"))
    [history, *_] = json.loads(told.completion.text)["told"]
    assert "[called the tool look" in history
    assert "[the tool answered: seen]" in history


async def test_an_agent_that_waits_no_longer_loses_its_conversation_at_once(
    make_provider: MakeProvider, until: Until
) -> None:
    provider = make_provider("--mcp")
    first = await run_turn(provider, ask("fake:drop look"))
    assert first.completion.finish_reason is FinishReason.TOOL_CALLS
    assert provider.status().pool.parked == 1
    await run_turn(provider, ask("fake:release", principal="other", tools=()))
    await until(lambda: provider.status().pool.parked == 1)  # the other one's
    said = ["fake:drop look", *results(first, "late")]
    outcome = await run_turn(provider, ask(*said))
    assert outcome.completion.text == "echo: Go on."


async def test_a_conversation_that_waits_is_closed_like_any_other(
    make_provider: MakeProvider, until: Until
) -> None:
    provider = make_provider("--mcp", pool={"min_spare": 0, "max_workers": 1})
    said, _ = await suspended(provider)
    pid = provider.workers()[0].pid
    # The only place is needed: the agent is told to stop, and its call is no longer held.
    assert (await run_turn(provider, ask("hello", principal="other"))).error is None
    assert provider.workers()[0].pid == pid  # it has stopped, and serves others
    assert len(provider._tools._toolboxes) == 1
    outcome = await run_turn(provider, ask(*said))
    assert outcome.completion.text == "echo: Go on."


async def test_a_worker_with_nothing_but_waiting_conversations_is_at_rest(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("--mcp")
    await suspended(provider)
    [worker] = provider._workers_at_rest()
    assert not worker.silent()


async def test_a_turn_without_tools_after_one_with_them_begins_anew(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("--mcp")
    said, _ = await suspended(provider)
    outcome = await run_turn(provider, ask(*said, "fake:list", tools=()))
    assert outcome.completion.text == "[]"
