"""A conversation as a file of the Gemini CLI's own, from which `session/load` brings it back; pure.

Guarantee: what the model sees upstream is exactly the conversation: the same roles in the same
order, texts unchanged, images as images, calls of tools and their results as such. The Gemini CLI
puts only its own `<session_context>` (date and system) before the first words.

The file is JSON, one record a line, in `.gemini/tmp/PROJECT/chats/`; the project is named after the
last part of the working directory. A session is found by the id in the first record, also by the
one that asks for it. Of two files for one session the one updated last counts; hence the date. A
record without a `projectHash` is none; which it is does not matter. (Gemini CLI 0.61.0.)
"""

from collections.abc import Mapping, Sequence

import msgspec

from llm_mcp_hub.domain.calls import calls_in
from llm_mcp_hub.domain.chat import (
    FilePart,
    ImagePart,
    Message,
    Part,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_mcp_hub_acp.client_tools.names import SERVER, alias
from llm_mcp_hub_acp.profile import Restoration
from llm_mcp_hub_acp.prompt import SHIELD, SYSTEM, shielded, words_of

CHATS = "home/.gemini/tmp/cwd/chats"
CREATED = "2000-01-01T00:00:00.000Z"
UPDATED = "2099-01-01T00:00:00.000Z"

TOOL_PREFIX = f"mcp_{SERVER}_"
"""What the Gemini CLI puts before the names of the client's tools."""

Record = dict[str, object]


def restoration(session: str, system: str, history: Sequence[Message]) -> Restoration:
    """The file for a session; `system` goes before the first words of the user's."""
    groups = _groups(history)
    if system:
        opening: Record = {"text": SYSTEM.format(system)}
        if groups and groups[0][0] == "user":
            groups[0][1].insert(0, opening)
        else:
            groups.insert(0, ("user", [opening]))
    if groups and any("functionResponse" in part for part in groups[-1][1]):
        # After a result without an answer the next prompt would be told that one was interrupted.
        groups.append(("user", [{"text": SHIELD}]))
    head: Record = {
        "sessionId": session,
        "projectHash": "hub",
        "startTime": CREATED,
        "lastUpdated": UPDATED,
        "kind": "main",
    }
    records = [head]
    for number, (kind, parts) in enumerate(groups):
        record: Record = {"id": f"hub-{number}", "timestamp": CREATED, "type": kind}
        records.append({**record, "content": parts})
    content = b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    path = f"{CHATS}/session-2000-01-01T00-00-{session[:8]}.jsonl"
    return Restoration(path, content, echoes=len(groups))


def leftovers(session: str) -> tuple[str, ...]:
    """Patterns of the files of a session: the hub's, and those the Gemini CLI keeps by itself."""
    return (f"{CHATS}/session-*-{session[:8]}.jsonl",)


def _groups(messages: Sequence[Message]) -> list[tuple[str, list[Record]]]:
    """Messages with the neighbours of one role put together; the API knows turns only."""
    groups: list[tuple[str, list[Record]]] = []
    names = {call.id: call.name for message in messages for call in calls_in(message)}
    for message in messages:
        kind = "gemini" if message.role == "assistant" else "user"
        parts = [record for one in message.parts for record in _records(one, names)]
        if not parts:
            continue
        if groups and groups[-1][0] == kind:
            groups[-1][1].extend(parts)
        else:
            if kind == "user" and "text" in parts[0]:
                # One that begins like a command would be left out.
                parts[0] = {"text": shielded(str(parts[0]["text"]))}
            groups.append((kind, parts))
    return groups


def _records(part: Part, names: Mapping[str, str]) -> list[Record]:
    """A part; `names` are those of the tools that were called, by the calls' ids."""
    if isinstance(part, TextPart):
        return [{"text": part.text}] if part.text.strip() else []
    if isinstance(part, ImagePart):
        return [{"inlineData": {"mimeType": part.media_type, "data": part.data}}]
    if isinstance(part, FilePart):
        return [{"text": words_of(part)}]
    if isinstance(part, ToolCallPart):
        call = {"id": part.id, "name": TOOL_PREFIX + alias(part.name), "args": _arguments(part)}
        return [{"functionCall": call}]
    if part.call_id not in names:  # a client that has cut its history
        return [{"text": words_of(part)}]
    return _result(part, TOOL_PREFIX + alias(names[part.call_id]))


def _result(part: ToolResultPart, name: str) -> list[Record]:
    kind = "error" if part.is_error else "output"
    response = {"id": part.call_id, "name": name, "response": {kind: part.text}}
    images = [record for image in part.images for record in _records(image, {})]
    return [{"functionResponse": response}, *images]


def _arguments(part: ToolCallPart) -> object:
    try:
        return msgspec.json.decode(part.arguments, type=dict[str, object])
    except msgspec.DecodeError:  # what a client makes of it is its own affair
        return {"arguments": part.arguments}
