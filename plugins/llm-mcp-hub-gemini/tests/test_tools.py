"""The client's tools, called by the real Gemini CLI on a loopback Code Assist."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
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
from llm_mcp_hub.errors import WorkerStartFailed
from llm_mcp_hub.testing.turns import message, run_turn, turn_request
from llm_mcp_hub_acp.prompt import SHIELD
from llm_mcp_hub_gemini.provider import GeminiProvider
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist, Reply

pytestmark = [pytest.mark.anyio, pytest.mark.real_cli, pytest.mark.xdist_group("gemini")]

MakeProvider = Callable[..., GeminiProvider]
MODEL = "gemini-2.5-flash"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
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
            elif part != SHIELD:
                shown.append(part)
        turns.append((role, shown))
    return turns


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
    # The Gemini CLI counts when a prompt is over: the turn that ends it has the sum of all.
    assert first.completion.usage == Usage()
    assert second.completion.usage == Usage(input_tokens=2 * 31, output_tokens=2 * 17)
    assert len(api.requests) == 2
    assert natively(api.requests[1]) == [
        ("user", ["<system_instructions>\nBe brief.\n</system_instructions>", "Weather in Rome?"]),
        ("model", ["Let me look.", ("call", "mcp_client_get_weather", {"city": "Rome"})]),
        ("user", [("result", "mcp_client_get_weather", {"output": "21 C"})]),
    ]


async def test_the_model_is_told_of_the_clients_tools_and_of_no_others(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    await run_turn(provider, ask("hello"))
    await run_turn(provider, ask("hello", tools=()))
    with_tools, without = (request.declarations for request in api.requests)
    assert list(with_tools) == ["mcp_client_get_weather", "mcp_client_get_time"]
    weather = with_tools["mcp_client_get_weather"]
    assert weather["description"] == "The weather in a city"
    schema = weather["parametersJsonSchema"]
    del schema["properties"]["wait_for_previous"]  # the Gemini CLI's own
    assert schema == CITY
    assert without == {}


async def test_two_calls_at_once_come_in_two_replies(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    rome, oslo = {"city": "Rome"}, {"city": "Oslo"}
    api.script(
        Reply(calls=(("mcp_client_get_weather", rome), ("mcp_client_get_weather", oslo))),
        Reply(text="Rome is warmer."),
    )
    said: list[Any] = ["Where is it warmer?"]
    for city, degrees in ((rome, "21 C"), (oslo, "3 C")):
        outcome = await run_turn(provider, ask(*said))
        [call] = outcome.completion.tool_calls
        assert json.loads(call.arguments) == city
        assert len(api.requests) == 1
        said += [outcome.completion.message, result(call, degrees)]
    last = await run_turn(provider, ask(*said))
    assert last.completion.text == "Rome is warmer."
    assert natively(api.requests[1])[1:] == [
        (
            "model",
            [("call", "mcp_client_get_weather", rome), ("call", "mcp_client_get_weather", oslo)],
        ),
        (
            "user",
            [
                ("result", "mcp_client_get_weather", {"output": "21 C"}),
                ("result", "mcp_client_get_weather", {"output": "3 C"}),
            ],
        ),
    ]


async def test_a_chain_of_five_calls_stays_in_one_prompt(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    cities = [{"city": f"City {number}"} for number in range(5)]
    api.script(*(Reply(calls=(("mcp_client_get_time", city),)) for city in cities))
    api.default = lambda _: Reply(text="done")
    said: list[Any] = ["Ask five times."]
    for number, city in enumerate(cities):
        outcome = await run_turn(provider, ask(*said))
        [call] = outcome.completion.tool_calls
        assert json.loads(call.arguments) == city
        said += [outcome.completion.message, result(call, f"{number} h")]
    last = await run_turn(provider, ask(*said))
    assert last.completion.text == "done"
    assert len(api.requests) == 6
    shown = natively(api.requests[-1])[1:]
    assert [role for role, _ in shown] == ["model", "user"] * 5
    assert [parts[0][-1] for role, parts in shown if role == "user"] == [
        {"output": f"{number} h"} for number in range(5)
    ]
    # And goes on after it, in the same session.
    again = await run_turn(provider, ask(*said, last.completion.message, "thanks"))
    assert again.completion.text == "done"
    sessions = {request.body["request"]["session_id"] for request in api.requests}
    assert len(sessions) == 1


async def called(
    provider: GeminiProvider, api: FakeCodeAssist, **fields: Any
) -> tuple[list[Any], ToolCallPart]:
    """A conversation that waits for the result of a call."""
    api.script(Reply(text="Hm.", calls=(("mcp_client_get_weather", {"city": "Rome"}),)))
    outcome = await run_turn(provider, ask("Weather in Rome?", **fields))
    [call] = outcome.completion.tool_calls
    return ["Weather in Rome?", outcome.completion.message], call


async def test_a_result_that_is_an_error_is_told_as_one(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    said, call = await called(provider, api)
    api.script(Reply(text="I could not."))
    outcome = await run_turn(provider, ask(*said, result(call, "no such city", is_error=True)))
    assert outcome.completion.text == "I could not."
    [(kind, name, answer)] = natively(api.requests[1])[-1][1]
    assert (kind, name) == ("result", "mcp_client_get_weather")
    assert "no such city" in answer["error"]


async def test_a_result_may_be_an_image(provider: GeminiProvider, api: FakeCodeAssist) -> None:
    said, call = await called(provider, api)
    api.script(Reply(text="A dot."))
    picture = ImagePart("image/png", PIXEL)
    outcome = await run_turn(provider, ask(*said, result(call, "look", images=(picture,))))
    assert outcome.completion.text == "A dot."
    assert PIXEL in json.dumps(api.requests[1].body)
    assert natively(api.requests[1])[-1][1][0][0] == "result"


async def test_an_empty_result_is_one(provider: GeminiProvider, api: FakeCodeAssist) -> None:
    said, call = await called(provider, api)
    api.script(Reply(text="Nothing came."))
    outcome = await run_turn(provider, ask(*said, result(call, "")))
    assert outcome.completion.text == "Nothing came."
    assert natively(api.requests[1])[-1][1][0][:2] == ("result", "mcp_client_get_weather")


REPLAYED = [
    ("user", ["Weather in Rome?"]),
    ("model", ["Hm.", ("call", "mcp_client_get_weather", {"city": "Rome"})]),
    ("user", [("result", "mcp_client_get_weather", {"output": "21 C"}), "Go on."]),
]


async def test_a_call_whose_worker_was_killed_is_told_again_to_another(
    make_provider: MakeProvider, api: FakeCodeAssist
) -> None:
    provider = make_provider()
    try:
        said, call = await called(provider, api)
        os.kill(provider.workers()[0].pid, signal.SIGKILL)
        api.script(
            Reply(text="It is mild.", calls=(("mcp_client_get_time", {"city": "Rome"}),)),
            Reply(text="It is noon."),
        )
        second = await run_turn(provider, ask(*said, result(call, "21 C")))
        assert second.completion.text == "It is mild."
        assert natively(api.requests[1]) == REPLAYED
        # What was brought back can call again.
        [time] = second.completion.tool_calls
        said += [result(call, "21 C"), second.completion.message, result(time, "12 h")]
        assert (await run_turn(provider, ask(*said))).completion.text == "It is noon."
        assert natively(api.requests[2])[3:] == [
            ("model", ["It is mild.", ("call", "mcp_client_get_time", {"city": "Rome"})]),
            ("user", [("result", "mcp_client_get_time", {"output": "12 h"})]),
        ]
    finally:
        await provider.aclose()


async def test_a_call_is_resumed_in_another_hub(
    provider: GeminiProvider, make_provider: MakeProvider, api: FakeCodeAssist
) -> None:
    said, call = await called(provider, api)
    other = make_provider()
    try:
        api.script(Reply(text="It is mild."))
        outcome = await run_turn(other, ask(*said, result(call, "21 C")))
        assert outcome.completion.text == "It is mild."
        assert natively(api.requests[1]) == REPLAYED
        assert list(api.requests[1].declarations) == [
            "mcp_client_get_weather",
            "mcp_client_get_time",
        ]
    finally:
        await other.aclose()


async def test_a_question_instead_of_the_result_is_answered_from_the_history(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    said, call = await called(provider, api)
    api.script(Reply(text="As you like."))
    outcome = await run_turn(provider, ask(*said, result(call, "21 C"), "Never mind."))
    assert outcome.completion.text == "As you like."
    assert natively(api.requests[1])[-1] == (
        "user",
        [("result", "mcp_client_get_weather", {"output": "21 C"}), "Never mind."],
    )


async def test_the_tools_of_two_callers_never_meet(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    mine = Tool("secret_of_one", "mine", CITY)
    theirs = Tool("secret_of_two", "theirs", CITY)
    api.script(*[Reply(calls=(("mcp_client_secret_of_one", {"city": "Rome"}),))] * 2)
    api.default = lambda _: Reply(text="no")
    first, second = await asyncio.gather(
        run_turn(provider, ask("a", tools=[mine], principal="one")),
        run_turn(provider, ask("b", tools=[theirs], principal="two")),
    )
    assert [call.name for call in first.completion.tool_calls] == ["secret_of_one"]
    assert second.completion.tool_calls == ()
    assert second.completion.text == "no"
    for request in api.requests:
        assert len(request.declarations) == 1
    # Nor may the other give its result.
    [call] = first.completion.tool_calls
    said = ("a", first.completion.message, result(call, "x"))
    taken = await run_turn(provider, ask(*said, tools=[mine], principal="two"))
    assert taken.completion.text == "no"
    kept = await run_turn(provider, ask(*said, tools=[mine], principal="one"))
    assert kept.completion.text == "no"
    assert len({request.body["request"]["session_id"] for request in api.requests}) == 3


async def test_names_and_arguments_are_the_clients_own(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    name = "a_tool_with_a_name_of_sixty_four_characters_that_is_too_long_xyz"
    tool = Tool(name, "", {"properties": {"wait_for_previous": {}, "deep": {"type": "object"}}})
    await run_turn(provider, ask("hello", tools=[tool, Tool("odd", "", {"type": "string"})]))
    [alias, odd] = api.requests[0].declarations
    assert odd == "mcp_client_odd"
    assert len(alias) <= 63
    arguments = {"wait_for_previous": True, "deep": {"ä": [1, None]}}
    api.script(Reply(calls=((alias, arguments),)))
    outcome = await run_turn(provider, ask("go", tools=[tool]))
    [call] = outcome.completion.tool_calls
    assert call.name == name
    assert json.loads(call.arguments) == arguments
    api.script(Reply(calls=(("mcp_client_get_time", {"city": "x", "wait_for_previous": True}),)))
    outcome = await run_turn(provider, ask("go"))
    assert json.loads(outcome.completion.tool_calls[0].arguments) == {"city": "x"}


async def test_arguments_that_break_the_schema_never_reach_the_client(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.script(Reply(calls=(("mcp_client_get_time", {"city": 7}),)), Reply(text="Sorry."))
    outcome = await run_turn(provider, ask("go"))
    assert outcome.completion.text == "Sorry."
    assert outcome.completion.tool_calls == ()


async def test_a_conversation_that_waits_is_ended_without_another_word_to_the_vendor(
    make_provider: MakeProvider, api: FakeCodeAssist
) -> None:
    provider = make_provider(pool={"min_spare": 1, "max_workers": 4, "park_seconds": 0.2})
    try:
        await called(provider, api)
        async with asyncio.timeout(20):
            while provider.status().pool.parked:  # noqa: ASYNC110  # a timer sets no event
                await asyncio.sleep(0.02)
        await provider._pool.settled()
        assert len(api.requests) == 1
        # Its worker goes on serving others.
        assert (await run_turn(provider, ask("hello"))).error is None
    finally:
        async with asyncio.timeout(5):
            await provider.aclose()


async def test_a_call_is_not_held_longer_than_the_tool_waits(
    own_provider: GeminiProvider, api: FakeCodeAssist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_mcp_hub_acp.client_tools.toolbox.HOLD_SECONDS", 0.3)
    said, call = await called(own_provider, api)
    async with asyncio.timeout(20):
        while own_provider.status().pool.parked:  # noqa: ASYNC110  # a timer sets no event
            await asyncio.sleep(0.02)
    await own_provider._pool.settled()
    assert len(api.requests) == 1  # it was stopped, and does not go on by itself
    monkeypatch.undo()
    api.script(Reply(text="It is mild."))
    outcome = await run_turn(own_provider, ask(*said, result(call, "21 C")))
    assert outcome.completion.text == "It is mild."
    assert natively(api.requests[1]) == REPLAYED


async def test_a_session_that_would_go_without_its_tools_is_an_error(
    make_provider: MakeProvider, api: FakeCodeAssist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_mcp_hub_acp.client_tools.toolbox.LIST_SECONDS", 0.5)
    monkeypatch.setattr("llm_mcp_hub_acp.client_tools.server.hmac.compare_digest", lambda *_: False)
    provider = make_provider()
    try:
        outcome = await run_turn(provider, ask("hello"))
        assert isinstance(outcome.error, WorkerStartFailed)
        assert api.requests == []
    finally:
        monkeypatch.undo()
        await provider.aclose()


async def test_many_conversations_with_tools_begin_together(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.default = lambda request: (
        Reply(calls=(("mcp_client_get_time", {"city": request.last_user_text}),))
        if request.last_user_text.startswith("city")
        else Reply(text=request.last_user_text)
    )

    async def one(number: int) -> None:
        asked = f"city {number}"
        first = await run_turn(provider, ask(asked, principal=f"p{number}"))
        [call] = first.completion.tool_calls
        assert json.loads(call.arguments) == {"city": asked}
        said = (asked, first.completion.message, result(call, f"r{number}"))
        second = await run_turn(provider, ask(*said, principal=f"p{number}"))
        assert f"r{number}\\n" in second.completion.text

    async with asyncio.timeout(60):
        await asyncio.gather(*(one(number) for number in range(8)))
    assert len(api.requests) == 16


async def test_a_turn_that_is_given_up_with_a_call_in_it_leaves_nothing_behind(
    own_provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.script(Reply(text="Hm.", calls=(("mcp_client_get_weather", {"city": "Rome"}),)))
    stream = await own_provider.open_turn(ask("Weather in Rome?"))
    async for _ in stream:
        break
    async with asyncio.timeout(5):
        await stream.aclose()
        await own_provider._pool.settled()
    assert own_provider._tools._toolboxes == {}
    async with asyncio.timeout(20):
        while own_provider._tools._connections:  # noqa: ASYNC110  # the tool closes its end
            await asyncio.sleep(0.02)
    assert len(api.requests) == 1
