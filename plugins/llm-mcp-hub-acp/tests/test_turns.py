"""The dialect with tools, line by line: what is said when, whatever comes first."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.domain.chat import ToolResultPart, TurnRequest
from llm_mcp_hub.domain.chunk import (
    FinishChunk,
    FinishReason,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.model import Capability
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import WorkerDied
from llm_mcp_hub.providers.dialect import Ready, TurnFailed, UsageSeen
from llm_mcp_hub.providers.shared_dialect import (
    Lost,
    Opened,
    Over,
    Said,
    SharedEvent,
    Suspended,
)
from llm_mcp_hub.testing.turns import message, turn_request
from llm_mcp_hub_acp.client_tools.server import ToolServer
from llm_mcp_hub_acp.client_tools.toolbox import Held, Toolbox
from llm_mcp_hub_acp.dialect import AcpDialect
from llm_mcp_hub_acp.profile import AgentProfile

pytestmark = pytest.mark.anyio

LOOK = Tool("look")
FINISH = FinishChunk(FinishReason.TOOL_CALLS, Usage())


def ask(*messages: Any, tools: Sequence[Tool] = (LOOK,), **fields: Any) -> TurnRequest:
    return turn_request(*messages, model="m", tools=tools, **fields)


def counts(output: int) -> dict[str, int]:
    return {"inputTokens": 10, "outputTokens": output}


def used(output: int) -> Said:
    return Said("blank", UsageSeen(Usage(input_tokens=10, output_tokens=output)))


class Line:
    """A dialect, and an agent that says what the test has it say."""

    def __init__(self, usage: str = "result.usage") -> None:
        self.server = ToolServer()
        self.dialect = AcpDialect(AgentProfile("Agent", usage=usage), Path("/private"), self.server)
        self.delivered: list[SharedEvent] = []
        self.dialect.listen(self.delivered.extend)
        self.asked: dict[str, Any] = {}

    def sent(self) -> list[str]:
        """The methods of what was sent, and the last message of each by method."""
        messages = [json.loads(line) for line in self.dialect.data_to_send().splitlines()]
        self.asked |= {one["method"]: one for one in messages}
        return [one["method"] for one in messages]

    def say(self, **message: Any) -> list[SharedEvent]:
        return self.dialect.receive((json.dumps({"jsonrpc": "2.0", **message}).encode(),))

    def reply(self, method: str, **result: Any) -> list[SharedEvent]:
        return self.say(id=self.asked[method]["id"], result=result)

    def text(self, session: str, text: str) -> list[SharedEvent]:
        content = {"type": "text", "text": text}
        update = {"sessionUpdate": "agent_message_chunk", "content": content}
        return self.say(method="session/update", params={"sessionId": session, "update": update})

    def count(self, session: str, output: int) -> list[SharedEvent]:
        """Tokens that the agent has used since the prompt."""
        update = {"sessionUpdate": "usage_update", "usage": counts(output)}
        return self.say(method="session/update", params={"sessionId": session, "update": update})

    def pong(self) -> list[SharedEvent]:
        number = self.asked["_llm_mcp_hub/ping"]["id"]
        return self.say(id=number, error={"code": -32601, "message": "no"})

    @property
    def toolbox(self) -> Toolbox:
        [toolbox] = self.server._toolboxes.values()
        return toolbox

    def rpc(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return self.toolbox.receive(json.dumps(body).encode())

    def call(self, **arguments: Any) -> Held:
        held = self.rpc("tools/call", name="look", arguments=arguments)
        assert isinstance(held, Held)
        return held

    async def talking(self) -> None:
        """A turn with tools, up to the prompt."""
        self.dialect.probe()
        self.sent()
        able = {"mcpCapabilities": {"http": True}}
        [ready] = self.reply("initialize", protocolVersion=1, agentCapabilities=able)
        assert ready == Ready(None, frozenset({Capability.TOOLS}))
        ticket = self.dialect.open()
        self.sent()
        assert self.reply("session/new", sessionId="blank") == [Opened(ticket, "blank")]
        assert self.asked["session/new"]["params"]["mcpServers"] == []
        self.dialect.begin("blank", ask("hello"), continued=False)
        assert self.sent() == ["session/new"]
        [server] = self.asked["session/new"]["params"]["mcpServers"]
        assert server["name"] == "client"
        assert server["url"].endswith(f"/mcp/{self.toolbox.id}")
        secret = {"name": "Authorization", "value": f"Bearer {self.toolbox.secret}"}
        assert server["headers"] == [secret]
        assert self.reply("session/new", sessionId="tooled") == []
        assert self.sent() == []  # not before it has asked for the tools
        self.rpc("tools/list")
        await asyncio.sleep(0)
        assert self.sent() == ["session/prompt"]
        assert self.asked["session/prompt"]["params"]["sessionId"] == "tooled"

    async def suspended(self) -> Held:
        await self.talking()
        held = self.call(at=1)
        self.sent()
        self.pong()
        return held


async def test_a_call_is_told_after_all_text_before_it_though_it_comes_first() -> None:
    line = Line()
    await line.talking()
    held = line.call(at=1)
    assert line.delivered == []
    assert line.sent() == ["_llm_mcp_hub/ping"]
    assert line.text("tooled", "Let me see.") == [Said("blank", TextChunk("Let me see."))]
    assert line.pong() == [
        Said("blank", ToolCallChunk(0, held.call_id, "look")),
        Said("blank", ToolArgumentsChunk(0, '{"at":1}')),
        Said("blank", FINISH),
        Suspended("blank"),
    ]


async def test_a_result_goes_on_where_the_agent_waits() -> None:
    line = Line()
    held = await line.suspended()
    result = message("tool", ToolResultPart(held.call_id, "seen"))
    request = ask("hello", message("assistant", "x"), result)
    line.dialect.begin("blank", request, continued=True)
    assert line.sent() == []
    answer = json.loads(held.reply.result() or b"")
    assert answer["result"]["content"] == [{"type": "text", "text": "seen"}]
    assert line.text("tooled", "I saw.") == [Said("blank", TextChunk("I saw."))]
    finish = FinishChunk(FinishReason.STOP, Usage())
    ended = line.reply("session/prompt", stopReason="end_turn")
    assert ended == [Said("blank", finish), Over("blank")]


async def test_what_an_agent_counts_meanwhile_is_told_once() -> None:
    line = Line(usage="update.usage")
    await line.talking()
    assert line.count("tooled", 1) == [used(1)]
    assert line.count("tooled", 1) == []
    line.text("tooled", "Let me")
    assert line.count("tooled", 5) == [used(5)]
    [failed, over] = line.say(id=line.asked["session/prompt"]["id"], error={"code": 500})
    assert isinstance(failed, Said)
    assert isinstance(failed.event, TurnFailed)
    assert over == Over("blank")


async def test_what_a_turn_with_calls_was_charged_with_the_next_one_is_not() -> None:
    line = Line(usage="update.usage")
    await line.talking()
    line.count("tooled", 5)
    held = line.call(at=1)
    line.sent()
    finish = FinishChunk(FinishReason.TOOL_CALLS, Usage(input_tokens=10, output_tokens=5))
    assert line.pong()[-2:] == [Said("blank", finish), Suspended("blank")]
    result = message("tool", ToolResultPart(held.call_id, "seen"))
    line.dialect.begin("blank", ask("hello", message("assistant", "x"), result), continued=True)
    assert line.count("tooled", 9) == [Said("blank", UsageSeen(Usage(output_tokens=4)))]
    line.text("tooled", "I saw.")
    ended = line.reply("session/prompt", stopReason="end_turn")
    finish = FinishChunk(FinishReason.STOP, Usage(output_tokens=4))
    assert ended == [Said("blank", finish), Over("blank")]


@pytest.mark.parametrize("reason", ["end_turn", "of its own"])
async def test_what_a_turn_has_used_that_ends_as_none_may_is_told(reason: str) -> None:
    line = Line()
    await line.talking()
    if reason != "end_turn":
        line.text("tooled", "Half an")
    told, failed, over = line.reply("session/prompt", stopReason=reason, usage=counts(7))
    assert told == used(7)
    assert isinstance(failed, Said)
    assert isinstance(failed.event, TurnFailed)
    assert over == Over("blank")


async def test_nothing_is_passed_on_before_the_result() -> None:
    line = Line()
    await line.suspended()
    assert line.text("tooled", "impatient") == []
    assert line.reply("session/prompt", stopReason="end_turn") == [Over("blank")]


async def test_a_conversation_is_lost_the_moment_its_call_is_given_up() -> None:
    line = Line()
    held = await line.suspended()
    line.toolbox.give_up(held.call_id)
    [lost] = line.delivered
    assert isinstance(lost, Lost)
    assert isinstance(lost.error, WorkerDied)
    assert line.sent() == ["session/cancel"]
    assert line.asked["session/cancel"]["params"] == {"sessionId": "tooled"}
    assert line.reply("session/prompt", stopReason="cancelled") == [Over("blank")]


async def test_a_call_that_is_given_up_before_it_was_told_is_none() -> None:
    line = Line()
    await line.talking()
    held = line.call(at=1)
    line.sent()
    line.toolbox.give_up(held.call_id)
    assert line.pong() == []
    assert line.delivered == []
    assert line.text("tooled", "Never mind.") == [Said("blank", TextChunk("Never mind."))]


async def test_a_suspended_conversation_is_interrupted_like_any_other() -> None:
    line = Line()
    held = await line.suspended()
    line.dialect.interrupt("blank")
    assert line.sent() == ["session/cancel"]
    assert line.reply("session/prompt", stopReason="cancelled") == [Over("blank")]
    line.dialect.close("blank")
    assert held.reply.result() is None
    assert line.server._toolboxes == {}


async def test_a_call_after_an_interrupt_is_not_told() -> None:
    line = Line()
    await line.talking()
    line.dialect.interrupt("blank")
    line.call(at=1)
    line.sent()
    assert line.pong() == []


async def test_sessions_with_tools_are_opened_one_at_a_time() -> None:
    line = Line()
    await line.talking()
    for name in ("one", "two", "three"):
        line.dialect.open()
        line.sent()
        line.reply("session/new", sessionId=name)
    for name in ("one", "two", "three"):
        line.dialect.begin(name, ask(name), continued=False)
    assert line.sent() == ["session/new"]
    line.dialect.interrupt("two")
    line.dialect.close("two")
    line.reply("session/new", sessionId="one-tooled")
    assert line.sent() == ["session/new"]  # that of the third: nobody wants the second
    number = line.asked["session/new"]["id"]
    [failed, over] = line.say(id=number, error={"code": 500, "message": "no"})
    assert isinstance(failed, Said)
    assert over == Over("three")
    assert line.sent() == []
