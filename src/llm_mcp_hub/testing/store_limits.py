"""Promises about limits: no more is let in than they say, for all hubs together."""

import asyncio

from llm_mcp_hub.domain.limits import (
    DAY_SECONDS,
    MINUTE_SECONDS,
    LimitedTurn,
    LimitUse,
    TokenLimits,
    day_left,
)
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_promise import START, Promises, equal

ALIVE_SECONDS = 30.0
AT_ONCE = 10
MIDNIGHT = START + day_left(START)

promise = Promises()


def turn(name: str, at: float = START, principal: str = "ann") -> LimitedTurn:
    """A turn of ann's."""
    return LimitedTurn(principal, name, at)


async def enter(
    store: Store,
    name: str,
    limits: TokenLimits,
    at: float = START,
    *,
    principal: str = "ann",
    until: float | None = None,
) -> LimitUse:
    """Ask for a turn to be let in."""
    ends = at + ALIVE_SECONDS if until is None else until
    return await store.enter_turn(turn(name, at, principal), limits, ends)


async def let_in(store: Store, name: str, limits: TokenLimits, at: float = START) -> LimitUse:
    """A turn that must be let in."""
    use = await enter(store, name, limits, at)
    equal(use.exceeded, None, f"why {name} is not let in")
    return use


async def kept_out(
    store: Store, name: str, limits: TokenLimits, why: str, retry_after: float | None, at: float
) -> None:
    """A turn that must not be let in, and what it is told."""
    use = await enter(store, name, limits, at)
    equal(use.exceeded, why, f"why {name} is not let in")
    close = None if use.retry_after is None else round(use.retry_after, 3)
    expected = None if retry_after is None else round(retry_after, 3)
    equal(close, expected, f"when {name} may come again")


@promise("no more requests are let in within any minute than may be, and the next as soon as told")
async def _minute(store: Store) -> None:
    limits = TokenLimits(requests_per_minute=3)
    for number, at in enumerate((0.0, 10.0, 50.0)):
        use = await let_in(store, f"t{number}", limits, START + at)
        equal(use.requests_in_minute, number + 1, "requests in the minute")
    why = "requests_per_minute"
    await kept_out(store, "t3", limits, why, 1.0, START + 59)
    await let_in(store, "t4", limits, START + MINUTE_SECONDS)
    await kept_out(store, "t5", limits, why, 9.0, START + 61)
    fewer = TokenLimits(requests_per_minute=2)
    await kept_out(store, "t6", fewer, why, 49.0, START + 61)


@promise("requests and tokens are counted for the day of UTC, and begin anew with the next")
async def _day(store: Store) -> None:
    limits = TokenLimits(requests_per_day=2, tokens_per_day=100)
    await let_in(store, "t1", limits)
    await store.leave_turn(turn("t1"), 99, True, START)
    use = await let_in(store, "t2", limits, START + 1)
    equal((use.requests_today, use.tokens_today), (2, 99), "requests and tokens of the day")
    left = day_left(START + 2)
    await kept_out(store, "t3", limits, "requests_per_day", left, START + 2)
    await store.leave_turn(turn("t2", START + 1), 1, True, START + 2)
    await kept_out(store, "t3", limits, "tokens_per_day", left, START + 2)
    use = await let_in(store, "t4", limits, MIDNIGHT)
    equal((use.requests_today, use.tokens_today), (1, 0), "those of the next day")


@promise("tokens count for the day in which their turn ends")
async def _midnight(store: Store) -> None:
    limits = TokenLimits(tokens_per_day=10)
    await let_in(store, "late", limits, MIDNIGHT - 5)
    await store.leave_turn(turn("late", MIDNIGHT - 5), 10, True, MIDNIGHT + 5)
    left = DAY_SECONDS - 6.0
    await kept_out(store, "t", limits, "tokens_per_day", left, MIDNIGHT + 6)


@promise("no more turns run at once than may, and one that leaves makes room at once")
async def _running(store: Store) -> None:
    limits = TokenLimits(concurrent_turns=2)
    await let_in(store, "t1", limits)
    use = await let_in(store, "t2", limits)
    equal(use.running, 2, "running turns")
    await kept_out(store, "t3", limits, "concurrent_turns", None, START + 1)
    await store.leave_turn(turn("t1"), 0, True, START + 1)
    await let_in(store, "t3", limits, START + 1)


@promise("a turn whose hub has died counts as running until its time has passed")
async def _dead(store: Store) -> None:
    limits = TokenLimits(concurrent_turns=1)
    await let_in(store, "t1", limits)
    await store.renew_turns([turn("t1"), turn("unknown")], START + 50, START + 20)
    await store.renew_turns([turn("t1")], START + 40, START + 21)
    await kept_out(store, "t2", limits, "concurrent_turns", None, START + 49.5)
    await let_in(store, "t2", limits, START + 50)


@promise("a turn leaves once, also long after its time has passed")
async def _once(store: Store) -> None:
    limits = TokenLimits(tokens_per_day=100, concurrent_turns=9)
    await let_in(store, "t1", limits)
    await let_in(store, "meanwhile", limits, START + 599)
    for _ in range(2):
        await store.leave_turn(turn("t1"), 10, True, START + 600)
        await store.leave_turn(turn("unknown"), 10, True, START + 600)
    await store.renew_turns([turn("t1")], START + 9999, START + 601)
    use = await let_in(store, "t2", limits, START + 602)
    equal((use.tokens_today, use.running), (10, 2), "tokens and running turns")


@promise("a turn that spent nothing counts for nothing")
async def _unspent(store: Store) -> None:
    limits = TokenLimits(requests_per_minute=1, requests_per_day=1, concurrent_turns=1)
    for number in range(3):
        await let_in(store, f"t{number}", limits, START + number)
        await store.leave_turn(turn(f"t{number}", START + number), 0, False, START + number)
    late = MIDNIGHT - 1
    await let_in(store, "late", limits, late)
    await let_in(store, "next", TokenLimits(requests_per_day=2), MIDNIGHT)
    await store.leave_turn(turn("late", late), 0, False, MIDNIGHT + 1)
    use = await let_in(store, "after", TokenLimits(requests_per_day=2), MIDNIGHT + 1)
    equal(use.requests_today, 2, "requests of the day after one of the day before left")


@promise("a turn that is not let in counts for nothing")
async def _kept_out(store: Store) -> None:
    limits = TokenLimits(requests_per_minute=1, concurrent_turns=1)
    await let_in(store, "t0", limits)
    for number in range(1, 4):
        await enter(store, f"t{number}", limits, START + number)
    use = await let_in(store, "later", TokenLimits(requests_per_day=9), START + 9)
    equal((use.requests_in_minute, use.requests_today, use.running), (2, 2, 2), "what counts")


@promise("of many that come at once, exactly as many are let in as may be")
async def _together(store: Store) -> None:
    limits = (
        TokenLimits(requests_per_minute=3),
        TokenLimits(requests_per_day=3),
        TokenLimits(concurrent_turns=3),
    )
    for principal, limit in zip("abc", limits, strict=True):
        uses = await asyncio.gather(
            *(enter(store, f"t{n}", limit, principal=principal) for n in range(AT_ONCE))
        )
        equal(sum(use.exceeded is None for use in uses), 3, f"let in by {limit}")


@promise("one principal's turns are nothing to another, and without limits all are let in")
async def _others(store: Store) -> None:
    one = TokenLimits(requests_per_minute=1, requests_per_day=1, concurrent_turns=1)
    for principal in ("ann", "bob", "a b", "é"):
        use = await enter(store, "same", one, principal=principal)
        equal(use.exceeded, None, f"why {principal} is not let in")
    await store.leave_turn(turn("same", principal="bob"), 5, True, START)
    equal((await enter(store, "t2", one)).exceeded, "requests_per_day", "ann's second")
    for number in range(5):
        await let_in(store, f"free-{number}", TokenLimits())
