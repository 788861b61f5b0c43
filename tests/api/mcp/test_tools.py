"""The tools, through every door, with the SDK's own client."""

import asyncio
import secrets

import jsonschema
import pytest
from mcp.shared.exceptions import MCPError

from llm_mcp_hub.mcp.tools import TOOLS

pytestmark = pytest.mark.anyio

NAMES = ["chat", "ask_all", "get_turn", "list_models", "list_providers", "get_session"]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"


def names():
    return f"s-{secrets.token_hex(4)}"


async def test_they_are_listed_with_title_schemas_and_annotations(connect):
    async with connect() as client:
        tools = (await client.list_tools()).tools
    assert [tool.name for tool in tools] == NAMES
    for tool in tools:
        assert tool.title
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.destructive_hint is False
        assert tool.annotations.read_only_hint is (tool.name not in {"chat", "ask_all"})
        for schema in (tool.input_schema, tool.output_schema):
            jsonschema.Draft202012Validator.check_schema(schema)
            jsonschema.Draft7Validator.check_schema(schema)
            assert schema["type"] == "object"
            assert "$ref" not in str(schema)


async def test_an_answer_comes_whole_as_text_and_as_structured_content(connect):
    async with connect() as client:
        answer = await client.call_tool("chat", {"model": "echo/echo", "message": "one two three"})
    assert not answer.is_error
    assert [part.text for part in answer.content] == ["one two three"]
    told = answer.structured_content
    assert told["status"] == "done"
    assert told["text"] == "one two three"
    assert told["model"] == "echo/echo"
    assert told["finish_reason"] == "stop"
    assert told["usage"]["output_tokens"] > 0
    assert told["session_id"]
    assert told["turn_id"]


async def test_a_session_goes_on_and_keeps_its_model_and_system_prompt(connect, scripted):
    session = names()
    first = {"session_id": session, "model": "scripted/two", "system_prompt": "Be brief."}
    async with connect() as client:
        await client.call_tool("chat", {**first, "message": "say first"})
        await client.call_tool("chat", {"session_id": session, "message": "say second"})
    request = scripted.requests[-1]
    assert [message.text for message in request.messages] == ["say first", "first", "say second"]
    assert (request.model, request.system) == ("two", "Be brief.")


@pytest.mark.parametrize(
    ("arguments", "model"),
    [
        ({}, "scripted/one"),
        ({"provider": "scripted"}, "scripted/one"),
        ({"provider": "scripted", "model": "two"}, "scripted/two"),
        ({"provider": "scripted", "model": "scripted/two"}, "scripted/two"),
        ({"model": "gpt-4o"}, "echo/echo"),
    ],
)
async def test_the_model_may_be_named_in_several_ways_or_not_at_all(connect, arguments, model):
    async with connect() as client:
        answer = await client.call_tool("chat", {"message": "say x", **arguments})
    assert answer.structured_content["model"] == model


async def test_images_arrive_before_the_message(connect, scripted):
    image = {"data": PIXEL, "mime_type": "image/png"}
    async with connect() as client:
        await client.call_tool(
            "chat", {"model": "scripted/one", "message": "say seen", "images": [image]}
        )
    picture, text = scripted.requests[-1].messages[-1].parts
    assert (picture.media_type, picture.data) == ("image/png", PIXEL)
    assert text.text == "say seen"


async def test_nothing_is_remembered_on_request(connect):
    async with connect() as client:
        answer = await client.call_tool("chat", {"message": "hush", "session_id": "none"})
    assert answer.structured_content["session_id"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "helps"),
    [
        ({"model": "nobody/x"}, "model_not_found", "list_models"),
        ({"provider": "nobody"}, "provider_not_found", "list_providers"),
        ({"provider": "echo", "model": "scripted/one"}, "invalid_request", "name one of the two"),
        ({"message": ""}, "invalid_request", "message"),
        ({"surprise": 1}, "invalid_request", "surprise"),
        ({"session_id": "no spaces"}, "invalid_request", "session_id"),
        ({"images": [{"data": "%", "mime_type": "image/png"}]}, "invalid_request", "base64"),
        ({"message": "refuse LoginRequired"}, "login_required", "list_providers"),
        ({"message": "fail WorkerDied"}, "worker_died", "Broke."),
        ({"message": "cut"}, "provider_stream_cut", "complete"),
        ({"message": "crash"}, "internal_error", "log"),
    ],
)
async def test_what_fails_in_a_tool_is_a_result_that_says_what_to_do(
    connect, arguments, code, helps
):
    given = {"message": "say x", "model": "scripted/one", **arguments}
    if "provider" in arguments and "model" not in arguments:
        del given["model"]
    async with connect() as client:
        if code == "internal_error":
            with pytest.raises(MCPError, match="log") as raised:
                await client.call_tool("chat", given)
            assert "secret" not in str(raised.value)
            return
        answer = await client.call_tool("chat", given)
    assert answer.is_error
    assert answer.structured_content["error"]["code"] == code
    assert helps in answer.content[0].text
    assert "secret" not in str(answer)


async def test_an_unknown_tool_is_an_error_of_the_protocol(connect):
    async with connect() as client:
        with pytest.raises(MCPError, match="list_models"):
            await client.call_tool("shell", {})


async def test_a_busy_session_is_refused_at_once_through_any_door(
    connect, scripted, until, chat_with, http
):
    scripted.go.clear()
    session = names()
    arguments = {"model": "scripted/one", "session_id": session}
    async with connect() as client, asyncio.TaskGroup() as group:
        opened = scripted.opened
        first = group.create_task(client.call_tool("chat", {**arguments, "message": "hold"}))
        await asyncio.to_thread(until, lambda: scripted.opened > opened)
        second = await client.call_tool("chat", {**arguments, "message": "say no"})
        third = await asyncio.to_thread(
            chat_with(http), "say no", session=session, model="scripted/one"
        )
        scripted.go.set()
    assert not first.result().is_error
    assert second.structured_content["error"]["code"] == "session_busy"
    assert third.status_code == 409


async def test_providers_and_models_are_listed_as_over_rest(connect, http):
    async with connect() as client:
        providers = (await client.call_tool("list_providers", {})).structured_content["providers"]
        models = (await client.call_tool("list_models", {})).structured_content["models"]
        few = (await client.call_tool("list_models", {"provider": "scripted"})).structured_content
        none = await client.call_tool("list_models", {"provider": "nobody"})
    assert [one["name"] for one in providers] == ["scripted", "echo"]
    assert providers[1]["state"] == "available"
    assert providers[1]["models"] == ["echo/echo"]
    rest = [one["id"] for one in (await asyncio.to_thread(http.get, "/v1/models")).json()["data"]]
    assert [one["id"] for one in models] == rest
    assert [one["id"] for one in few["models"]] == ["scripted/one", "scripted/two"]
    assert none.is_error


async def test_several_models_answer_side_by_side_and_one_that_fails_fails_alone(connect):
    models = ["scripted/one", "nobody/x", "echo/echo", "scripted/two", "echo/echo"]
    async with connect() as client:
        result = await client.call_tool("ask_all", {"message": "say hello", "models": models})
        again = result.structured_content["answers"][0]["session_id"]
        more = await client.call_tool("chat", {"session_id": again, "message": "say more"})
    answers = result.structured_content["answers"]
    assert [(one["model"], one["status"], one["text"]) for one in answers] == [
        ("scripted/one", "done", "hello"),
        ("nobody/x", "failed", ""),
        ("echo/echo", "done", "say hello"),
        ("scripted/two", "done", "hello"),
    ]
    assert answers[1]["error"]["code"] == "model_not_found"
    assert len({one["session_id"] for one in answers}) == 4
    assert "## scripted/two\n\nhello" in result.content[0].text
    assert more.structured_content["text"] == "more"


async def test_several_models_are_asked_at_once(connect, scripted, until):
    scripted.go.clear()
    models = ["scripted/one", "scripted/two"]
    async with connect() as client, asyncio.TaskGroup() as group:
        call = client.call_tool("ask_all", {"message": "hold", "models": models})
        asking = group.create_task(call)
        await asyncio.to_thread(until, lambda: scripted.running == 2)
        scripted.go.set()
    assert [one["status"] for one in asking.result().structured_content["answers"]] == ["done"] * 2


async def test_without_names_one_model_of_each_provider_is_asked(connect):
    async with connect() as client:
        result = await client.call_tool("ask_all", {"message": "say hello"})
    models = [one["model"] for one in result.structured_content["answers"]]
    assert models == ["scripted/one", "echo/echo"]


async def test_a_call_that_asks_for_too_much_is_refused(connect):
    async with connect() as client:
        result = await client.call_tool("ask_all", {"message": "x", "models": ["echo/echo"] * 17})
    assert result.structured_content["error"]["code"] == "invalid_request"


def test_every_tool_says_what_it_is_for():
    assert [kind.name for kind in TOOLS] == NAMES
    for kind in TOOLS:
        assert kind.description.endswith(".")
