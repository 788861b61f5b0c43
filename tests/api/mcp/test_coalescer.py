"""The coalescer: text is never lost and never doubled, however it comes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.mcp.coalescer import Coalescer

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.text(max_size=5)),
        st.tuples(st.just("pass"), st.floats(0, 1)),
        st.tuples(st.just("look"), st.just(0)),
    ),
    max_size=60,
)


@given(steps=STEPS, interval=st.floats(0, 0.5), silence=st.floats(0.5, 5))
def test_what_is_taken_is_what_was_added_in_order_and_not_too_often(steps, interval, silence):
    now = 100.0
    pieces = Coalescer(interval, silence, now)
    added, taken, times = "", [], []
    for kind, value in steps:
        if kind == "add":
            first = pieces.add(value)
            assert first == (bool(value) and added == "".join(taken))
            added += value
        elif kind == "pass":
            now += value
        elif pieces.due <= now:
            taken.append(pieces.take(now))
            times.append((now, taken[-1]))
        assert pieces.empty == (added == "".join(taken))
    taken.append(pieces.take(now))
    assert "".join(taken) == added
    for (before, earlier), (after, later) in itertools.pairwise(times):
        if later:
            assert after - before >= interval - 1e-9 or not earlier
        else:
            assert after - before >= silence - 1e-9


@given(times=st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_whoever_takes_what_is_due_is_never_silent_for_long(times):
    pieces = Coalescer(0.05, 10, 0)
    latest = 0.0
    for now in sorted(times):
        while pieces.due <= now:
            assert pieces.due == pytest.approx(latest + 10)
            latest = pieces.due
            assert pieces.take(latest) == ""
        assert now - latest < 10


def test_the_beginning_of_an_answer_is_due_at_once():
    pieces = Coalescer(0.05, 10, 0)
    assert pieces.due == 10
    pieces.add("a")
    assert pieces.due < 0
    pieces.take(1)
    pieces.add("b")
    assert pieces.due == pytest.approx(1.05)
