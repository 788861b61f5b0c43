"""What the echo model answers: pure.

A text is said again as it is. One that has a line `/call NAME {arguments}` is a script: its blocks,
with empty lines between them, are one answer each, where those lines are calls of the caller's
tools and the others are said before them. Each answer to results is the next block; after the last
one, the text of the results. Where in its script a conversation is, the calls in it tell.
"""

import re
import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.calls import calls_in, results_in
from llm_mcp_hub.domain.chat import Message, ToolCallPart, ToolResultPart, TurnRequest

_CALL = re.compile(r"/call +(\S+) *(.*)")
_BLOCKS = re.compile(r"\n[ \t\r]*\n")


class Answer(Struct, frozen=True):
    """What is said, and then called."""

    text: str
    calls: tuple[ToolCallPart, ...] = ()


def answer_to(request: TurnRequest) -> Answer:
    """The answer to the new messages of a request."""
    place = _last_user(request.messages)
    script = request.messages[place].text if place is not None else ""
    since = request.messages[0 if place is None else place + 1 :]
    results = _texts(results_in(request.messages[request.prior :]))
    made = sum(len(calls_in(message)) for message in since)
    blocks = list(_blocks(script, parallel=request.parallel_tool_calls))
    if blocks:
        for block in blocks:
            if made <= 0:
                return _carry_out(block, request)
            made -= _calls_of(block)
        return Answer(results)
    return Answer(results if since else script)


def words_in(messages: Sequence[Message]) -> int:
    """How many words the messages have, results counted."""
    texts = [message.text for message in messages]
    texts += [result.text for result in results_in(messages)]
    return sum(len(text.split()) for text in texts)


def _last_user(messages: Sequence[Message]) -> int | None:
    places = (i for i in range(len(messages) - 1, -1, -1) if messages[i].role == "user")
    return next(places, None)


def _texts(results: Sequence[ToolResultPart]) -> str:
    return "\n".join(f"Error: {each.text}" if each.is_error else each.text for each in results)


def _blocks(text: str, *, parallel: bool) -> Iterator[str]:
    """The blocks of a script, without any if the text is none."""
    if "/call " not in text or not _calls_of(text):
        return
    for block in _BLOCKS.split(text):
        if parallel or _calls_of(block) < 2:
            yield block
            continue
        lines: list[str] = []
        for line in block.split("\n"):
            lines.append(line)
            if _CALL.fullmatch(line.strip()):
                yield "\n".join(lines)
                lines = []
        if lines:
            yield "\n".join(lines)


def _calls_of(block: str) -> int:
    return sum(_CALL.fullmatch(line.strip()) is not None for line in block.split("\n"))


def _carry_out(block: str, request: TurnRequest) -> Answer:
    offered = {tool.name for tool in request.tools}
    said: list[str] = []
    calls: list[ToolCallPart] = []
    wrong: list[str] = []
    for line in block.split("\n"):
        match = _CALL.fullmatch(line.strip())
        if match is None:
            said.append(line)
            continue
        name, arguments = match[1], match[2] or "{}"
        if name not in offered:
            names = ", ".join(sorted(offered)) or "none"
            wrong.append(f"There is no tool {name}. The tools are: {names}.")
        elif not _is_object(arguments):
            wrong.append(f"The arguments of {name} are not a JSON object: {arguments}")
        else:
            calls.append(ToolCallPart(f"call_{secrets.token_hex(12)}", name, arguments))
    if wrong:
        return Answer("\n".join(said + wrong))
    return Answer("\n".join(said), tuple(calls))


def _is_object(text: str) -> bool:
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return False
    return isinstance(value, dict)
