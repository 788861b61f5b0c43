"""What openai-python does with a hub beside what its page shows. Run by `child.py`.

The echo model calls what the question tells it to.
"""

import os

import openai
from openai import OpenAI
from pydantic import BaseModel

client = OpenAI(
    base_url=f"{os.environ['HUB_URL']}/v1", api_key=os.environ["HUB_TOKEN"], max_retries=0
)
QUESTION = [{"role": "user", "content": "one two three"}]


def check_models():
    return [model.id for model in client.models.list()]


def check_stream_helper():
    with client.chat.completions.stream(model="echo/echo", messages=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion().choices[0].message.content
    return {"kinds": sorted(set(kinds)), "final": final}


def check_wrong_token():
    with OpenAI(base_url=client.base_url, api_key="hub-wrong", max_retries=0) as stranger:
        try:
            stranger.models.list()
        except openai.AuthenticationError as error:
            return [error.status_code, error.code]


def check_asynchronous():
    import asyncio

    async def ask():
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key=client.api_key) as other:
            answers = await asyncio.gather(
                *(
                    other.chat.completions.create(
                        model="echo/echo", messages=[{"role": "user", "content": text}]
                    )
                    for text in ("one", "two", "three")
                )
            )
        return [answer.choices[0].message.content for answer in answers]

    return asyncio.run(ask())


class get_weather(BaseModel):  # noqa: N801  # the tool's name
    """The weather in a city, now."""

    city: str


WEATHER = [
    {
        "role": "user",
        "content": '/call get_weather {"city": "Paris"}\n/call get_weather {"city": "Rome"}',
    }
]
CLASS_TOOL = openai.pydantic_function_tool(get_weather)
RESPONSES_TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": get_weather.model_json_schema(),
    "strict": False,
}


def check_streamed_tools():
    with client.chat.completions.stream(
        model="echo/echo", messages=WEATHER, tools=[CLASS_TOOL]
    ) as stream:
        kinds = {event.type for event in stream}
        choice = stream.get_final_completion().choices[0]
    calls = choice.message.tool_calls
    return {
        "finish_reason": choice.finish_reason,
        "arguments": [call.function.parsed_arguments.city for call in calls],
        "events": sorted(kind for kind in kinds if kind.startswith("tool_calls")),
    }


def check_parsed_tools():
    answer = client.chat.completions.parse(
        model="echo/echo",
        messages=WEATHER,
        tools=[CLASS_TOOL],
        tool_choice={"type": "function", "function": {"name": "get_weather"}},
        parallel_tool_calls=False,
    )
    return [call.function.parsed_arguments.city for call in answer.choices[0].message.tool_calls]


def check_responses_tools():
    """By `previous_response_id`; the first answer is streamed."""
    with client.responses.stream(
        model="echo/echo", input=WEATHER, tools=[RESPONSES_TOOL]
    ) as stream:
        kinds = [event.type for event in stream]
        first = stream.get_final_response()
    calls = [item for item in first.output if item.type == "function_call"]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": call.arguments}
        for call in calls
    ]
    second = client.responses.create(
        model="echo/echo",
        previous_response_id=first.id,
        input=results,
        tools=[RESPONSES_TOOL],
    )
    return {
        "ends": [kinds[0], kinds[-1]],
        "deltas": "response.function_call_arguments.delta" in kinds,
        "said": second.output_text,
    }


def check_responses_by_history():
    """With `store=False`, the client's own items are sent back."""
    items = list(WEATHER)
    for _ in range(3):
        response = client.responses.create(
            model="echo/echo", input=items, tools=[RESPONSES_TOOL], store=False
        )
        calls = [item for item in response.output if item.type == "function_call"]
        if not calls:
            return response.output_text
        items += response.output
        items += [
            {"type": "function_call_output", "call_id": call.call_id, "output": call.arguments}
            for call in calls
        ]
    raise AssertionError("it goes on calling")


def check_stored_response():
    response = client.responses.create(model="echo/echo", input="one two three")
    again = client.responses.retrieve(response.id)
    client.responses.delete(response.id)
    try:
        client.responses.retrieve(response.id)
    except openai.NotFoundError as error:
        return [again.output_text, error.status_code]
