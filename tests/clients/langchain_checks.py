"""What LangChain does with a hub beside what its page shows. Run by `child.py`.

The echo model calls what the question tells it to.
"""

import os

from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

HUB = {
    "base_url": f"{os.environ['HUB_URL']}/v1",
    "api_key": os.environ["HUB_TOKEN"],
    "model": "echo/echo",
    "max_retries": 0,
}
QUESTION = {
    "messages": [
        ("user", '/call get_weather {"city": "Paris"}\n/call get_weather {"city": "Rome"}')
    ]
}


class Person(BaseModel):
    """A person."""

    name: str
    age: int


@tool
def get_weather(city: str) -> str:
    """The weather in a city, now."""
    return f"dry in {city}"


def streamed(**more):
    agent = create_agent(ChatOpenAI(**HUB, **more), tools=[get_weather])
    pieces = agent.stream(QUESTION, stream_mode="messages")
    return "".join(piece.text for piece, at in pieces if at["langgraph_node"] == "model")


def check_streamed_agent():
    return streamed()


def check_streamed_agent_over_responses():
    return streamed(use_responses_api=True)


def check_structure_by_a_tool():
    model = ChatOpenAI(**HUB).with_structured_output(Person, method="function_calling")
    return model.invoke('/call Person {"name": "Ada", "age": 36}').model_dump()


def check_agent_with_a_form():
    agent = create_agent(ChatOpenAI(**HUB), tools=[get_weather], response_format=Person)
    state = agent.invoke({"messages": [("user", '/call Person {"name": "Ada", "age": 36}')]})
    return state["structured_response"].model_dump()


def check_usage_of_streams():
    def tokens(**more):
        pieces = ChatOpenAI(**HUB, **more).stream("one two three")
        return [one.usage_metadata["total_tokens"] for one in pieces if one.usage_metadata]

    return [tokens(), tokens(stream_usage=True)]
