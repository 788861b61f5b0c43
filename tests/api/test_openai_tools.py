"""The official OpenAI library's own helpers for tools and forms, against a served hub."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel, ConfigDict


class Weather(BaseModel):
    """The weather in a city now."""

    model_config = ConfigDict(extra="forbid")

    city: str
    days: int = 1


FITS = '{"city": "Seoul", "days": 2}'
CALL = f"/call Weather {FITS}"


@pytest.fixture(scope="module")
def client(hub) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{hub.base_url}/v1", api_key=hub.admin_token, timeout=20) as client:
        yield client


def user(text):
    return {"role": "user", "content": text}


def test_a_tool_of_pydantic_s_is_called_with_what_it_parses(client):
    answer = client.chat.completions.parse(
        model="echo/echo",
        messages=[user(CALL)],
        tools=[openai.pydantic_function_tool(Weather)],
        tool_choice={"type": "function", "function": {"name": "Weather"}},
    )
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.parsed_arguments == Weather(city="Seoul", days=2)


def test_the_message_with_calls_goes_back_as_the_library_has_it(client):
    tools = [openai.pydantic_function_tool(Weather)]
    first = client.chat.completions.create(model="echo/echo", messages=[user(CALL)], tools=tools)
    message = first.choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "rain"}
    for said in (message, message.model_dump(), message.model_dump(exclude_none=True)):
        answer = client.chat.completions.create(
            model="echo/echo", messages=[user(CALL), said, result], tools=tools
        )
        assert answer.choices[0].message.content == "rain"


def test_the_stream_helper_follows_a_call(client):
    with client.chat.completions.stream(
        model="echo/echo", messages=[user(CALL)], tools=[openai.pydantic_function_tool(Weather)]
    ) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    pieces = [each for each in events if each.type == "tool_calls.function.arguments.delta"]
    (done,) = [each for each in events if each.type == "tool_calls.function.arguments.done"]
    assert len(pieces) > 1
    assert done.parsed_arguments == Weather(city="Seoul", days=2)
    assert final.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("text", [FITS, f"```json\n{FITS}\n```"])
def test_an_answer_is_parsed_into_pydantic_s_model(client, text):
    answer = client.chat.completions.parse(
        model="echo/echo", messages=[user(text)], response_format=Weather
    )
    assert answer.choices[0].message.parsed == Weather(city="Seoul", days=2)


def test_a_streamed_answer_is_parsed_too(client):
    with client.chat.completions.stream(
        model="echo/echo", messages=[user(FITS)], response_format=Weather
    ) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.parsed == Weather(city="Seoul", days=2)


def test_an_answer_that_never_fits_is_an_error_that_is_not_tried_again(client, http):
    before = http.get("/v1/providers/echo").json()["pool"]["served"]
    with pytest.raises(openai.InternalServerError, match="does not have the form") as caught:
        client.chat.completions.parse(
            model="echo/echo", messages=[user("Seoul")], response_format=Weather
        )
    assert caught.value.code == "response_format_not_honoured"
    after = http.get("/v1/providers/echo").json()["pool"]["served"]
    assert after - before == 2, "one answer, and one more"


def test_an_answer_cut_by_the_limit_is_the_library_s_own_error(client):
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="echo/echo",
            messages=[user('{"city": "Seoul", "days": 1}')],
            response_format=Weather,
            max_completion_tokens=2,
        )


def test_a_required_call_that_is_not_made_is_an_error(client):
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(
            model="echo/echo",
            messages=[user("hello")],
            tools=[openai.pydantic_function_tool(Weather)],
            tool_choice="required",
        )
    assert caught.value.code == "tool_choice_not_honoured"
