"""Limits: let in, given back once, kept alive, and nothing for those who have none."""

import asyncio

import pytest

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.limits import LIMIT_NAMES, TokenLimits
from llm_mcp_hub.errors import QuotaExhausted, RateLimited, StateUnavailable, TooManyTurns
from llm_mcp_hub.services import limits as limits_module
from llm_mcp_hub.services.limits import LimitKeeper
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

USED = Usage(30, 0, 12, 0)


class Store(MemoryStore):
    def __init__(self):
        super().__init__()
        self.away = False
        self.calls = []

    async def enter_turn(self, turn, limits, until):
        self.calls.append("enter")
        return await super().enter_turn(turn, limits, until)

    async def leave_turn(self, turn, tokens, spent, now):
        self.calls.append("leave")
        if self.away:
            raise StateUnavailable("Away.")
        await super().leave_turn(turn, tokens, spent, now)

    async def renew_turns(self, turns, until, now):
        self.calls.append("renew")
        await super().renew_turns(turns, until, now)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
async def keeper(store, monkeypatch):
    monkeypatch.setattr(limits_module, "RETRY_SECONDS", 0.01)
    keeper = LimitKeeper(store)
    yield keeper
    await keeper.aclose()


def ann(**limits):
    return Principal("ann", frozenset({Scope.CHAT}), limits=TokenLimits(**limits))


async def test_whoever_has_no_limits_costs_the_store_nothing(store, keeper):
    assert await keeper.enter(Principal("free", frozenset({Scope.CHAT})), "t1") is None
    assert store.calls == []


@pytest.mark.parametrize(
    ("limit", "error", "waits"),
    [
        ("requests_per_minute", RateLimited, (59, 60)),
        ("requests_per_day", QuotaExhausted, (0, 86_400)),
        ("concurrent_turns", TooManyTurns, None),
    ],
)
async def test_one_too_many_is_told_which_limit_and_how_long(keeper, limit, error, waits):
    who = ann(**{limit: 2})
    for number in range(2):
        await keeper.enter(who, f"t{number}")
    with pytest.raises(error, match=r"\b2 requests") as refused:
        await keeper.enter(who, "t2")
    if waits is None:
        assert refused.value.retry_after is None
    else:
        assert waits[0] < refused.value.retry_after <= waits[1]


async def test_the_turn_that_reaches_the_tokens_of_the_day_is_the_last(keeper):
    who = ann(tokens_per_day=84)
    for number in range(2):
        admission = await keeper.enter(who, f"t{number}")
        await admission.leave(USED)
    with pytest.raises(QuotaExhausted, match="84 tokens per day"):
        await keeper.enter(who, "t2")


async def test_a_place_is_free_as_soon_as_the_turn_has_left(keeper):
    who = ann(concurrent_turns=1)
    for number in range(20):
        admission = await keeper.enter(who, f"t{number}")
        await admission.leave(USED)


async def test_a_turn_gives_back_once(store, keeper):
    admission = await keeper.enter(ann(tokens_per_day=1000), "t1")
    await admission.leave(USED)
    await admission.leave()
    assert store.calls == ["enter", "leave"]
    assert store._used["ann"].tokens == 42


async def test_what_spent_nothing_counts_for_nothing(keeper):
    who = ann(requests_per_day=1, requests_per_minute=1)
    for number in range(5):
        admission = await keeper.enter(who, f"t{number}")
        await admission.leave(spent=False)


async def test_a_store_that_is_away_gets_it_later(store, keeper, until):
    who = ann(tokens_per_day=1000, concurrent_turns=1)
    admission = await keeper.enter(who, "t1")
    store.away = True
    async with asyncio.timeout(2):
        await admission.leave(USED)
    await until(lambda: store.calls.count("leave") > 2)
    store.away = False
    await until(lambda: not keeper._leaving)
    assert store._used["ann"].tokens == 42
    await keeper.enter(who, "t2")


async def test_many_turns_that_end_while_the_store_is_away_are_tried_as_often_as_one(
    store, keeper, monkeypatch
):
    monkeypatch.setattr(limits_module, "RETRY_SECONDS", 3600.0)
    admissions = [await keeper.enter(ann(concurrent_turns=20), f"t{n}") for n in range(20)]
    store.away = True
    for admission in admissions:
        await admission.leave(USED)
    timers = [one for one in asyncio.get_running_loop()._scheduled if one._callback]
    waiting = [one for one in timers if getattr(one._callback, "__self__", None) is keeper]
    assert [one for one in waiting if not one.cancelled()] == [keeper._renewal, keeper._retry]


async def test_a_defect_with_one_turn_does_not_hold_up_the_others(store, keeper):
    real = store.leave_turn

    async def defective(turn, *call):
        if turn.turn_id == "t0":
            raise ValueError("odd")
        await real(turn, *call)

    admissions = [await keeper.enter(ann(concurrent_turns=3), f"t{n}") for n in range(3)]
    store.leave_turn = defective
    await asyncio.gather(*(admission.leave(USED) for admission in admissions))
    assert not keeper._leaving
    assert set(store._used["ann"].running) == {"t0"}


async def test_turns_that_could_not_be_let_in_take_no_room_from_those_that_were(
    store, keeper, monkeypatch, until
):
    monkeypatch.setattr(limits_module, "MAX_UNCERTAIN", 3)
    admission = await keeper.enter(ann(concurrent_turns=1), "t")
    store.away = True
    real = store.enter_turn

    async def away(*_):
        raise StateUnavailable("Away.")

    store.enter_turn = away
    for number in range(10):
        with pytest.raises(StateUnavailable):
            await keeper.enter(ann(concurrent_turns=1), f"t{number}")
    assert len(keeper._leaving) == 3
    await admission.leave(USED)
    store.away = False
    store.enter_turn = real
    await until(lambda: not keeper._leaving)
    assert store._used["ann"].tokens == 42


async def test_the_end_of_a_turn_does_not_wait_long_for_a_store_that_hangs(
    store, keeper, monkeypatch
):
    monkeypatch.setattr(limits_module, "LEAVE_SECONDS", 0.01)
    monkeypatch.setattr(limits_module, "CLOSE_SECONDS", 0.01)
    admission = await keeper.enter(ann(concurrent_turns=1), "t1")
    store.leave_turn = lambda *_: asyncio.Event().wait()
    async with asyncio.timeout(2):
        await admission.leave(USED)
        await keeper.aclose()


async def test_running_turns_are_kept_alive_until_they_leave(store, keeper, monkeypatch, until):
    monkeypatch.setattr(limits_module, "RENEW_SECONDS", 0.01)
    admission = await keeper.enter(ann(concurrent_turns=1), "t1")
    first = store._used["ann"].running["t1"]
    await until(lambda: store._used["ann"].running["t1"] > first)
    await admission.leave(USED)
    await until(lambda: keeper._renewal is None)


async def test_a_caller_that_leaves_while_it_is_let_in_takes_no_place(store, keeper, until):
    entered, real = asyncio.Event(), store.enter_turn

    async def slow(*call):
        use = await real(*call)
        entered.set()
        await asyncio.Event().wait()
        return use

    store.enter_turn = slow
    entering = asyncio.create_task(keeper.enter(ann(concurrent_turns=1), "t1"))
    await entered.wait()
    entering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await entering
    store.enter_turn = real
    await until(lambda: not keeper._leaving)
    await keeper.enter(ann(concurrent_turns=1, requests_per_day=1), "t2")


async def test_what_runs_at_the_end_is_given_back(store):
    keeper = LimitKeeper(store)
    for number in range(3):
        await keeper.enter(ann(concurrent_turns=3), f"t{number}")
    await keeper.aclose()
    assert store._used["ann"].running == {}


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_every_limit_has_an_error_of_its_own(name):
    use = limits_module.LimitUse(name, 5.0, 1, 1.0, 1, 1, 1)
    error = limits_module.refusal(TokenLimits(**{name: 7}), use)
    assert "7" in error.message
