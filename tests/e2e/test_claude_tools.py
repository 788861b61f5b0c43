"""The official OpenAI library has its tools called by the real Claude Code through the hub."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from tests.e2e.conftest import HubMaker, kill_workers, sdk

from llm_mcp_hub.testing.hub import TestHub
from llm_mcp_hub.testing.redis_server import redis_server, redis_server_binary
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi, Reply, ToolCall

pytestmark = [pytest.mark.real_cli, pytest.mark.xdist_group("claude"), pytest.mark.timeout(180)]

MODEL = "claude/sonnet"
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": name, "description": f"Tells the {name}.", "parameters": PARAMETERS},
    }
    for name in ("time", "weather")
]

Message = dict[str, Any]


class Talk:
    """A conversation as a client holds it: the whole of it is sent, or only what is new."""

    def __init__(self, client: OpenAI, session: str | None, *, stream: bool) -> None:
        self.client = client
        self.session = session
        self.stream = stream
        self.messages: list[Message] = []

    def say(self, *new: Message, **fields: Any) -> Message:
        """The answer to what is new."""
        self.messages += new
        sent: list[Any] = list(new) if self.session else self.messages
        headers = {"X-Session-ID": self.session} if self.session else {}
        arguments: dict[str, Any] = {"model": MODEL, "messages": sent, "tools": TOOLS, **fields}
        if self.stream:
            with self.client.chat.completions.stream(**arguments, extra_headers=headers) as stream:
                for _ in stream:
                    pass
                answer: Any = stream.get_final_completion()
        else:
            answer = self.client.chat.completions.create(**arguments, extra_headers=headers)
        [choice] = answer.choices
        assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
        told: Message = {"role": "assistant", "content": choice.message.content}
        if choice.message.tool_calls:
            told["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
                for call in choice.message.tool_calls
            ]
        self.messages.append(told)
        return told


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def results(answer: Message) -> list[Message]:
    """A result for each call: the name and the arguments of it."""
    return [
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "content": f"{call['function']['name']} {call['function']['arguments']}",
        }
        for call in answer["tool_calls"]
    ]


def wants(*names: str) -> Reply:
    """The model calls these tools."""
    calls = tuple(ToolCall(f"mcp__client__{name}", {"city": "Seoul"}, pieces=4) for name in names)
    return Reply(text="One moment. ", calls=calls)


def told(vendor: FakeMessagesApi) -> list[tuple[str, list[str]]]:
    """The roles of the latest request with the kinds of their blocks."""
    conversation = vendor.requests[-1].conversation
    return [(role, [block["type"] for block in blocks]) for role, blocks in conversation]


def results_told(vendor: FakeMessagesApi) -> dict[str, str]:
    """The results in the latest request by the id of their call, as text."""
    found = {}
    for _, blocks in vendor.requests[-1].conversation:
        for block in blocks:
            if block["type"] == "tool_result":
                content = block["content"]
                found[block["tool_use_id"]] = (
                    content if isinstance(content, str) else content[0]["text"]
                )
    return found


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("session", [None, "tools"])
def test_a_model_calls_tools_and_goes_on_with_their_results(
    client: OpenAI, vendor: FakeMessagesApi, session: str | None, stream: bool
) -> None:
    vendor.script(wants("weather"), wants("time", "weather"), Reply(text="It rains."))
    talk = Talk(client, f"{session}-{stream}" if session else None, stream=stream)
    one = talk.say(user(f"rain in {session} {stream}?"))
    assert one["content"] == "One moment. "
    assert [call["function"] for call in one["tool_calls"]] == [
        {"name": "weather", "arguments": '{"city": "Seoul"}'}
    ]
    two = talk.say(*results(one))
    assert [call["function"]["name"] for call in two["tool_calls"]] == ["time", "weather"]
    three = talk.say(*reversed(results(two)))
    assert three["content"] == "It rains."
    assert len(vendor.requests) == 3
    assert [tool["name"] for tool in vendor.requests[0].body["tools"]] == [
        "mcp__client__time",
        "mcp__client__weather",
    ]
    assert told(vendor) == [
        ("user", ["text"]),
        ("assistant", ["text", "tool_use"]),
        ("user", ["tool_result"]),
        ("assistant", ["text", "tool_use", "tool_use"]),
        ("user", ["tool_result", "tool_result"]),
    ]
    assert set(results_told(vendor).values()) == {
        'weather {"city": "Seoul"}',
        'time {"city": "Seoul"}',
    }


@pytest.mark.parametrize("session", [None, "killed"])
def test_a_worker_that_was_killed_before_the_result_came_loses_nothing(
    client: OpenAI, hub: TestHub, vendor: FakeMessagesApi, session: str | None
) -> None:
    vendor.script(wants("weather"), Reply(text="It rains."))
    talk = Talk(client, session, stream=False)
    called = talk.say(user("rain?"))
    kill_workers(hub)
    assert talk.say(*results(called))["content"] == "It rains."
    assert len(vendor.requests) == 2
    assert told(vendor) == [
        ("user", ["text"]),
        ("assistant", ["text", "tool_use"]),
        ("user", ["tool_result"]),
    ]


def test_one_call_at_a_time(client: OpenAI, vendor: FakeMessagesApi) -> None:
    vendor.script(wants("time", "weather"), Reply(text="It rains."))
    talk = Talk(client, "one-by-one", stream=False)
    one = talk.say(user("rain?"), parallel_tool_calls=False)
    two = talk.say(*results(one), parallel_tool_calls=False)
    assert [len(answer["tool_calls"]) for answer in (one, two)] == [1, 1]
    assert len(vendor.requests) == 1
    assert talk.say(*results(two), parallel_tool_calls=False)["content"] == "It rains."


def test_whoever_leaves_a_call_alone_can_say_something_else(
    client: OpenAI, vendor: FakeMessagesApi
) -> None:
    vendor.script(wants("weather"), Reply(text="As you like."))
    talk = Talk(client, "left-alone", stream=False)
    talk.say(user("rain?"))
    assert talk.say(user("never mind"))["content"] == "As you like."
    assert told(vendor) == [
        ("user", ["text"]),
        ("assistant", ["text", "tool_use"]),
        ("user", ["tool_result", "text"]),
    ]


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    if redis_server_binary() is None:
        pytest.skip("no redis-server on the path")
    with redis_server() as server:
        yield server.url


@pytest.mark.parametrize("session", [None, "moved"])
def test_another_hub_on_the_same_redis_goes_on_with_the_results(
    make_hub: HubMaker, vendor: FakeMessagesApi, redis_url: str, session: str | None
) -> None:
    vendor.script(wants("weather"), Reply(text="It rains."))
    with (
        make_hub(redis_url) as first,
        make_hub(redis_url) as second,
        sdk(first, first.token(f"mover-{session}")) as client,
        sdk(second, client.api_key) as other,
    ):
        talk = Talk(client, session, stream=True)
        called = talk.say(user("rain?"))
        talk.client = other
        assert talk.say(*results(called))["content"] == "It rains."
    assert len(vendor.requests) == 2
    assert told(vendor) == [
        ("user", ["text"]),
        ("assistant", ["text", "tool_use"]),
        ("user", ["tool_result"]),
    ]
