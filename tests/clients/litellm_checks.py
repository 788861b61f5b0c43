"""What LiteLLM does with a hub beside what its page shows. Run by `child.py`.

The echo model calls what the question tells it to.
"""

import json
import os

import litellm
import openai
from pydantic import BaseModel

# It would write about its errors on standard output.
litellm.suppress_debug_info = True
HUB = {"api_base": f"{os.environ['HUB_URL']}/v1", "api_key": os.environ["HUB_TOKEN"]}
QUESTION = [{"role": "user", "content": "one two three"}]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


def check_errors():
    seen = {}
    for name, more in (
        ("nobody/nothing", {"model": "openai/nobody/nothing", **HUB}),
        ("wrong token", {"model": "openai/echo/echo", **HUB, "api_key": "hub-wrong"}),
    ):
        try:
            litellm.completion(messages=QUESTION, max_retries=0, **more)
        except openai.APIError as error:
            seen[name] = type(error).__name__
    return seen


def check_router():
    """The configuration of the proxy, as the proxy's own router reads it."""
    import yaml

    router = litellm.Router(**yaml.safe_load(os.environ["PAGE_CONFIGURATION"]))
    return router.completion("sonnet", QUESTION).choices[0].message.content


TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
WEATHER = [
    {
        "role": "user",
        "content": '/call get_weather {"city": "Paris"}\n/call get_weather {"city": "Rome"}',
    }
]


def cities(answer):
    calls = answer.choices[0].message.tool_calls
    return [json.loads(call.function.arguments)["city"] for call in calls]


def check_streamed_tools():
    stream = litellm.completion(
        model="openai/echo/echo", messages=WEATHER, tools=[TOOL], stream=True, **HUB
    )
    return cities(litellm.stream_chunk_builder(list(stream)))


def check_messages_api():
    """By Anthropic's dialect, with the token as `x-api-key`."""
    return cities(
        litellm.completion(
            model="anthropic/echo/echo",
            api_base=os.environ["HUB_URL"],
            api_key=HUB["api_key"],
            messages=WEATHER,
            tools=[TOOL],
        )
    )


def check_structure():
    answer = litellm.completion(
        model="openai/echo/echo",
        messages=[{"role": "user", "content": '{"name": "Ada", "age": 36}'}],
        response_format=Person,
        **HUB,
    )
    return json.loads(answer.choices[0].message.content)
