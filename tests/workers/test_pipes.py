"""A tail holds the last bytes; a pipe is read as far as it is filled now."""

import os

from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.workers.pipes import Tail, read_present, read_some


@given(st.lists(st.binary(max_size=9)), st.integers(1, 8))
def test_a_tail_holds_the_last_bytes_and_little_more(pieces: list[bytes], size: int) -> None:
    tail = Tail(size)
    for piece in pieces:
        tail.add(piece)
        assert sum(map(len, tail._pieces)) < 2 * size
    assert tail.text == b"".join(pieces)[-size:].decode("utf-8", "replace").strip()


def test_only_what_is_in_the_pipe_now_is_read() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    try:
        assert read_present(reader) == b""
        assert read_some(reader) is None
        os.write(writer, b"x" * 5000)
        assert read_present(reader) == b"x" * 5000
        os.close(writer)
        assert read_some(reader) == b""
        assert read_present(reader) == b""
    finally:
        os.close(reader)
