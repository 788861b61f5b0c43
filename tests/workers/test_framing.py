"""Bytes become the same lines however they are split."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.workers.framing import LineFramer, LineTooLong

LIMIT = 4
streams = st.lists(st.sampled_from([b"a", b"b", b"\n", b"\r", b"\r\n", b"abcd"]), max_size=12).map(
    b"".join
)
cuts = st.lists(st.integers(0, 60), max_size=8)


def pieces(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in at), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def read(data: list[bytes], limit: int) -> tuple[list[bytes], bool]:
    """The lines, and whether one was refused."""
    framer = LineFramer(limit)
    lines: list[bytes] = []
    for piece in data:
        try:
            lines += framer.feed(piece)
        except LineTooLong as error:
            return lines + error.lines, True
    return lines, False


@given(streams, cuts)
def test_any_split_gives_the_same_lines(data: bytes, at: list[int]) -> None:
    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    lines, refused = read(pieces(data, at), limit=1000)
    assert lines == [line for line in expected if line]
    assert not refused


@given(streams, cuts)
def test_any_split_refuses_the_same_line_after_the_same_lines(data: bytes, at: list[int]) -> None:
    assert read(pieces(data, at), LIMIT) == read([data], LIMIT)


@given(streams, cuts)
def test_a_line_is_refused_exactly_when_it_is_longer_than_the_limit(
    data: bytes, at: list[int]
) -> None:
    *whole, rest = data.split(b"\n")
    too_long = [len(line.removesuffix(b"\r")) > LIMIT for line in whole]
    assert read(pieces(data, at), LIMIT)[1] == (
        any(too_long) or len(rest) > LIMIT + rest.endswith(b"\r")
    )


def test_the_line_end_does_not_count_against_the_limit() -> None:
    assert read([b"abcd\r\nabcd\n"], LIMIT) == ([b"abcd", b"abcd"], False)
    assert read([b"abcd", b"\r", b"\n"], LIMIT) == ([b"abcd"], False)
    assert read([b"abcde\n"], LIMIT) == ([], True)


def test_an_endless_line_is_refused_before_it_is_collected() -> None:
    framer = LineFramer(10)
    framer.feed(b"0123456789")
    with pytest.raises(LineTooLong):
        framer.feed(b"x")


def test_a_line_of_ten_megabytes_passes() -> None:
    line = b"x" * (10 * 1024 * 1024)
    framer = LineFramer(len(line))
    lines: list[bytes] = []
    for start in range(0, len(line), 65536):
        lines += framer.feed(line[start : start + 65536])
    assert lines == []
    assert framer.feed(b"\nnext") == [line]
    assert framer.feed(b"\n") == [b"next"]


def test_the_cost_is_linear_in_the_length_of_a_line() -> None:
    def seconds(pieces: int) -> float:
        framer = LineFramer(1 << 30)
        before = time.process_time()
        for _ in range(pieces):
            framer.feed(b"x" * 1024)
        framer.feed(b"\n")
        return time.process_time() - before

    # A quadratic framer takes two hundred times as long for sixteen times as much.
    assert min(seconds(16_000) for _ in range(3)) < 80 * max(seconds(1_000), 0.0005)
