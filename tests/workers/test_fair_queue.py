"""Who is served when, and who is refused when there is no room."""

from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from llm_mcp_hub.workers import fair_queue
from llm_mcp_hub.workers.fair_queue import OLDEST_EVERY, FairQueue


def queue_of(*callers: str, limit: int = 99, batch: bool = False) -> FairQueue[str]:
    """One waiter for each caller named, called `a1`, `a2` and so on."""
    queue: FairQueue[str] = FairQueue(limit)
    for index, caller in enumerate(callers):
        number = callers[: index + 1].count(caller)
        assert queue.join(f"{caller}{number}", caller, batch=batch) is None
    return queue


def drain(queue: FairQueue[str], held: dict[str, int] | None = None) -> list[str]:
    return [queue.next(held or {}) for _ in range(len(queue))]


def test_a_caller_with_many_waiters_takes_turns_with_one_who_has_few() -> None:
    assert drain(queue_of("a", "a", "a", "a", "b", "b")) == ["a1", "b1", "a2", "b2", "a3", "a4"]


def test_whoever_holds_fewer_members_now_goes_first() -> None:
    assert drain(queue_of("a", "b", "a", "b"), {"a": 1}) == ["b1", "b2", "a1", "a2"]


def test_interactive_waiters_go_before_batch_ones() -> None:
    queue = queue_of("a", "b", batch=True)
    queue.join("now", "a", batch=False)
    assert drain(queue, {"a": 5}) == ["now", "b1", "a1"]


def test_every_eighth_grant_goes_to_whoever_has_waited_longest() -> None:
    queue = queue_of("slow", batch=True)
    served = []
    for number in range(OLDEST_EVERY):
        queue.join(f"now{number}", "a", batch=False)
        served.append(queue.next({}))
    assert served[-1] == "slow1"
    assert served[:-1] == [f"now{number}" for number in range(OLDEST_EVERY - 1)]


def test_a_full_queue_drops_the_newest_of_the_caller_that_hogs_it() -> None:
    queue = queue_of("a", "a", "b", "a", limit=4)
    assert queue.join("c1", "c", batch=False) == "a3"
    assert queue.join("c2", "c", batch=False) == "c2"
    assert queue.join("a4", "a", batch=False) == "a4"
    assert len(queue) == 4


def test_of_a_caller_that_hogs_the_queue_a_batch_waiter_is_dropped_first() -> None:
    queue = queue_of("a", limit=3, batch=True)
    queue.join("a2", "a", batch=False)
    queue.join("a3", "a", batch=False)
    assert queue.join("b1", "b", batch=True) == "a1"


def test_what_a_person_waits_for_takes_the_place_of_batch_work() -> None:
    queue = queue_of("a", "a", "b", limit=3, batch=True)
    assert queue.join("b2", "b", batch=False) == "a2"
    assert queue.join("b3", "b", batch=False) == "b1"
    assert queue.join("b4", "b", batch=False) == "b4"
    assert queue.join("a3", "a", batch=True) == "a3"


def test_a_queue_without_room_refuses_everybody() -> None:
    queue = queue_of(limit=0)
    assert queue.join("a1", "a", batch=False) == "a1"
    assert len(queue) == 0


def test_callers_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "CALLERS_REMEMBERED", 2)
    queue: FairQueue[str] = FairQueue(1)
    for caller in "abc":
        queue.join(caller, caller, batch=False)
        queue.next({})
    assert list(queue._served) == ["b", "c"]


class Entry(NamedTuple):
    waiter: int
    caller: str
    batch: bool
    joined_at: int
    ahead: int


class FairQueueMachine(RuleBasedStateMachine):
    """A plain list beside the queue, and the promises judged on it."""

    @initialize(limit=st.integers(0, 6))
    def make(self, limit: int) -> None:
        self.limit = limit
        self.queue: FairQueue[int] = FairQueue(limit)
        self.waiting: list[Entry] = []
        self.joined = 0
        self.grants = 0
        self.served_at: dict[str, int] = {}

    def of(self, caller: str) -> int:
        return sum(entry.caller == caller for entry in self.waiting)

    @rule(caller=st.sampled_from("abc"), batch=st.booleans())
    def join(self, caller: str, batch: bool) -> None:
        self.joined += 1
        own = self.of(caller)
        most = max((self.of(other) for other in "abc"), default=0)
        refused = self.queue.join(self.joined, caller, batch=batch)
        entry = Entry(self.joined, caller, batch, self.grants, len(self.waiting))
        if refused is None:
            assert len(self.waiting) < self.limit
            self.waiting.append(entry)
            return
        assert len(self.waiting) == self.limit
        if refused == self.joined:
            assert most < own + 2, "somebody hogs the queue and keeps it"
            assert batch or not any(
                e.batch and (e.caller == caller or self.of(e.caller) > own) for e in self.waiting
            )
            return
        (dropped,) = [e for e in self.waiting if e.waiter == refused]
        same = [e for e in self.waiting if e.caller == dropped.caller]
        if most >= own + 2:
            assert len(same) == most
            assert dropped.batch or not any(e.batch for e in same)
        else:
            assert dropped.batch
            assert not batch
            assert dropped.caller == caller or len(same) > own
        assert dropped == [e for e in same if e.batch is dropped.batch][-1]
        self.waiting.remove(dropped)
        self.waiting.append(entry)

    @precondition(lambda self: self.waiting)
    @rule(held=st.dictionaries(st.sampled_from("abc"), st.integers(0, 2)))
    def grant(self, held: dict[str, int]) -> None:
        granted = self.queue.next(held)
        self.grants += 1
        (entry,) = [e for e in self.waiting if e.waiter == granted]
        lane = [e for e in self.waiting if e.batch is entry.batch]
        assert entry == next(e for e in lane if e.caller == entry.caller)
        if self.grants % OLDEST_EVERY == 0:
            assert entry == self.waiting[0]
        else:
            assert not entry.batch or all(e.batch for e in self.waiting)

            def rank(caller: str) -> tuple[int, int]:
                return held.get(caller, 0), self.served_at.get(caller, 0)

            assert rank(entry.caller) == min(rank(e.caller) for e in lane)
        self.served_at[entry.caller] = self.grants
        self.waiting.remove(entry)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(entry)
        self.queue.leave(entry.waiter)
        self.queue.leave(entry.waiter)

    @precondition(lambda self: self.waiting)
    @rule(newest=st.booleans())
    def take_out(self, newest: bool) -> None:
        entry = self.waiting.pop(-1 if newest else 0)
        taken = self.queue.newest() if newest else self.queue.oldest()
        assert taken == entry.waiter

    @invariant()
    def it_knows_who_waits(self) -> None:
        if hasattr(self, "queue"):
            assert len(self.queue) == len(self.waiting) <= self.limit
            assert self.queue.batch == sum(entry.batch for entry in self.waiting)

    @invariant()
    def nobody_starves(self) -> None:
        for entry in getattr(self, "waiting", ()):
            assert self.grants - entry.joined_at < OLDEST_EVERY * (entry.ahead + 1)


TestFairQueue: Any = FairQueueMachine.TestCase
TestFairQueue.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
