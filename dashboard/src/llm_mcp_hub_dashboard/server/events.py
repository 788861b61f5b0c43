"""Server-sent events of a streamed answer. Pure, but for `until`."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

T = TypeVar("T")
DONE = "[DONE]"


class Piece(Struct, frozen=True):
    """What one event adds to an answer.

    Attributes:
        text: Of the answer.
        reasoning: Of what the model thought before.
        error: Why the answer ends here; empty if it does not.
        usage: Tokens, in the last event.
    """

    text: str = ""
    reasoning: str = ""
    error: str = ""
    usage: dict[str, Any] | None = None


def piece(line: str) -> Piece | None:
    """What a line of the stream says; None if it says nothing, or is the end."""
    field, _, data = line.partition(":")
    data = data.strip()
    if field != "data" or not data or data == DONE:
        return None
    body = msgspec.json.decode(data)
    if "error" in body:
        return Piece(error=body["error"]["message"])
    choices = body.get("choices") or [{}]
    delta = choices[0].get("delta") or {}
    return Piece(
        delta.get("content") or "", delta.get("reasoning_content") or "", "", body.get("usage")
    )


async def until(stop: asyncio.Event, source: AsyncIterable[T]) -> AsyncIterator[T]:
    """The items of a source, ending at once when `stop` is set."""
    iterator = aiter(source)
    stopped = asyncio.ensure_future(stop.wait())
    coming: asyncio.Future[T] | None = None
    try:
        while True:
            coming = asyncio.ensure_future(anext(iterator))
            await asyncio.wait({coming, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                return
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        stopped.cancel()
        if coming is not None and not coming.done():
            coming.cancel()
            await asyncio.wait({coming})
