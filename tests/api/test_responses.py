"""The official OpenAI library's `responses`, unchanged, against a served hub."""

import json
from collections.abc import Iterator

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.responses import FunctionToolParam, ResponseFunctionToolCall
from pydantic import BaseModel

WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city now.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}
CALL = '/call weather {"city": "Seoul"}'


@pytest.fixture(scope="module")
def client(hub) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{hub.base_url}/v1", api_key=hub.admin_token, timeout=20, max_retries=0
    ) as client:
        yield client


def post(http: httpx.Client, headers: dict[str, str] | None = None, **body) -> httpx.Response:
    request = {"model": "echo/echo", "input": "hello", **body}
    return http.post("/v1/responses", json=request, headers=headers or {})


def error_of(answer: httpx.Response, status: int = 400) -> dict:
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def test_a_response_is_whole_and_counted(client):
    response = client.responses.create(
        model="echo/echo",
        input="two words",
        instructions="Be brief.",
        metadata={"a": "b"},
        user="u",
        max_output_tokens=50,
        temperature=0.5,
    )

    assert response.object == "response"
    assert response.id.startswith("resp_")
    assert response.model == "echo/echo"
    assert (response.status, response.error, response.incomplete_details) == (
        "completed",
        None,
        None,
    )
    assert response.output_text == "two words"
    (message,) = response.output
    assert message.type == "message"
    assert message.id.startswith("msg_")
    assert (message.role, message.status) == ("assistant", "completed")
    assert message.content[0].type == "output_text"
    assert message.content[0].annotations == []
    assert response.usage is not None
    assert response.usage.total_tokens == 4
    assert response.usage.input_tokens_details.cached_tokens == 0
    assert response.instructions == "Be brief."
    assert response.metadata == {"a": "b"}
    assert response.user == "u"
    assert response.max_output_tokens == 50
    assert response.temperature == 0.5
    assert response.store is True
    assert response.text is not None
    assert response.text.format is not None
    assert response.text.format.type == "text"
    assert (response.tools, response.tool_choice, response.parallel_tool_calls) == (
        [],
        "auto",
        True,
    )


def test_the_library_puts_a_stream_together_as_the_hub_does(client):
    with client.responses.stream(model="echo/echo", input="one two three") as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    assert kinds.count("response.output_text.delta") == 3
    assert final.output_text == "one two three"
    assert final.output[0].id == client.responses.retrieve(final.id).output[0].id


def test_max_output_tokens_cuts_the_answer_and_says_so(client):
    response = client.responses.create(model="echo/echo", input="a b c", max_output_tokens=2)

    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


def test_the_model_calls_a_function_and_is_given_its_result(client):
    first = client.responses.create(model="echo/echo", input=CALL, tools=[WEATHER])
    (call,) = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert call.id is not None
    assert call.id.startswith("fc_")
    assert (call.name, call.status) == ("weather", "completed")
    assert json.loads(call.arguments) == {"city": "Seoul"}
    assert first.tools[0].type == "function"

    second = client.responses.create(
        model="echo/echo",
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}],
        tools=[WEATHER],
    )
    assert "Rain." in second.output_text


def test_a_whole_history_with_calls_goes_on_the_same(client):
    asked = {"role": "user", "content": CALL}
    first = client.responses.create(model="echo/echo", input=[asked], tools=[WEATHER])
    call = first.output[0]
    answered = [{"type": "input_text", "text": "Rain."}]
    second = client.responses.create(
        model="echo/echo",
        input=[
            asked,
            # As n8n sends a call back: with more in its arguments than there was.
            {**call.to_dict(), "arguments": '{"city": "Seoul", "tool": "weather"}'},
            {"type": "function_call_output", "call_id": call.call_id, "output": answered},
        ],
        tools=[WEATHER],
    )

    assert "Rain." in second.output_text
    assert first.id != second.id


def test_calls_stream_with_their_arguments_in_pieces(client):
    events = list(
        client.responses.create(model="echo/echo", input=CALL, tools=[WEATHER], stream=True)
    )
    added = next(event for event in events if event.type == "response.output_item.added")
    deltas = [e.delta for e in events if e.type == "response.function_call_arguments.delta"]
    done = next(e for e in events if e.type == "response.function_call_arguments.done")

    assert added.item.type == "function_call"
    assert added.item.arguments == ""
    assert len(deltas) > 1
    assert "".join(deltas) == done.arguments
    assert json.loads(done.arguments) == {"city": "Seoul"}
    assert events[-1].type == "response.completed"


def test_one_call_at_a_time_if_that_is_wanted(client):
    response = client.responses.create(
        model="echo/echo", input=f"{CALL}\n{CALL}", tools=[WEATHER], parallel_tool_calls=False
    )

    assert [item.type for item in response.output] == ["function_call"]
    assert response.parallel_tool_calls is False


class City(BaseModel):
    city: str


def test_an_answer_in_a_form_is_parsed(client):
    response = client.responses.parse(
        model="echo/echo", input='```json\n{"city": "Seoul"}\n```', text_format=City
    )

    assert response.output_parsed == City(city="Seoul")
    assert response.text is not None
    assert response.text.format is not None
    assert response.text.format.type == "json_schema"


def test_an_answer_in_a_form_streams_as_it_is_stored(client):
    with client.responses.stream(
        model="echo/echo", input='{"city": "Seoul"}', text_format=City
    ) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()

    assert final.output_parsed == City(city="Seoul")
    assert "".join(deltas) == client.responses.retrieve(final.id).output_text


def test_an_answer_that_does_not_fit_its_form_is_an_error(client):
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.parse(model="echo/echo", input="no city", text_format=City)

    assert caught.value.status_code == 502


def test_a_call_can_be_demanded(client):
    choice = {"type": "function", "name": "weather"}
    response = client.responses.create(
        model="echo/echo", input=CALL, tools=[WEATHER], tool_choice=choice
    )
    assert [item.type for item in response.output] == ["function_call"]
    assert response.tool_choice.to_dict() == choice

    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(
            model="echo/echo", input="hello", tools=[WEATHER], tool_choice="required"
        )
    assert caught.value.code == "tool_choice_not_honoured"


def test_tools_that_are_not_allowed_are_not_offered(client):
    other: FunctionToolParam = {**WEATHER, "name": "clock"}
    response = client.responses.create(
        model="echo/echo",
        input=CALL,
        tools=[WEATHER, other],
        tool_choice={
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "clock"}],
        },
    )

    assert [item.type for item in response.output] == ["message"]


def test_a_failure_before_the_first_piece_is_a_proper_status(client):
    with pytest.raises(openai.APIStatusError) as caught:
        client.responses.create(model="scripted/one", input="refuse LoginRequired", stream=True)

    assert caught.value.status_code == 503
    assert caught.value.code == "login_required"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ("fail ProviderFailed", "provider_failed"),
        ("cut", "provider_stream_cut"),
        ("crash", "internal_error"),
    ],
)
def test_a_failure_after_it_is_told_and_raised(client, order, code):
    events = []
    stream = client.responses.create(model="scripted/one", input=order, stream=True)
    with pytest.raises(openai.APIError) as caught:
        events.extend(stream)

    assert events[-1].type == "response.failed"
    assert caught.value.code == code


def test_what_the_user_said_comes_to_the_model_in_its_roles(client, scripted):
    image = "data:image/png;base64,iVBORw0KGgo="
    client.responses.create(
        model="scripted/one",
        instructions="First.",
        input=[
            {"role": "developer", "content": "Second."},
            {"role": "user", "content": [{"type": "input_text", "text": "Look."}]},
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {
                "type": "message",
                "id": "msg_1",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "I do.", "annotations": []}],
            },
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "say yes"},
                    {"type": "input_image", "image_url": image, "detail": "auto"},
                ],
            },
        ],
    )
    request = scripted.requests[-1]

    assert request.system == "First.\n\nSecond."
    assert [message.role for message in request.messages] == ["user", "assistant", "user"]
    assert request.messages[2].parts[1].media_type == "image/png"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": [{"type": "web_search_call", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"tools": [{"type": "custom", "name": "x"}]}, "tools[0].type"),
        ({"tools": [WEATHER], "tool_choice": {"type": "file_search"}}, "tool_choice"),
        ({"prompt": {"id": "x"}}, "prompt"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
    ],
)
def test_what_the_hub_does_not_have_is_refused_by_name(http, body, param):
    error = error_of(post(http, **body))

    assert error["code"] == "unsupported_parameter"
    assert error["param"].startswith(param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": []}, "input"),
        (
            {"input": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
            "input",
        ),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": "x"}]}, "input"),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": 7}}}},
            "text.format",
        ),
        ({"input": [{"role": "user", "content": ""}]}, "input[0]"),
        ({"input": [{"role": "critic", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0].id"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"reasoning": {"effort": "very"}}, "reasoning.effort"),
        ({"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tool_choice": 7}, "tool_choice"),
        ({"conversation": "c", "previous_response_id": "resp_1"}, "conversation"),
        ({"background": True, "store": False}, "store"),
        ({"conversation": "c d"}, "X-Session-ID"),
        ({"conversation": "none"}, "X-Session-ID"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(http, body, param):
    error = error_of(post(http, **body))

    assert error["code"] == "invalid_request"
    assert error["param"] == param


def test_what_merely_tunes_the_answer_is_named_as_ignored(http):
    answer = post(
        http,
        temperature=0.1,
        top_p=0.5,
        max_tool_calls=3,
        include=["reasoning.encrypted_content"],
        truncation="auto",
        service_tier="flex",
        text={"verbosity": "low"},
        input=[
            {"type": "reasoning", "id": "rs_1", "summary": []},
            {"role": "user", "content": "x"},
        ],
    )

    assert answer.headers["x-hub-ignored"] == (
        "temperature, top_p, max_tool_calls, include, truncation, service_tier, "
        "text.verbosity, input.reasoning"
    )


def test_what_n8n_sends_by_default_is_taken(http):
    answer = post(
        http,
        input=[{"type": "message", "role": "user", "content": "hi"}],
        text={"format": {"type": "text"}},
        store=True,
        background=False,
        parallel_tool_calls=True,
        stream=False,
        temperature=None,
        reasoning=None,
        conversation=None,
        include=[],
        metadata=None,
    )

    assert answer.status_code == 200
    assert "x-hub-ignored" not in answer.headers


def test_the_headers_say_what_turn_it_was(http):
    answer = post(http)

    assert answer.headers["x-session-id"].startswith("sess-")
    assert answer.json()["id"].removeprefix("resp_") in answer.headers["x-turn-id"]


def test_one_key_is_one_response(http, scripted):
    opened = scripted.opened
    headers = {"idempotency-key": "responses-1"}
    answers = [post(http, headers, model="scripted/one", input="say it") for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert scripted.opened == opened + 1


def test_other_methods_are_refused_as_everywhere(http):
    answer = http.get("/v1/responses")

    assert error_of(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "POST"
