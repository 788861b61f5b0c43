"""The client's tools with openai-python, the hub over REST, and the real Gemini CLI."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import BadRequestError, OpenAI
from tests.e2e.conftest import ROOT, sdk

import llm_mcp_hub_gemini
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub.testing.redis_server import redis_server, redis_server_binary
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist, Reply
from llm_mcp_hub_gemini.testing.login import environment_for, write_login

pytestmark = [
    pytest.mark.usefixtures("fresh_google"),
    pytest.mark.real_cli,
    pytest.mark.xdist_group("gemini"),
    pytest.mark.timeout(180),
]

MODEL = "gemini/gemini-2.5-flash"
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": f"The {name} in a city",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
    for name in ("weather", "time")
]
CALL = ("mcp_client_weather", {"city": "Seoul"})
QUESTION = {"role": "user", "content": "Is it raining in Seoul?"}


def start(google: FakeCodeAssist, login: Any, state: str) -> Any:
    gemini = ROOT / ".tools/gemini/node_modules/.bin/gemini"
    if not gemini.exists():
        pytest.skip("THE GEMINI CLI IS NOT INSTALLED: `make tools` says why; it is untested")
    settings = {
        "executable": str(gemini),
        "config_dir": str(write_login(login)),
        "environment": environment_for(google.url),
    }
    plugins = [("gemini", llm_mcp_hub_gemini)]
    return create_test_hub({"providers": {"gemini": settings}}, state=state, plugins=plugins)


@pytest.fixture(scope="module")
def hub(google: FakeCodeAssist, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestHub]:
    with start(google, tmp_path_factory.mktemp("login"), "memory://") as served:
        yield served


@pytest.fixture(scope="module")
def client(hub: TestHub) -> Iterator[OpenAI]:
    with sdk(hub) as made:
        yield made


def shown(google: FakeCodeAssist) -> str:
    return json.dumps(google.requests[-1].turns)


@pytest.mark.parametrize("session", [None, "weather-1"], ids=["without a session", "with one"])
def test_a_call_is_answered_by_the_client(
    client: OpenAI, google: FakeCodeAssist, session: str | None
) -> None:
    headers = {"X-Session-ID": session} if session else {}
    google.script(Reply(text="Let me see.", calls=(CALL,)), Reply(text="Yes, take an umbrella."))
    first = client.chat.completions.create(
        model=MODEL, messages=[QUESTION], tools=TOOLS, extra_headers=headers
    )
    assert first.choices[0].finish_reason == "tool_calls"
    answer = first.choices[0].message
    assert answer.content == "Let me see."
    [call] = answer.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "weather"
    assert json.loads(call.function.arguments) == {"city": "Seoul"}
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    # With a session the result is enough.
    said: Any = [result] if session else [QUESTION, answer.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(
        model=MODEL, messages=said, tools=TOOLS, extra_headers=headers
    )
    assert second.choices[0].message.content == "Yes, take an umbrella."
    assert second.usage is not None
    assert second.usage.prompt_tokens == 2 * 31
    assert len(google.requests) == 2
    assert "functionResponse" in shown(google)


def test_a_call_is_streamed(client: OpenAI, google: FakeCodeAssist) -> None:
    google.script(Reply(text="Let me see.", calls=(CALL,)))
    with client.chat.completions.stream(model=MODEL, messages=[QUESTION], tools=TOOLS) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert kinds.index("content.delta") < kinds.index("tool_calls.function.arguments.delta")
    [call] = final.choices[0].message.tool_calls or []
    assert json.loads(call.function.arguments) == {"city": "Seoul"}
    assert final.choices[0].finish_reason == "tool_calls"


def test_only_the_tools_that_may_be_called_are_shown(
    client: OpenAI, google: FakeCodeAssist
) -> None:
    chosen: Any = {
        "type": "allowed_tools",
        "allowed_tools": {
            "mode": "auto",
            "tools": [{"type": "function", "function": {"name": "time"}}],
        },
    }
    for choice, names in ((chosen, ["mcp_client_time"]), ("none", [])):
        client.chat.completions.create(
            model=MODEL, messages=[QUESTION], tools=TOOLS, tool_choice=choice
        )
        assert list(google.requests[-1].declarations) == names


def test_a_call_that_is_required_is_asked_for(client: OpenAI, google: FakeCodeAssist) -> None:
    google.script(Reply(calls=(CALL,)))
    answer = client.chat.completions.create(
        model=MODEL, messages=[QUESTION], tools=TOOLS, tool_choice="required"
    )
    assert answer.choices[0].finish_reason == "tool_calls"


def test_tools_go_together_with_the_form_of_an_answer(
    client: OpenAI, google: FakeCodeAssist
) -> None:
    form: Any = {
        "type": "json_schema",
        "json_schema": {
            "name": "rain",
            "schema": {
                "type": "object",
                "properties": {"rain": {"type": "boolean"}},
                "required": ["rain"],
                "additionalProperties": False,
            },
        },
    }
    google.script(Reply(calls=(CALL,)), Reply(text='{"rain": true}'))
    asked: Any = {"model": MODEL, "tools": TOOLS, "response_format": form}
    first = client.chat.completions.create(messages=[QUESTION], **asked)
    message = first.choices[0].message
    [call] = message.tool_calls or []
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    said: Any = [QUESTION, message.model_dump(exclude_none=True), result]
    second = client.chat.completions.create(messages=said, **asked)
    assert json.loads(second.choices[0].message.content or "") == {"rain": True}
    assert len(google.requests) == 2


def test_a_result_without_its_call_is_refused(client: OpenAI, google: FakeCodeAssist) -> None:
    result: Any = {"role": "tool", "tool_call_id": "call_none", "content": "rain"}
    with pytest.raises(BadRequestError):
        client.chat.completions.create(model=MODEL, messages=[QUESTION, result], tools=TOOLS)
    assert google.requests == []


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param(
            "redis",
            marks=[
                pytest.mark.redis,
                pytest.mark.skipif(redis_server_binary() is None, reason="no redis-server"),
            ],
        ),
    ]
)
def state(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A state that two hubs share."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'state.db'}"
    else:
        with redis_server() as server:
            yield server.url


def test_a_call_made_at_one_hub_is_answered_at_another(
    google: FakeCodeAssist, state: str, tmp_path: Path
) -> None:
    google.script(Reply(text="Let me see.", calls=(CALL,)), Reply(text="Yes."))
    headers = {"X-Session-ID": "moves"}
    with start(google, tmp_path / "a", state) as one, sdk(one) as client:
        first = client.chat.completions.create(
            model=MODEL, messages=[QUESTION], tools=TOOLS, extra_headers=headers
        )
        [call] = first.choices[0].message.tool_calls or []
        with start(google, tmp_path / "b", state) as other, sdk(other, one.admin_token) as second:
            result: Any = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
            answer = second.chat.completions.create(
                model=MODEL, messages=[result], tools=TOOLS, extra_headers=headers
            )
    assert answer.choices[0].message.content == "Yes."
    [_, called, answered] = google.requests[-1].turns
    assert called[1][1]["functionCall"]["args"] == {"city": "Seoul"}
    assert answered[1][0]["functionResponse"]["response"] == {"output": "rain"}
