"""What Anthropic's SDK does with a hub beside what its page shows. Run by `child.py`.

The echo model calls what the question tells it to.
"""

import os

import anthropic
from anthropic import Anthropic, beta_tool

HUB = os.environ["HUB_URL"]
client = Anthropic(base_url=HUB, auth_token=os.environ["HUB_TOKEN"], max_retries=0)
TOOLS = [
    {
        "name": "get_weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
    }
]


def check_api_key():
    with Anthropic(base_url=HUB, api_key=os.environ["HUB_TOKEN"], max_retries=0) as other:
        message = other.messages.create(
            model="echo/echo",
            max_tokens=100,
            messages=[{"role": "user", "content": "one two three"}],
        )
    return message.content[0].text


def check_wrong_token():
    with Anthropic(base_url=HUB, api_key="hub-wrong", max_retries=0) as stranger:
        try:
            stranger.messages.create(
                model="echo/echo", max_tokens=100, messages=[{"role": "user", "content": "Hello?"}]
            )
        except anthropic.AuthenticationError as error:
            return [error.status_code, error.body["error"]["type"]]


def check_streamed_tools():
    question = {
        "role": "user",
        "content": '/call get_weather {"city": "Paris"}\n/call get_weather {"city": "Rome"}',
    }
    with client.messages.stream(
        model="echo/echo", max_tokens=1000, messages=[question], tools=TOOLS
    ) as stream:
        message = stream.get_final_message()
    calls = [[one.name, one.input] for one in message.content if one.type == "tool_use"]
    return {"stop_reason": message.stop_reason, "calls": calls}


def check_tool_runner():
    @beta_tool
    def get_weather(city: str) -> str:
        """The weather in a city, now.

        Args:
            city: Its name.
        """
        return f"18 °C and dry in {city}"

    question = {"role": "user", "content": '/call get_weather {"city": "Paris"}'}
    runner = client.beta.messages.tool_runner(
        model="echo/echo", max_tokens=1000, tools=[get_weather], messages=[question]
    )
    return runner.until_done().content[0].text
