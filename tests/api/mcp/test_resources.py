"""Resources, prompts and completion; and that they show nobody else's sessions."""

import asyncio
import json
import secrets

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from llm_mcp_hub.mcp.prompts import LANGUAGES, PROMPTS

pytestmark = pytest.mark.anyio

SESSION = ResourceTemplateReference(type="ref/resource", uri="session://{session_id}")
PROVIDER = ResourceTemplateReference(type="ref/resource", uri="provider://{name}")


@pytest.fixture
def alice(hub):
    return hub.token(f"alice-{secrets.token_hex(4)}")


@pytest.fixture
def bob(hub):
    return hub.token(f"bob-{secrets.token_hex(4)}")


async def say(client, text, session):
    answer = await client.call_tool("chat", {"message": text, "session_id": session})
    assert not answer.is_error
    return answer


async def values(client, ref, name, value):
    found = await client.complete(ref, {"name": name, "value": value})
    return found.completion.values


async def test_providers_can_be_listed_read_and_completed(connect):
    async with connect() as client:
        listed = [str(one.uri) for one in (await client.list_resources()).resources]
        templates = (await client.list_resource_templates()).resource_templates
        everything = await client.read_resource("provider://list")
        one = await client.read_resource("provider://scripted")
        completed = await values(client, PROVIDER, "name", "ec")
    assert listed[:3] == ["provider://list", "provider://scripted", "provider://echo"]
    assert {one.uri_template for one in templates} == {SESSION.uri, PROVIDER.uri}
    content = everything.contents[0]
    assert content.mime_type == "application/json"
    names = [provider["name"] for provider in json.loads(content.text)["providers"]]
    assert names == ["scripted", "echo"]
    assert json.loads(one.contents[0].text)["models"] == ["scripted/one", "scripted/two"]
    assert completed == ["echo"]


@pytest.mark.parametrize(
    "uri", ["provider://nobody", "session://nothing", "session://a b", "file:///etc/passwd", "x"]
)
async def test_what_does_not_exist_is_told_in_the_era_s_own_code(connect, door, uri):
    async with connect() as client:
        with pytest.raises(MCPError) as raised:
            await client.read_resource(uri)
    assert raised.value.code == (-32602 if door.modern else -32002)


async def test_a_session_begun_over_rest_goes_on_over_mcp_and_back(connect, chat, http):
    session = f"s-{secrets.token_hex(4)}"
    begun = await asyncio.to_thread(chat, "one", session=session)
    assert begun.status_code == 200
    async with connect() as client:
        await say(client, "two", session)
        tool = await client.call_tool("get_session", {"session_id": session})
        resource = await client.read_resource(f"session://{session}")
    after = await asyncio.to_thread(chat, "three", session=session)
    assert after.status_code == 200
    rest = (await asyncio.to_thread(http.get, f"/v1/sessions/{session}")).json()
    told = [message["text"] for message in tool.structured_content["messages"]]
    assert told == ["one", "one", "two", "two"]
    assert tool.structured_content == json.loads(resource.contents[0].text)
    assert rest["session"]["revision"] == 3
    assert rest["session"]["message_count"] == 6


async def test_a_history_sent_over_rest_goes_on_with_the_session_of_mcp(connect, chat):
    text = f"hello {secrets.token_hex(4)}"
    async with connect() as client:
        begun = await client.call_tool("chat", {"message": text, "model": "echo/echo"})
    recognised = await asyncio.to_thread(chat, text, text, "and then?")
    assert recognised.headers["x-session-id"] == begun.structured_content["session_id"]


async def test_nobody_sees_another_s_session_by_any_way(connect, alice, bob):
    session = f"secret-{secrets.token_hex(4)}"
    async with connect(alice) as client:
        await say(client, "mine", session)
        listed = [str(one.uri) for one in (await client.list_resources()).resources]
        assert f"session://{session}" in listed
        assert await values(client, SESSION, "session_id", "secret") == [session]
    async with connect(bob) as client:
        listed = [str(one.uri) for one in (await client.list_resources()).resources]
        assert not [uri for uri in listed if uri.startswith("session://")]
        assert await values(client, SESSION, "session_id", "secret") == []
        tool = await client.call_tool("get_session", {"session_id": session})
        assert tool.structured_content["error"]["code"] == "session_not_found"
        with pytest.raises(MCPError, match="no session"):
            await client.read_resource(f"session://{session}")
        # The same id is another session of his own.
        await say(client, "his", session)
        his = await client.call_tool("get_session", {"session_id": session})
        assert [one["text"] for one in his.structured_content["messages"]] == ["his", "done"]


async def test_nobody_fetches_another_s_turn(connect, alice, bob):
    async with connect(alice) as client:
        answer = await say(client, "mine", "s-turn")
    turn = {"turn_id": answer.structured_content["turn_id"]}
    async with connect(bob) as client:
        fetched = await client.call_tool("get_turn", turn)
    assert fetched.structured_content["error"]["code"] == "turn_not_found"


async def test_many_sessions_are_listed_page_by_page(connect, alice):
    async with connect(alice) as client:
        for number in range(53):
            await say(client, "x", f"many-{number:02}")
        found, cursor = [], None
        while True:
            page = await client.list_resources(cursor=cursor, cache_mode="bypass")
            found += [str(one.uri) for one in page.resources]
            cursor = page.next_cursor
            if cursor is None:
                break
        completed = await values(client, SESSION, "session_id", "many-4")
    sessions = [uri for uri in found if uri.startswith("session://")]
    assert sorted(sessions) == [f"session://many-{number:02}" for number in range(53)]
    assert len(found) == len(set(found))
    assert sorted(completed) == [f"many-4{number}" for number in range(10)]


async def test_prompts_are_listed_filled_in_and_completed(connect):
    async with connect() as client:
        prompts = (await client.list_prompts()).prompts
        assert [one.name for one in prompts] == [one.name for one in PROMPTS]
        for prompt in prompts:
            assert prompt.title
            assert prompt.description
            given = {one.name: f"the {one.name}" for one in prompt.arguments}
            filled = await client.get_prompt(prompt.name, given)
            text = filled.messages[0].content.text
            assert all(value in text for value in given.values())
            only = {one.name: "x" for one in prompt.arguments if one.required}
            assert (await client.get_prompt(prompt.name, only)).messages
            with pytest.raises(MCPError, match="needs"):
                await client.get_prompt(prompt.name, {})
        with pytest.raises(MCPError, match="no prompt"):
            await client.get_prompt("nothing", {})
        ref = PromptReference(type="ref/prompt", name="translate")
        assert await values(client, ref, "language", "ko") == ["Korean"]
        assert await values(client, ref, "text", "any") == []
        compare = PromptReference(type="ref/prompt", name="compare_models")
        assert await values(client, compare, "models", "scr") == ["scripted/one", "scripted/two"]
        assert await values(client, compare, "models", "scripted/one, s") == [
            "scripted/one, scripted/two"
        ]
        assert len(LANGUAGES) == len(set(LANGUAGES))
