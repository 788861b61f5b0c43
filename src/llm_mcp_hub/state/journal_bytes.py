"""Journals as bytes: how every store writes and reads them, without I/O.

The chunks of one entry are one blob, filed under the number of its last chunk. Blobs may overlap:
a store that can't look into them files a repeated chunk a second time, and `joined` passes over
it. Text that is not Unicode (a lone surrogate) is kept with U+FFFD in its place: an answer with a
blemish is worth more than an entry that no store takes.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from llm_mcp_hub.domain.chunk import Chunk
from llm_mcp_hub.domain.journal import JournalEnd, JournalHead

LONGEST = 2**53
"""More chunks than a journal can have, and as far as every store can count."""

_encoder = msgspec.msgpack.Encoder()
_decode_chunks = msgspec.msgpack.Decoder(tuple[Chunk, ...]).decode

decode_head = msgspec.msgpack.Decoder(JournalHead).decode
decode_end = msgspec.msgpack.Decoder(JournalEnd).decode


def encode(value: tuple[Chunk, ...] | JournalHead | JournalEnd) -> bytes:
    """A part of a journal as bytes; takes any text."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return _encoder.encode(_mended(msgspec.to_builtins(value, builtin_types=(bytes,))))


def joined(after: int, blobs: Iterable[tuple[int, bytes]]) -> tuple[Chunk, ...]:
    """The chunks from number `after` + 1 on.

    `blobs` are those that reach beyond it, each with the number of its last chunk, in order.
    """
    chunks: list[Chunk] = []
    for last, blob in blobs:
        more = _decode_chunks(blob)
        chunks += more[max(0, after - last + len(more)) :]
        after = last
    return tuple(chunks)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {key: _mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(item) for item in value]
    return value
