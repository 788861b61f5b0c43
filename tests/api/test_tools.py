"""Tools in OpenAI's dialect, against a served hub and the echo model, which calls when told to."""

import json
import socket
from itertools import pairwise

import pytest

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city now.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}
BOTH = [WEATHER, CLOCK]
ONE_CALL = '/call weather {"city": "Seoul"}'
TWO_CALLS = f"{ONE_CALL}\n/call clock"


def user(text):
    return {"role": "user", "content": text}


def result(call, content):
    return {"role": "tool", "tool_call_id": call["id"], "content": content}


def message_of(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]


def text_of(answer):
    return message_of(answer)["content"]


def param_of(answer):
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]["param"]


def events_of(answer):
    assert answer.status_code == 200, answer.text
    lines = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_a_call_is_an_answer_without_content_that_ends_with_tool_calls(chat):
    answer = chat(ONE_CALL, tools=BOTH)
    (choice,) = answer.json()["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    (call,) = choice["message"]["tool_calls"]
    assert call["type"] == "function"
    assert call["function"] == {"name": "weather", "arguments": '{"city": "Seoul"}'}
    assert call["id"].startswith("call_")


def test_a_text_before_the_calls_is_kept(chat):
    message = message_of(chat(f"Let me see.\n{ONE_CALL}", tools=BOTH))
    assert message["content"] == "Let me see."
    assert len(message["tool_calls"]) == 1


def test_calls_stream_with_id_and_name_once_and_arguments_in_pieces(chat):
    events = events_of(chat(TWO_CALLS, tools=BOTH, stream=True))
    deltas = [event["choices"][0]["delta"] for event in events]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert all(not delta.get("content") for delta in deltas)
    for index, name in enumerate(["weather", "clock"]):
        first, *more = [call for call in calls if call["index"] == index]
        assert set(first) == {"index", "id", "type", "function"}
        assert first["function"]["name"] == name
        assert first["function"]["arguments"] == ""
        assert all(set(call) == {"index", "function"} for call in more)
        assert all(set(call["function"]) == {"arguments"} for call in more)
        arguments = "".join(call["function"]["arguments"] for call in [first, *more])
        assert isinstance(json.loads(arguments), dict)
    assert len(calls) > 3
    assert [event["choices"][0]["finish_reason"] for event in events[-2:]] == [None, "tool_calls"]


def test_calls_are_in_order_of_their_indices(chat):
    events = events_of(chat(TWO_CALLS, tools=BOTH, stream=True))
    indices = [
        call["index"]
        for event in events
        for call in event["choices"][0]["delta"].get("tool_calls", ())
    ]
    assert all(after - before in {0, 1} for before, after in pairwise(indices))


@pytest.mark.parametrize("stream", [False, True])
def test_results_with_the_whole_history_are_answered(chat, stream):
    called = message_of(chat(TWO_CALLS, tools=BOTH))
    weather, clock = called["tool_calls"]
    said = [user(TWO_CALLS), called, result(clock, "noon"), result(weather, "rain")]
    answer = chat(*said, tools=BOTH, stream=stream)
    if stream:
        text = "".join(e["choices"][0]["delta"].get("content", "") for e in events_of(answer))
    else:
        text = text_of(answer)
    assert text == "noon\nrain"


def test_results_alone_are_enough_in_a_session(chat, http):
    (call,) = message_of(chat(ONE_CALL, tools=BOTH, session="alone"))["tool_calls"]
    before = http.get("/v1/providers/echo").json()["pool"]
    assert text_of(chat(result(call, "rain"), tools=BOTH, session="alone")) == "rain"
    after = http.get("/v1/providers/echo").json()["pool"]
    assert after["parked"] == before["parked"], "another worker than the one that waited"


def test_without_a_session_id_the_session_is_the_same(chat):
    first = chat(ONE_CALL, tools=BOTH)
    called = message_of(first)
    said = [user(ONE_CALL), called, result(called["tool_calls"][0], "rain")]
    second = chat(*said, tools=BOTH)
    assert second.headers["x-session-id"] == first.headers["x-session-id"]


def test_nothing_remembered_is_no_hindrance(chat):
    called = message_of(chat(ONE_CALL, tools=BOTH, session="none"))
    said = [user(ONE_CALL), called, result(called["tool_calls"][0], "rain")]
    answer = chat(*said, tools=BOTH, session="none")
    assert text_of(answer) == "rain"
    assert "x-session-id" not in answer.headers


def test_arguments_that_a_client_changed_are_matched_by_id(chat, http):
    """As n8n does, which adds to them what it has made of them."""
    first = chat(ONE_CALL, tools=BOTH)
    called = message_of(first)
    (call,) = called["tool_calls"]
    call["function"]["arguments"] = '{"city":"Seoul","id":"x","tool":"weather"}'
    answer = chat(user(ONE_CALL), called, result(call, "rain"), tools=BOTH)
    assert text_of(answer) == "rain"
    assert answer.headers["x-session-id"] == first.headers["x-session-id"]


@pytest.mark.parametrize("content", [None, [], "", [{"type": "text", "text": ""}]])
def test_the_content_beside_calls_may_be_empty_in_any_way(chat, content):
    called = message_of(chat(ONE_CALL, tools=BOTH)) | {"content": content}
    answer = chat(user(ONE_CALL), called, result(called["tool_calls"][0], "rain"), tools=BOTH)
    assert text_of(answer) == "rain"


def test_a_result_may_be_parts(chat):
    called = message_of(chat(ONE_CALL, tools=BOTH))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    parts = [{"type": "text", "text": "ra"}, image, {"type": "text", "text": "in"}]
    said = [user(ONE_CALL), called, result(called["tool_calls"][0], parts)]
    answer = chat(*said, tools=BOTH)
    assert text_of(answer) == "rain"


def test_the_images_of_a_result_are_kept(chat, http):
    chat(ONE_CALL, tools=BOTH, session="with-image")
    detail = http.get("/v1/sessions/with-image").json()
    call_id = detail["messages"][-1]["message"]["parts"][0]["id"]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    answer = chat(result({"id": call_id}, [image]), tools=BOTH, session="with-image")
    assert answer.status_code == 200, answer.text
    detail = http.get("/v1/sessions/with-image").json()
    (part,) = detail["messages"][2]["message"]["parts"]
    assert part["images"] == [{"type": "image", "media_type": "image/png", "data": "iVBORw0KGgo="}]


def test_without_parallel_calls_an_answer_has_one(chat):
    said = [user(TWO_CALLS)]
    for name in ("weather", "clock"):
        answer = chat(*said, tools=BOTH, parallel_tool_calls=False)
        assert "x-hub-ignored" not in answer.headers
        called = message_of(answer)
        (call,) = called["tool_calls"]
        assert call["function"]["name"] == name
        said += [called, result(call, name)]
    assert text_of(chat(*said, tools=BOTH, parallel_tool_calls=False)) == "clock"


def test_a_chain_of_five_calls_ends_with_a_text(chat):
    script = "\n\n".join([ONE_CALL] * 5) + "\n\nIt rains."
    said = [user(script)]
    for number in range(5):
        called = message_of(chat(*said, tools=BOTH, session="chain"))
        said += [called, result(called["tool_calls"][0], f"rain {number}")]
    assert text_of(chat(*said, tools=BOTH, session="chain")) == "It rains."


@pytest.mark.parametrize(
    "choice",
    [
        "none",
        {
            "type": "allowed_tools",
            "allowed_tools": {
                "mode": "auto",
                "tools": [{"type": "function", "function": {"name": "clock"}}],
            },
        },
    ],
)
def test_a_tool_that_may_not_be_called_is_not_shown_to_the_model(chat, choice):
    assert "no tool weather" in text_of(chat(ONE_CALL, tools=BOTH, tool_choice=choice))


def test_auto_is_what_happens_without_a_choice(chat):
    assert message_of(chat(ONE_CALL, tools=BOTH, tool_choice="auto"))["tool_calls"]


@pytest.mark.parametrize("fields", [{}, {"tools": []}, {"tools": [], "tool_choice": "none"}])
def test_no_tools_and_an_empty_list_are_the_same(chat, fields):
    assert text_of(chat("hello", **fields)) == "hello"


def function(**fields):
    return {"type": "function", "function": {"name": "weather", **fields}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [function(name="two words")]}, "tools[0].function.name"),
        ({"tools": [function(name="x" * 65)]}, "tools[0].function.name"),
        ({"tools": [function(name="")]}, "tools[0].function.name"),
        ({"tools": [CLOCK, CLOCK]}, "tools[1]"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [function(parameters=[])]}, "tools[0].function.parameters"),
        ({"tools": [function(parameters={"type": "string"})]}, "tools[0]"),
        ({"tools": [CLOCK] * 129}, "tools"),
        ({"tools": [CLOCK], "tool_choice": "sometimes"}, "tool_choice"),
        (
            {
                "tools": [CLOCK],
                "tool_choice": {"type": "function", "function": {"name": "weather"}},
            },
            "tool_choice",
        ),
        ({"tools": [CLOCK], "tool_choice": {"type": "custom"}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"functions": [{"name": "old"}]}, "functions"),
        ({"function_call": "auto"}, "function_call"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(chat, fields, param):
    assert param_of(chat("hello", **fields)) == param


def test_a_schema_that_is_nested_too_deep_is_refused(chat):
    schema = {"type": "string"}
    for _ in range(40):
        schema = {"type": "object", "properties": {"in": schema}}
    assert param_of(chat("hello", tools=[function(parameters=schema)])) == "tools[0]"


@pytest.mark.parametrize(
    "wrong",
    [
        {"required": None},
        {"required": "a"},
        {"required": [1]},
        {"properties": None},
        {"properties": []},
        {"properties": {"a": {"type": "bogus"}}},
    ],
)
def test_what_is_no_schema_is_refused_before_a_vendor_leaves_the_tool_out(chat, wrong):
    answer = chat("hello", tools=[CLOCK, function(parameters={"type": "object", **wrong})])
    assert param_of(answer) == "tools[1]"
    assert f"at `{next(iter(wrong))}" in answer.json()["error"]["message"]


def test_a_schema_may_be_of_an_older_draft_and_nothing_is_fetched_to_understand_it(chat):
    older = {"minimum": 0, "exclusiveMinimum": True}
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        foreign = f"http://127.0.0.1:{server.getsockname()[1]}/schema"
        for dialect, number in (
            ("http://json-schema.org/draft-04/schema#", older),
            (foreign, {"exclusiveMinimum": 0}),
        ):
            schema = {"$schema": dialect, "type": "object", "properties": {"a": number}}
            asked = chat("/call weather", tools=[function(parameters=schema)])
            assert message_of(asked)["tool_calls"]
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("parameters", [None, {}, {"properties": {"a": {"type": "string"}}}])
def test_parameters_may_be_left_out_and_so_may_their_type(chat, parameters):
    tools = [function(parameters=parameters)]
    assert message_of(chat("/call weather", tools=tools))["tool_calls"]


def test_strict_is_named_as_without_effect_only_where_it_is_asked_for(chat):
    asked = chat("hello", tools=[function(strict=True)])
    assert asked.headers["x-hub-ignored"] == "tools[].function.strict"
    assert "x-hub-ignored" not in chat("hello", tools=[function(strict=False)]).headers


def test_calls_without_results_are_refused_as_openai_does(chat):
    called = message_of(chat(TWO_CALLS, tools=BOTH))
    weather, clock = called["tool_calls"]
    for more in ([user("hello")], [result(weather, "rain")], [result(weather, "rain"), user("no")]):
        answer = chat(user(TWO_CALLS), called, *more, tools=BOTH)
        assert param_of(answer) == "messages"
        assert clock["id"] in answer.json()["error"]["message"]


def test_a_result_for_a_call_nobody_made_is_refused(chat):
    for said in ([], [user("hello"), {"role": "assistant", "content": "hi"}]):
        answer = chat(*said, result({"id": "call_nobody"}, "rain"), tools=BOTH)
        assert param_of(answer) == "messages"
        assert "call_nobody" in answer.json()["error"]["message"]
    answer = chat(result({"id": "call_nobody"}, "rain"), tools=BOTH, session="never-used")
    assert param_of(answer) == "messages"
    assert "expired" in answer.json()["error"]["message"]


def test_a_session_with_open_calls_is_not_stuck(chat, http):
    called = message_of(chat(TWO_CALLS, tools=BOTH, session="left-alone"))
    weather, clock = called["tool_calls"]
    alone = chat(result(weather, "rain"), tools=BOTH, session="left-alone")
    assert param_of(alone) == "messages"
    assert text_of(chat("never mind", tools=BOTH, session="left-alone")) == "never mind"
    messages = http.get("/v1/sessions/left-alone").json()["messages"]
    parts = [part for each in messages for part in each["message"]["parts"]]
    left = [part for part in parts if part["type"] == "tool_result"]
    assert [part["call_id"] for part in left] == [weather["id"], clock["id"]]
    assert all(part["is_error"] for part in left)


def test_the_obsolete_call_in_a_history_is_refused(chat):
    said = {"role": "assistant", "content": None, "function_call": {"name": "x", "arguments": "{}"}}
    assert param_of(chat("hello", said, user("go on"))) == "messages[1].function_call"


def test_a_provider_that_can_t_call_tools_says_so(chat, http):
    answer = chat("say hello", model="scripted/one", tools=BOTH)
    assert param_of(answer) == "tools"
    error = answer.json()["error"]
    assert error["code"] == "unsupported_parameter"
    assert "GET /v1/providers" in error["message"]
    listed = http.get("/v1/providers").json()["data"]
    assert {one["name"]: one["capabilities"] for one in listed} == {
        "scripted": [],
        "echo": ["tools"],
    }


def test_such_a_provider_can_t_go_on_with_calls_either(chat, http):
    called = message_of(chat(ONE_CALL, tools=BOTH, session="moved"))
    answer = chat(result(called["tool_calls"][0], "rain"), model="scripted/one", session="moved")
    assert param_of(answer) == "messages"
    assert http.get("/v1/sessions/moved").json()["session"]["running_turn"] is None


def test_a_replay_of_a_recorded_answer_has_the_calls_again(chat, http):
    body = {"model": "echo/echo", "messages": [user(TWO_CALLS)], "tools": BOTH}
    headers = {"idempotency-key": "calls-once"}
    first, second = (
        http.post("/v1/chat/completions", json=body, headers=headers).json() for _ in range(2)
    )
    assert first["choices"][0]["message"]["tool_calls"]
    assert first == second
