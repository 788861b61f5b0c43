"""Conversations as lines for Claude Code; pure.

Guarantee: what the model sees upstream is exactly the conversation: the same roles in the same
order, texts unchanged, images and tool calls as real blocks. Nothing is written into a prompt.
"""

from collections.abc import Sequence

import msgspec

from llm_mcp_hub.domain.chat import (
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_mcp_hub_claude.lines import assistant_line, user_line
from llm_mcp_hub_claude.tool_names import upstream_call_id, upstream_name

Block = dict[str, object]


def replay(messages: Sequence[Message]) -> list[bytes]:
    """The lines that bring the tool to the end of `messages`, in steps.

    Each step may be sent once the one before it has had its `result`. The last step asks for the
    answer. A line of history of the user's has a `result` of its own, one of the model's has none
    and travels with the user's line that follows (Claude Code 2.1.329).

    Returns:
        The steps; empty if no message of the user's says anything.
    """
    groups = _groups(messages)
    while groups and groups[-1][0] == "assistant":
        groups.pop()
    steps: list[bytes] = []
    pending = b""
    for index, (role, blocks) in enumerate(groups):
        if role == "assistant":
            pending += assistant_line(blocks)
        else:
            is_last = index == len(groups) - 1
            steps.append(pending + user_line(_content(blocks), query=is_last))
            pending = b""
    return steps


def says_something(message: Message) -> bool:
    """Whether any block is left of a message once empty texts are gone."""
    return any(_blocks(part) for part in message.parts)


def _groups(messages: Sequence[Message]) -> list[tuple[str, list[Block]]]:
    """Messages with the neighbours of one role put together; the API knows turns only."""
    groups: list[tuple[str, list[Block]]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = [block for part in message.parts for block in _blocks(part)]
        if not blocks:
            continue
        if groups and groups[-1][0] == role:
            groups[-1][1].extend(blocks)
        else:
            groups.append((role, blocks))
    return groups


def _content(blocks: list[Block]) -> object:
    if len(blocks) == 1 and blocks[0]["type"] == "text":
        return blocks[0]["text"]
    # The API wants the results of tools before anything else.
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _blocks(part: Part) -> list[Block]:
    if isinstance(part, TextPart):
        # The API refuses a text block of white space.
        return [{"type": "text", "text": part.text}] if part.text.strip() else []
    if isinstance(part, ImagePart):
        source = {"type": "base64", "media_type": part.media_type, "data": part.data}
        return [{"type": "image", "source": source}]
    if isinstance(part, FilePart):
        source = {"type": "base64", "media_type": part.media_type, "data": part.data}
        document: Block = {"type": "document", "source": source}
        return [{**document, "title": part.name} if part.name else document]
    if isinstance(part, ToolCallPart):
        block: Block = {"type": "tool_use", "id": upstream_call_id(part.id)}
        return [{**block, "name": upstream_name(part.name), "input": _arguments(part)}]
    return _result(part)


def _result(part: ToolResultPart) -> list[Block]:
    block: Block = {"type": "tool_result", "tool_use_id": upstream_call_id(part.call_id)}
    images = [block for image in part.images for block in _blocks(image)]
    if part.is_error:
        # The API takes no images in an error; beside it they are seen all the same.
        return [{**block, "content": part.text, "is_error": True}, *images]
    if images:
        return [{**block, "content": [*_blocks(TextPart(part.text)), *images]}]
    return [{**block, "content": part.text}]


def _arguments(part: ToolCallPart) -> dict[str, object]:
    """The arguments as the object that the API wants, whatever the model wrote."""
    try:
        arguments = msgspec.json.decode(part.arguments)
    except msgspec.DecodeError:
        arguments = part.arguments
    return arguments if isinstance(arguments, dict) else {"arguments": arguments}
