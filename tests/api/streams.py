"""What the tests of all dialects need to fold a stream: texts, batches and the lines of events."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


def texts(max_size: int) -> st.SearchStrategy[str]:
    """Any that can be sent."""
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=max_size)


def batches(stream: Sequence[T], cuts: Iterable[int]) -> list[Sequence[T]]:
    """The stream, cut at these places as far as it reaches; none is empty."""
    bounds = [0, *sorted({cut for cut in cuts if 0 < cut < len(stream)}), len(stream)]
    return [stream[a:b] for a, b in pairwise(bounds)]


def lines_of(data: bytes) -> list[list[str]]:
    """The lines of every event."""
    *blocks, rest = data.decode().split("\n\n")
    assert rest == ""
    return [block.split("\n") for block in blocks]
