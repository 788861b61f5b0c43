"""Counts add up, figures follow from them, and buckets leave no hour out."""

import itertools
import math
import statistics
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from llm_mcp_hub.domain.calendar import BucketSize, buckets
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.domain.usage import BOUNDARIES, add, count_turn, figures

SEOUL = timezone(timedelta(hours=9))
HOUR = 3600


def turn(outcome=Outcome.DONE, code=None, usage=None, seconds=1.0, first=0.5):
    usage = usage if usage is not None else Usage()
    return TurnRecord("t", "ann", None, "p", "m", outcome, code, usage, seconds, first)


tokens = st.integers(0, 10**9)
turns = st.builds(
    turn,
    st.sampled_from(Outcome),
    st.sampled_from(["queue_full", "worker_died"]),
    st.builds(Usage, tokens, tokens, tokens, tokens),
    st.floats(0, 4000),
    st.one_of(st.none(), st.floats(0, 4000)),
)


def counted(some):
    counts = {}
    for one in some:
        count_turn(counts, one)
    return counts


@given(st.lists(st.lists(turns, max_size=8), max_size=5), st.randoms())
def test_the_sum_of_the_parts_is_the_whole_in_any_order(parts, random):
    whole = [one for part in parts for one in part]
    random.shuffle(whole)
    total = {}
    for part in parts:
        add(total, counted(part))
    assert total == counted(whole)
    assert figures(total) == figures(counted(whole))


@given(st.lists(turns, max_size=20))
def test_figures_say_what_happened(some):
    found = figures(counted(some))
    done = [one for one in some if one.outcome is Outcome.DONE]
    assert found.requests == len(some) == found.answered + found.failed + found.cancelled
    assert found.answered == len(done)
    assert sum(found.errors.values()) == found.failed
    assert found.output_tokens == sum(one.usage.output_tokens for one in some)
    if not done:
        assert found.mean_seconds is found.p95_seconds is None
        return
    times = sorted(one.seconds for one in done)
    assert found.mean_seconds == pytest.approx(statistics.fmean(times), abs=2e-6)
    true = times[math.ceil(0.95 * len(times)) - 1]
    # Both are in one class: a fifth of the value, or the lowest class.
    assert true / 1.2 - 0.001 <= found.p95_seconds <= true * 1.2 + 0.001


def test_classes_grow_by_a_fifth_and_reach_beyond_an_hour():
    ratios = [upper / lower for lower, upper in itertools.pairwise(BOUNDARIES)]
    assert max(ratios) < 1.2
    assert BOUNDARIES[0] == 0.001
    assert BOUNDARIES[-1] > 3600


def test_what_is_above_all_classes_is_counted():
    assert figures(counted([turn(seconds=1e6)])).p95_seconds == BOUNDARIES[-1]


zones = st.one_of(
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    st.sampled_from(["Asia/Seoul", "Europe/Berlin", "Asia/Kathmandu", "America/New_York"]).map(
        ZoneInfo
    ),
)
times = st.integers(10**8, 2**32)


@given(st.sampled_from(BucketSize), times, st.integers(0, 100 * 86_400), zones)
def test_buckets_cover_every_hour_without_gap_and_begin_with_local_midnight(
    size, since, length, zone
):
    found = buckets(size, since, since + length, zone, 10_000)
    edges = found.edges
    assert edges[0] <= since
    assert edges[-1] >= since + length
    assert len(edges) < 3 or edges[1] > since
    assert list(edges) == sorted(set(edges))
    assert all(edge % HOUR == 0 for edge in edges)
    assert [found.index(edge) for edge in edges[:-1]] == list(range(len(found)))
    for edge in edges:
        local = datetime.fromtimestamp(edge, zone)
        if size is not BucketSize.HOUR:
            assert local.hour == 0
            assert local.minute < 60
        if size is BucketSize.WEEK:
            assert local.weekday() == 0
        if size is BucketSize.MONTH:
            assert local.day == 1


def at(text):
    return datetime.fromisoformat(text).timestamp()


def test_a_day_in_seoul_is_not_a_day_of_utc():
    found = buckets(
        BucketSize.DAY, at("2026-11-26T23:30+09:00"), at("2026-11-27T00:30+09:00"), SEOUL, 9
    )
    assert found.edges == (
        at("2026-11-26T00:00+09:00"),
        at("2026-11-27T00:00+09:00"),
        at("2026-11-28T00:00+09:00"),
    )


def test_where_the_clock_changes_a_day_has_another_length():
    berlin = ZoneInfo("Europe/Berlin")
    found = buckets(
        BucketSize.DAY, at("2026-10-25T03:00+01:00"), at("2026-10-25T04:00+01:00"), berlin, 9
    )
    assert found.edges[1] - found.edges[0] == 25 * HOUR


def test_half_hours_belong_to_the_day_before():
    india = timezone(timedelta(hours=5, minutes=30))
    midnight = at("2026-11-26T00:00+05:30")
    found = buckets(BucketSize.DAY, midnight, midnight, india, 9)
    assert found.edges[1] == midnight + 1800


def test_too_many_buckets_are_refused():
    assert len(buckets(BucketSize.HOUR, 0, 9 * HOUR, UTC, 9)) == 9
    with pytest.raises(ValueError, match="too many"):
        buckets(BucketSize.HOUR, 0, 9 * HOUR + 1, UTC, 9)
