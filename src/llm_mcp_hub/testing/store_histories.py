"""A machine that looks for a difference between a store and the model.

Hypothesis makes up histories of calls by two principals on the same few sessions and journals, with
time going by, and shortens the first one in which the two answer differently.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from msgspec import Struct

from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import (
    Listing,
    SessionAppend,
    SessionSort,
    SessionSummary,
    StoredMessage,
)
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.state.base import Lease, Store
from llm_mcp_hub.testing.store_count_steps import CountStep, count_steps
from llm_mcp_hub.testing.store_journal_steps import JournalStep, journal_steps
from llm_mcp_hub.testing.store_model import Key, StoreModel
from llm_mcp_hub.testing.store_promise import START, BrokenPromiseError, OpenStore
from llm_mcp_hub.testing.store_record_steps import RecordStep, record_steps

STEPS = 40
PAGE = 2
KEYS = (("ann", "s1"), ("ann", "s2"), ("bob", "s1"))


class _Begin(Struct, frozen=True):
    key: Key
    lease: Lease


class _BeginByDigest(Struct, frozen=True):
    principal: str
    digest: str
    lease: Lease


class _Append(Struct, frozen=True):
    """A turn relative to what is stored: most start from it, some from something else."""

    key: Key
    turn: str
    messages: tuple[StoredMessage, ...]
    ttl: float
    revision_off: int
    dropped: int
    created_at_off: float | None
    tokens: int

    def made(self, model: StoreModel, now: float) -> SessionAppend:
        """The change, given what the model has stored."""
        session = model.get(self.key, now)
        stored = session.summary if session else None
        created_at = None
        if stored is not None and self.created_at_off is not None:
            created_at = stored.created_at + self.created_at_off
        return SessionAppend(
            expected_revision=(stored.revision if stored else 0) + self.revision_off,
            keep=max(0, stored.message_count - self.dropped) if stored else 0,
            messages=self.messages,
            model=f"provider/{self.turn}",
            system=f"{self.tokens}",
            usage=Usage(self.tokens, 1, 2, 3),
            expected_created_at=created_at,
        )


class _Renew(Struct, frozen=True):
    keys: tuple[Key, ...]
    lease: Lease


class _Release(Struct, frozen=True):
    key: Key
    turn: str


class _Delete(Struct, frozen=True):
    key: Key


class _ListAll(Struct, frozen=True):
    principal: str | None
    listing: Listing


class _Holders(Struct, frozen=True):
    keys: tuple[Key, ...]


class _ReadAll(Struct, frozen=True):
    """Of all keys."""


class _Wait(Struct, frozen=True):
    seconds: float


_SessionStep = _Begin | _BeginByDigest | _Append | _Renew | _Release | _Delete
_Step = _SessionStep | _ListAll | _Holders | _ReadAll | _Wait | JournalStep | RecordStep | CountStep
_Steps = Mapping[str, tuple[int, st.SearchStrategy[_Step]]]
"""Each with its weight among all of them."""

_keys = st.sampled_from(KEYS)
_digests = st.sampled_from(["d1", "d1", "d1", "d2"])
_turns = st.sampled_from(["t1", "t2"])
_leases = st.builds(Lease, _turns, st.sampled_from([5.0, 60.0, 60.0]))
_messages = st.builds(
    lambda text, digest: StoredMessage(Message("user", (TextPart(text),)), digest, START),
    st.text(max_size=3),
    _digests,
)
_appends = st.builds(
    _Append,
    key=_keys,
    turn=_turns,
    messages=st.lists(_messages, min_size=0, max_size=2).map(tuple),
    ttl=st.sampled_from([4.0, 60.0, 3600.0, 3600.0]),
    revision_off=st.sampled_from([0, 0, 0, 0, 0, 1, -1]),
    dropped=st.integers(0, 2),
    created_at_off=st.sampled_from([None, 0.0, 0.0, -1.0]),
    tokens=st.integers(0, 9),
)
_listings = st.builds(
    Listing,
    st.sampled_from(SessionSort),
    st.booleans(),
    st.sampled_from([(), (), (), ("s1",), ("a",), ("t1", "bob")]),
)
_session_steps: _Steps = {
    "append": (6, _appends),
    "begin": (4, st.builds(_Begin, _keys, _leases)),
    "by digest": (6, st.builds(_BeginByDigest, st.sampled_from(["ann", "bob"]), _digests, _leases)),
    "wait": (3, st.builds(_Wait, st.sampled_from([1.0, 1.0, 4.0, 5.0, 5.0, 56.0, 300.0]))),
    "read": (3, st.just(_ReadAll())),
    "list": (2, st.builds(_ListAll, st.sampled_from(["ann", "bob", None]), _listings)),
    "holders": (1, st.builds(_Holders, st.lists(_keys, max_size=3).map(tuple))),
    "renew": (2, st.builds(_Renew, st.lists(_keys, min_size=1, max_size=3).map(tuple), _leases)),
    "release": (1, st.builds(_Release, _keys, _turns)),
    "delete": (1, st.builds(_Delete, _keys)),
}
_long_waits = st.builds(_Wait, st.sampled_from([0.5, 1.0, 5.0, 59.0, 60.0, 3600.0, 43_200.0]))
KINDS: Mapping[str, _Steps] = {
    "sessions": _session_steps,
    "journals": {**_session_steps, **journal_steps},
    "records": record_steps,
    "counts": {**count_steps, "wait": (4, _long_waits)},
}
"""Kinds of histories. Those of journals have sessions, too: they should not notice each other."""


def _any_of(steps: _Steps) -> st.SearchStrategy[_Step]:
    # Hypothesis would call all of them equally often, and most often there would be no session.
    names = [name for name, (weight, _) in steps.items() for _ in range(weight)]
    return st.sampled_from(names).flatmap(lambda name: steps[name][1])


def _machine(
    open_store: OpenStore, runner: asyncio.Runner, steps: _Steps
) -> type[RuleBasedStateMachine]:
    wait = runner.get_loop().run_until_complete

    class StoreMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.now = START
            self.model = StoreModel()
            self.opened = open_store()
            self.store = wait(self.opened.__aenter__())

        def teardown(self) -> None:
            wait(self.opened.__aexit__(None, None, None))

        def same(self, call: Awaitable[Any], expected: Callable[[], Any]) -> None:
            want = _outcome(expected)
            got = wait(_outcome_of(call))
            if got != want:
                raise BrokenPromiseError(f"expected {want!r}, got {got!r}")

        @rule(step=_any_of(steps))
        def do(self, step: _Step) -> None:
            store, model, now = self.store, self.model, self.now
            match step:
                case _Begin(key, lease):
                    self.same(store.begin(*key, lease, now), lambda: model.begin(key, lease, now))
                case _BeginByDigest(principal, digest, lease):
                    self.same(
                        store.begin_by_digest(principal, digest, lease, now),
                        lambda: model.begin_by_digest(principal, digest, lease, now),
                    )
                case _Append(key, turn, _, ttl):
                    change = step.made(model, now)
                    self.same(
                        store.append(*key, turn, change, ttl, now),
                        lambda: model.append(key, turn, change, ttl, now),
                    )
                case _Renew(keys, lease):
                    self.same(store.renew(keys, lease, now), lambda: model.renew(keys, lease, now))
                case _Release(key, turn):
                    self.same(store.release(*key, turn), lambda: model.release(key, turn))
                case _Delete(key):
                    self.same(store.delete(*key, now), lambda: model.delete(key, now))
                case _ListAll(name, listing):
                    self.same(
                        _all_pages(store, name, now, listing),
                        lambda: model.listing(name, now, listing),
                    )
                case _Holders(keys):
                    self.same(store.holders(keys, now), lambda: model.holders(keys, now))
                case _ReadAll():
                    for each in KEYS:
                        self.same(store.get(*each, now), partial(model.get, each, now))
                case _Wait(seconds):
                    self.now += seconds
                case _:
                    self.same(*step.calls(store, model, now))

    return StoreMachine


def compare_with_model(
    open_store: OpenStore,
    histories: int,
    *,
    kinds: Iterable[str] = KINDS,
    shorten: bool = True,
) -> None:
    """Try so many histories; the shortest that shows a difference is the failure.

    Args:
        open_store: Gives an open and empty store, and closes it.
        histories: How many of each kind.
        kinds: Which of `KINDS`.
        shorten: Whether to look for a shorter history once there is a difference, which takes
            up to a minute.

    Raises:
        BrokenPromiseError: The store and the model differ.
    """
    thorough = settings(
        max_examples=histories,
        stateful_step_count=STEPS,
        phases=[Phase.generate, *([Phase.shrink] if shorten else [])],
        # A suite that others run must fail always or never, and leave no files.
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with asyncio.Runner() as runner:
        for kind in kinds:
            machine = _machine(open_store, runner, KINDS[kind])
            run_state_machine_as_test(machine, settings=thorough)


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except HubError as error:
        return type(error)


async def _outcome_of(call: Awaitable[Any]) -> Any:
    try:
        return await call
    except HubError as error:
        return type(error)


async def _all_pages(
    store: Store, principal: str | None, now: float, listing: Listing
) -> list[SessionSummary]:
    page = await store.list_sessions(principal, PAGE, None, now, listing)
    found = [*page.sessions]
    while page.next_cursor is not None:
        page = await store.list_sessions(principal, PAGE, page.next_cursor, now, listing)
        found += page.sessions
    return found
