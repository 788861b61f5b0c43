"""Calls on usage and limits for made-up histories: two hubs, two principals, hours and days."""

import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import hypothesis.strategies as st
from msgspec import Struct

from llm_mcp_hub.domain.limits import LimitedTurn, TokenLimits
from llm_mcp_hub.domain.usage import HOUR, MINUTE, UsageBatch, UsageRow, UsageSlot
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_model import StoreModel

FOREVER = 1e12
TURNS_AGO = 12
"""A turn that leaves is one of the latest."""

Calls = tuple[Awaitable[Any], Callable[[], Any]]

_numbers = itertools.count()


class AddUsage(Struct, frozen=True):
    """Of this hour and the next, perhaps a batch that has come before."""

    writer: str
    number_off: int
    rows: tuple[tuple[int, int, str, str, dict[str, int]], ...]

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        written = model.batches.get(self.writer, [])
        number = max(1, (written[-1].number if written else 0) + self.number_off)
        rows: dict[UsageSlot, UsageRow] = {}
        for span, off, principal, name, counts in self.rows:
            slot = UsageSlot(span, (int(now) // span + off) * span, "p", name, principal)
            rows[slot] = UsageRow(slot, counts, FOREVER)
        batch = UsageBatch(self.writer, number, tuple(rows.values()))
        return store.add_usage(batch, now), lambda: model.add_usage(batch)


class ReadUsage(Struct, frozen=True):
    """Of a while around now."""

    span: int
    before: int
    after: int
    principal: str | None

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        start = int(now) // self.span
        call = (
            self.span,
            (start - self.before) * self.span,
            (start + self.after) * self.span,
            self.principal,
        )

        async def read() -> list[tuple[object, ...]]:
            rows = await store.read_usage(*call)
            return sorted((row.slot, sorted(row.counts.items())) for row in rows)

        return read(), lambda: model.read_usage(*call)


class EnterTurn(Struct, frozen=True):
    """With some limits."""

    principal: str
    limits: TokenLimits
    alive: float

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        turn = LimitedTurn(self.principal, f"t{next(_numbers):09}", now)
        call = (turn, self.limits, now + self.alive)
        return store.enter_turn(*call), lambda: model.enter_turn(*call)


class LeaveTurn(Struct, frozen=True):
    """One of the latest, perhaps for a second time."""

    ago: int
    tokens: int
    spent: bool

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        call = (_turn(model, self.ago), self.tokens, self.spent, now)
        return store.leave_turn(*call), lambda: model.leave_turn(*call)


class RenewTurns(Struct, frozen=True):
    """Some of the latest."""

    ago: tuple[int, ...]
    alive: float

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        turns = tuple({_turn(model, ago) for ago in self.ago})
        until = now + self.alive
        return store.renew_turns(turns, until, now), lambda: model.renew_turns(turns, until)


def _turn(model: StoreModel, ago: int) -> LimitedTurn:
    latest = list(model.entered.items())[-1 - ago :]
    if not latest:
        return LimitedTurn("ann", "unknown", 0.0)
    (principal, turn_id), (at, _) = latest[0]
    return LimitedTurn(principal, turn_id, at)


CountStep = AddUsage | ReadUsage | EnterTurn | LeaveTurn | RenewTurns

_principals = st.sampled_from(["ann", "bob"])
_spans = st.sampled_from([MINUTE, HOUR, HOUR])
_counts = st.dictionaries(
    st.sampled_from(["answered", "input", "time:3", "error:x"]),
    st.integers(1, 2**40),
    min_size=1,
    max_size=3,
)
_limit = st.sampled_from([None, None, 0, 1, 2, 3, 5])
_limits = st.builds(TokenLimits, _limit, _limit, st.sampled_from([None, None, 1, 10, 20]), _limit)
_alive = st.sampled_from([5.0, 60.0, 600.0])
_ago = st.integers(0, TURNS_AGO)

count_steps: Mapping[str, tuple[int, st.SearchStrategy[CountStep]]] = {
    "add usage": (
        4,
        st.builds(
            AddUsage,
            st.sampled_from(["one", "two"]),
            st.sampled_from([1, 1, 1, 2, 0, -1]),
            st.lists(
                st.tuples(_spans, st.integers(0, 1), _principals, st.text(max_size=2), _counts),
                max_size=3,
            ).map(tuple),
        ),
    ),
    "read usage": (
        2,
        st.builds(
            ReadUsage,
            _spans,
            st.integers(0, 50),
            st.integers(0, 2),
            st.sampled_from([None, "ann", "bob"]),
        ),
    ),
    "enter": (6, st.builds(EnterTurn, _principals, _limits, _alive)),
    "leave": (4, st.builds(LeaveTurn, _ago, st.integers(0, 9), st.booleans())),
    "renew turns": (1, st.builds(RenewTurns, st.lists(_ago, max_size=3).map(tuple), _alive)),
}
"""Each with its weight among all of them."""
