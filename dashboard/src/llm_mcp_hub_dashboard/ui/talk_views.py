"""What was said, as the screens of a session and of the playground show it. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

Json = Mapping[str, Any]
Row = dict[str, Any]

IMAGES = {"image/png", "image/jpeg", "image/gif", "image/webp"}
"""What a browser is given to show; everything else is named only."""
GLANCE = 80
"""So many characters of a call or a result are seen while it is folded."""
LARGEST_JSON = 200_000
"""Longer JSON is shown as it came."""


def messages(entries: Iterable[Json], shown: int) -> list[Row]:
    """The latest messages of a conversation, each with its parts.

    Args:
        entries: All messages with their times, oldest first, as the REST API has them.
        shown: So many are returned at most; results among them find their calls in the others.
    """
    every = list(entries)
    tools = {
        part["id"]: part["name"]
        for entry in every
        for part in entry["message"]["parts"]
        if part["type"] == "tool_call"
    }
    return [
        {
            "role": entry["message"]["role"],
            "created_at": entry["created_at"],
            "parts": [row for one in entry["message"]["parts"] for row in parts(one, tools)],
        }
        for entry in every[-shown:]
    ]


def parts(body: Json, tools: Mapping[str, str]) -> Iterator[Row]:
    """What a part is shown as: rows whose `kind` is `text`, `image`, `call`, `result` or `data`.

    Args:
        body: The part.
        tools: The names of the tools that were called, by the ids of the calls.
    """
    match body["type"]:
        case "text":
            yield _row("text", body["text"])
        case "image":
            yield _image(body)
        case "tool_call":
            yield _row("call", _laid_out(body["arguments"]), body["name"], body["id"])
        case "tool_result":
            called = body["call_id"]
            row = _row("result", _laid_out(body["text"]), tools.get(called, called), called)
            yield {**row, "failed": body.get("is_error", False)}
            yield from map(_image, body.get("images", ()))
        case other:
            # A part that is newer than this page: what it is called, and nothing of what is in it.
            name, media_type = body.get("name", ""), body.get("media_type", "")
            yield _row("data", "", " ".join(filter(None, (name or other, media_type))))


def entry_of(role: str, text: str, **more: Any) -> Row:
    """What was said in the playground, and how that went."""
    empty = {"reasoning": "", "problem": "", "problem_ko": "", "stopped": False, "tokens": None}
    return {"role": role, "text": text, "first": None, "seconds": None, **empty, **more}


def request_for(model: str, system: str, talk: Iterable[Json]) -> Row:
    """The body of a request for the next answer of a talk in the playground."""
    messages = [{"role": "system", "content": system}] if system.strip() else []
    messages += [{"role": one["role"], "content": one["text"]} for one in talk if one["text"]]
    return {
        "model": model,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _row(kind: str, text: str, label: str = "", call: str = "") -> Row:
    glance = " ".join(text[: 4 * GLANCE].split())
    if len(glance) > GLANCE:
        glance = f"{glance[: GLANCE - 1]}…"
    return {
        "kind": kind,
        "text": text,
        "label": label,
        "call": call,
        "glance": glance if call else "",
        "failed": False,
    }


def _image(body: Json) -> Row:
    if body["media_type"] in IMAGES:
        return _row("image", f"data:{body['media_type']};base64,{body['data']}")
    return _row("data", "", body["media_type"])


def _laid_out(text: str) -> str:
    """JSON with a line for each of its values, its numbers untouched; other text as it is."""
    if len(text) > LARGEST_JSON or not text.lstrip().startswith(("{", "[")):
        return text
    try:
        return msgspec.json.format(text, indent=2)
    except msgspec.DecodeError:
        return text
