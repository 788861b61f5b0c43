"""What the model says that the stand-in of a vendor's back end plays.

It answers from what is in the request alone, so that any client may ask, in any order: it asks a
tool for the weather and the calculator for products, tells what tools have answered, describes a
person as JSON, and repeats everything else.
"""

import json
import re
from typing import Any

from llm_mcp_hub_claude.testing.scripted import Reply, Request, ToolCall

WEATHER = re.compile(r"weather in ([A-Z]\w+(?:(?:,| and) [A-Z]\w+)*)")
PRODUCT = re.compile(r"(\d+) times (\d+)")
PERSON = re.compile(r"([A-Z]\w+) is (\d+) years old")
CALCULATOR = "Calculator"
"""n8n's own name for it."""
FINAL = "format_final_json_response"
"""The tool with which n8n's agent wants its answer when it has an output parser."""


def answer(request: Request) -> Reply:
    """The reply to a request, whatever else is being asked."""
    names = [tool["name"] for tool in request.body.get("tools", [])]
    tools = {name.rpartition("__")[2]: name for name in names}
    results = tool_results(request)
    if results and FINAL in tools:
        number = re.search(r"\d+", results[-1])
        return Reply(
            calls=(ToolCall(tools[FINAL], {"output": {"answer": number and int(number[0])}}),)
        )
    if results:
        return Reply(text=" / ".join(results))
    calls = calls_for(request.last_user_text, tools)
    if calls:
        return Reply(calls=tuple(calls))
    if found := PERSON.search(request.last_user_text):
        return Reply(text=json.dumps({"name": found[1], "age": int(found[2])}))
    return Reply()


def calls_for(text: str, tools: dict[str, str]) -> list[ToolCall]:
    """The calls that a question leads to, with the tools that there are."""
    calls: list[ToolCall] = []
    if found := WEATHER.search(text):
        cities = re.split(r", | and ", found[1])
        if name := tools.get("get_weather"):
            calls += [ToolCall(name, {"city": city}) for city in cities]
    if (found := PRODUCT.search(text)) and (name := tools.get(CALCULATOR)):
        calls.append(ToolCall(name, {"input": f"{found[1]} * {found[2]}"}))
    return calls


def tool_results(request: Request) -> list[str]:
    """What tools have answered since the model spoke last."""
    role, blocks = next(turn for turn in reversed(request.turns) if turn[0] != "system")
    return [text_of(block) for block in blocks if role == "user" and block["type"] == "tool_result"]


def text_of(result: dict[str, Any]) -> str:
    content = result.get("content", "")
    if isinstance(content, str):
        return content
    return "".join(
        block["text"] if block["type"] == "text" else json.dumps(block) for block in content
    )
