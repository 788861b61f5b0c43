"""Answers that are kept: what is noted of their requests, how they are shown and gone on from."""

import time
from typing import Any

import msgspec
from msgspec import Struct

from llm_mcp_hub.api.responses.maker import Maker
from llm_mcp_hub.api.responses.objects import Echo, ResponseObject
from llm_mcp_hub.api.responses.output import (
    as_input,
    item_status,
    output_of,
    turn_of_item,
    turn_of_response,
)
from llm_mcp_hub.api.responses.schemas import InputItem
from llm_mcp_hub.domain.chat import (
    FilePart,
    ImagePart,
    Message,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_mcp_hub.domain.completion import fold
from llm_mcp_hub.domain.journal import Journal
from llm_mcp_hub.errors import NoPreviousResponse, TurnCancelled, UnknownResponse
from llm_mcp_hub.services.follow import lost, revived
from llm_mcp_hub.services.kept_turns import KeptTurns


class Note(Struct, frozen=True):
    """What is noted of a request.

    Attributes:
        system: What system and developer messages of the input say, those of the answers before
            it included; unlike `instructions` it goes on with the conversation.
        inputs: How many messages the request has added to the conversation.
    """

    echo: Echo
    system: tuple[str, ...] = ()
    inputs: int = 0


class Before(Struct, frozen=True):
    """What a request goes on from."""

    messages: tuple[Message, ...] = ()
    system: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Note).decode


def noted(note: Note) -> bytes:
    """A note as bytes."""
    return _encode(note)


def note_of(journal: Journal) -> Note:
    """The note of a kept turn."""
    return _decode(journal.head.note)


async def find(kept: KeptTurns, principal: str, response_id: str) -> Journal:
    """The turn of an answer.

    Raises:
        UnknownResponse: There is none, or not of this principal.
    """
    journal = await kept.find(principal, turn_of_response(response_id))
    if journal is None:
        raise UnknownResponse(
            f"You have no response {response_id!r}. Responses are kept as long as their sessions, "
            "unless they were made with `store: false` or `X-Session-ID: none`."
        )
    return journal


async def before(kept: KeptTurns, principal: str, response_id: str | None) -> Before:
    """What a request with `previous_response_id` goes on from.

    Raises:
        NoPreviousResponse: There is none, or it has no answer.
    """
    if response_id is None:
        return Before()
    journal = await kept.find(principal, turn_of_response(response_id))
    messages = await kept.said(journal) if journal is not None else None
    if journal is None or messages is None:
        why = "is not kept" if journal is None or journal.end is not None else "has not ended yet"
        if journal is not None and journal.end is not None:
            why = "has no answer, or its session was deleted, has expired or was rewritten"
        raise NoPreviousResponse(
            f"Previous response with id {response_id!r} not found: it {why}. "
            "Send the whole conversation in `input`.",
            param="previous_response_id",
        )
    return Before(messages, note_of(journal).system)


async def items(
    kept: KeptTurns, principal: str, ids: tuple[str, ...]
) -> dict[str, InputItem | None]:
    """The items of kept answers that ids refer to; None for one that goes no further."""
    turns = {item_id: turn_id for item_id in ids if (turn_id := turn_of_item(item_id)) is not None}
    journals = await kept.several(principal, turns.values())
    found: dict[str, InputItem | None] = {}
    for turn_id, journal in journals.items():
        for item in output_of(turn_id, journal.chunks, "completed"):
            found[item.id] = as_input(item)
    return {item_id: found[item_id] for item_id in ids if item_id in found}


def shown(journal: Journal) -> ResponseObject:
    """An answer as it is now."""
    head, end = journal.head, journal.end
    maker = Maker(head.turn_id, head.created_at, head.model_id, note_of(journal).echo)
    completion = fold(journal.chunks)
    if end is None and journal.alive_until > time.time():
        return maker.running()
    if end is None or end.error is not None or completion is None:
        output = output_of(head.turn_id, journal.chunks, "incomplete")
        error = revived(end.error) if end is not None and end.error is not None else lost()
        cancelled = isinstance(error, TurnCancelled)
        return maker.cancelled(output) if cancelled else maker.failed(output, error)
    status = item_status(completion.finish_reason)
    output = output_of(head.turn_id, journal.chunks, status, refusals=maker.refusals)
    return maker.ended(output, completion)


def input_items(journal: Journal, said: tuple[Message, ...]) -> list[dict[str, Any]]:
    """What a request has added to a conversation, as items.

    Args:
        journal: The turn.
        said: The conversation up to and including its answer.
    """
    note = note_of(journal)
    digits = journal.head.turn_id.removeprefix("turn-")
    asked = said[max(0, len(said) - 1 - note.inputs) : -1]
    found = [item for message in asked for item in _items_of(message)]
    # Numbered from beyond what the answer's own items can be.
    return [
        {"id": f"{_PREFIX[item['type']]}_{digits}{0x8000 + index:04x}", **item}
        for index, item in enumerate(found)
    ]


_PREFIX = {"message": "msg", "function_call": "fc", "function_call_output": "fco"}


def _items_of(message: Message) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    kind = "output_text" if message.role == "assistant" else "input_text"
    content: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, TextPart):
            text: dict[str, Any] = {"type": kind, "text": part.text}
            content.append(text | ({"annotations": []} if kind == "output_text" else {}))
        elif isinstance(part, ImagePart):
            content.append(_image(part))
        elif isinstance(part, FilePart):
            url = f"data:{part.media_type};base64,{part.data}"
            file = {"filename": part.name or None, "file_data": url, "file_id": None}
            content.append({"type": "input_file", **file})
        elif isinstance(part, ToolCallPart):
            call = {"call_id": part.id, "name": part.name, "arguments": part.arguments}
            found.append({"type": "function_call", **call, "status": "completed"})
        elif isinstance(part, ToolResultPart):
            output: str | list[dict[str, Any]] = part.text
            if part.images:
                texts = [{"type": "input_text", "text": part.text}] if part.text else []
                output = [*texts, *map(_image, part.images)]
            result = {"call_id": part.call_id, "output": output, "status": "completed"}
            found.append({"type": "function_call_output", **result})
    if content:
        told = {"type": "message", "role": message.role, "content": content, "status": "completed"}
        found.insert(0, told)
    return found


def _image(image: ImagePart) -> dict[str, Any]:
    url = f"data:{image.media_type};base64,{image.data}"
    return {"type": "input_image", "image_url": url, "detail": "auto", "file_id": None}
