"""Recognising a conversation by what was said in it.

A digest stands for a transcript: two message lists have the same digest exactly when they say
the same, where outer white space of a text, the split of a text into parts, the place of a tool
call among the other parts, and the wording of its arguments do not count (clients change those
when they send a history back). System prompts do not count either: many clients put the time of
day into theirs.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from hashlib import blake2b
from itertools import groupby

from msgspec import Struct

from llm_mcp_hub.domain.chat import (
    FilePart,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

EMPTY = ""
"""The digest of a transcript without messages."""


def extend(digest: str, message: Message) -> str:
    """The digest of a transcript after one more message."""
    parts = message.parts
    if len(parts) == 1 and isinstance(parts[0], TextPart):  # nearly every message
        text = parts[0].text.strip()
        fields = _role(message.role) + (_field("text", text) if text else b"")
    else:
        fields = _role(message.role) + b"".join(_fields(parts))
    return blake2b(digest.encode() + fields, digest_size=16).hexdigest()


def _field(kind: str, value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"%s %d %s" % (kind.encode(), len(data), data)


@cache
def _role(role: Role) -> bytes:
    return _field("role", role)


def _fields(parts: Sequence[Part]) -> Iterator[bytes]:
    calls = [part for part in parts if isinstance(part, ToolCallPart)]
    others = [part for part in parts if not isinstance(part, ToolCallPart)]
    for is_text, run in groupby(others, lambda part: isinstance(part, TextPart)):
        if is_text:
            text = "".join(part.text for part in run if isinstance(part, TextPart)).strip()
            if text:
                yield _field("text", text)
            continue
        for part in run:
            if isinstance(part, ImagePart):
                yield _field("image", part.media_type)
                yield _field("data", part.data)
            elif isinstance(part, FilePart):
                yield _field("file", part.media_type)
                yield _field("data", part.data)
            elif isinstance(part, ToolResultPart):
                yield _field("result", part.call_id)
                yield _field("value", part.text.strip())
                yield from _fields(part.images)
    for call in calls:
        yield _field("call", call.id)
        yield _field("name", call.name)


def digests(messages: Sequence[Message]) -> list[str]:
    """For each message, the digest of the transcript that ends with it."""
    result: list[str] = []
    digest = EMPTY
    for message in messages:
        digest = extend(digest, message)
        result.append(digest)
    return result


def history_length(messages: Sequence[Message]) -> int:
    """How many messages are history: all up to and including the last one of the assistant's."""
    for index in range(len(messages) - 1, -1, -1):
        if messages[index].role == "assistant":
            return index + 1
    return 0


class Continuation(Struct, frozen=True):
    """How a request goes on from what is stored: keep so many stored messages, add these."""

    keep: int
    first_new: int


def reconcile(
    stored: Sequence[str], stored_messages: Sequence[Message], request: Sequence[Message]
) -> Continuation:
    """Decide what a request that names a session adds to it.

    Args:
        stored: Digests of the stored messages.
        stored_messages: The stored messages themselves.
        request: The messages of the request.

    Returns:
        A request without assistant messages holds new messages only. Otherwise its history is
        looked up: at the end or inside of what is stored (the caller went back to an earlier
        point: what followed is dropped), or as the tail of what is stored (the caller trims).
        A history found nowhere replaces what is stored: the model sees what the caller sent.
    """
    split = history_length(request)
    if split == 0:
        return Continuation(len(stored), 0)
    return _looked_up(stored, stored_messages, request[:split]) or Continuation(0, 0)


def belongs(
    stored: Sequence[str], stored_messages: Sequence[Message], request: Sequence[Message]
) -> Continuation | None:
    """Decide what a request adds to a session, from a client that always sends the whole history.

    Args:
        stored: As for `reconcile`.
        stored_messages: As for `reconcile`.
        request: As for `reconcile`.

    Returns:
        As `reconcile` does for a history that is found. One that begins with all that is stored
        was gone on with elsewhere. A request without a history that is the beginning of what is
        stored begins it anew. None: it is another conversation.
    """
    if not stored:
        return Continuation(0, 0)
    split = history_length(request)
    if not split:
        count = len(request)
        again = count <= len(stored) and digests(request)[-1] == stored[count - 1]
        return Continuation(0, 0) if again else None
    kept = len(stored)
    if kept < split and digests(request[:kept])[-1] == stored[-1]:
        return Continuation(kept, kept)
    return _looked_up(stored, stored_messages, request[:split])


def _looked_up(
    stored: Sequence[str], stored_messages: Sequence[Message], history: Sequence[Message]
) -> Continuation | None:
    """What follows a history at the end or inside of what is stored, or as its tail."""
    split = len(history)
    digest = digests(history)[-1]
    if split <= len(stored) and stored[split - 1] == digest:
        return Continuation(split, split)
    if split < len(stored_messages) and digests(stored_messages[-split:])[-1] == digest:
        return Continuation(len(stored), split)
    return None
