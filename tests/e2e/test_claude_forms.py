"""Answers in a form, and calls that are required, by the real Claude Code through the hub."""

import json
from typing import Any

import pytest
from openai import OpenAI
from pydantic import BaseModel
from tests.e2e.conftest import workers

from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi, Reply, ToolCall

pytestmark = [pytest.mark.real_cli, pytest.mark.xdist_group("claude"), pytest.mark.timeout(180)]

MODEL = "claude/sonnet"
FITS = '{"city": "Seoul", "people": 9}'
WRONG = '{"city": "Seoul", "people": "many"}'
CALL = ToolCall("mcp__client__clock")
CLOCK: Any = {"type": "function", "function": {"name": "clock", "description": "The time now."}}


class City(BaseModel):
    city: str
    people: int


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def turns(vendor: FakeMessagesApi) -> list[tuple[str, str]]:
    """The conversation that the latest vendor request carries, without Claude Code's own note."""
    said = (
        (role, "".join(block.get("text", block["type"]) for block in blocks))
        for role, blocks in vendor.requests[-1].turns
    )
    return [(role, text) for role, text in said if role != "system"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_answer_is_corrected_in_a_real_turn_by_the_same_worker(
    client: OpenAI, vendor: FakeMessagesApi, stream: bool
) -> None:
    vendor.script(Reply(text=WRONG), Reply(text=f"```json\n{FITS}\n```"))
    asked: dict[str, Any] = {
        "model": MODEL,
        "messages": user(f"How large is Seoul? {stream}"),
        "response_format": City,
    }
    if stream:
        with client.chat.completions.stream(**asked) as events:
            answer = events.get_final_completion()
    else:
        answer = client.chat.completions.parse(**asked)
    assert answer.choices[0].message.content == FITS
    assert answer.choices[0].message.parsed == City(city="Seoul", people=9)
    assert '"people":{' in vendor.requests[-1].system
    first, second, third = turns(vendor)
    assert first == ("user", f"How large is Seoul? {stream}")
    assert second == ("assistant", WRONG)
    assert third[0] == "user"
    assert '"many" is not of type "integer"' in third[1]
    assert len(vendor.requests) == 2


def test_a_worker_goes_on_after_an_answer_that_fits(
    client: OpenAI, vendor: FakeMessagesApi
) -> None:
    vendor.script(Reply(text=FITS), Reply(text=FITS))
    asked: dict[str, Any] = {
        "model": MODEL,
        "response_format": City,
        "extra_headers": {"X-Session-ID": "claude-form"},
    }
    client.chat.completions.parse(messages=user("How large?"), **asked)
    before = workers()
    client.chat.completions.parse(messages=user("And now?"), **asked)
    assert workers() <= before, "the parked worker was not used"
    assert turns(vendor) == [("user", "How large?"), ("assistant", FITS), ("user", "And now?")]


def test_a_required_call_is_made_when_it_is_asked_for_again(
    client: OpenAI, vendor: FakeMessagesApi
) -> None:
    vendor.script(Reply(text="It is noon."), Reply(calls=(CALL,)))
    answer = client.chat.completions.create(
        model=MODEL, messages=user("What time is it?"), tools=[CLOCK], tool_choice="required"
    )
    (choice,) = answer.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    assert [call.function.name for call in choice.message.tool_calls] == ["clock"]  # type: ignore[union-attr]  # the call of a function
    assert "You must call the tool clock" in vendor.requests[0].system


def test_tools_and_a_form_go_together(client: OpenAI, vendor: FakeMessagesApi) -> None:
    vendor.script(Reply(calls=(CALL,)), Reply(text=f"Here: {FITS}"))
    form = {"name": "City", "schema": City.model_json_schema()}
    asked: dict[str, Any] = {
        "model": MODEL,
        "tools": [CLOCK],
        "response_format": {"type": "json_schema", "json_schema": form},
    }
    called = client.chat.completions.create(messages=user("How large?"), **asked)
    (call,) = called.choices[0].message.tool_calls or ()
    said = [*user("How large?"), called.choices[0].message]
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "noon"}
    answer = client.chat.completions.create(messages=[*said, result], **asked)
    assert json.loads(answer.choices[0].message.content or "") == json.loads(FITS)
    assert len(vendor.requests) == 2
    kinds = [block["type"] for _, blocks in vendor.requests[-1].turns for block in blocks]
    assert "tool_use" in kinds
    assert "tool_result" in kinds
