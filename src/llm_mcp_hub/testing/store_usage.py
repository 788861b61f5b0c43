"""Promises about usage: counts add up, whoever adds them, and each batch counts once."""

import asyncio
from collections.abc import Mapping

from llm_mcp_hub.domain.usage import HOUR, MINUTE, UsageBatch, UsageRow, UsageSlot
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_promise import START, Promises, equal

AT = int(START) // HOUR * HOUR
KEEP = 400 * 86_400.0
AT_ONCE = 8
LARGE = 2**50
"""More microseconds than any hub could count in an hour."""

promise = Promises()


def slot(
    start: int = AT,
    *,
    span: int = HOUR,
    provider: str = "echo",
    model: str = "echo",
    principal: str = "ann",
) -> UsageSlot:
    """Where ann's turns of the hour are counted."""
    return UsageSlot(span, start, provider, model, principal)


def batch(
    number: int,
    rows: Mapping[UsageSlot, dict[str, int]],
    *,
    writer: str = "hub",
    expires_at: float = START + KEEP,
) -> UsageBatch:
    """A batch of a hub's."""
    return UsageBatch(
        writer, number, tuple(UsageRow(key, counts, expires_at) for key, counts in rows.items())
    )


async def counted(
    store: Store,
    *,
    span: int = HOUR,
    since: int = AT,
    until: int = AT + HOUR,
    principal: str | None = None,
) -> dict[UsageSlot, dict[str, int]]:
    """What a store has counted, each slot once."""
    rows = await store.read_usage(span, since, until, principal)
    found = {row.slot: dict(row.counts) for row in rows}
    equal(len(found), len(rows), "slots, and rows of them")
    return found


@promise("counts for one slot are added up, and those for others are not touched")
async def _added(store: Store) -> None:
    equal(await counted(store), {}, "what is counted at first")
    others = {
        slot(provider="claude"): {"answered": 5},
        slot(model="other"): {"answered": 6},
        slot(principal="bob"): {"answered": 7},
    }
    await store.add_usage(batch(1, {slot(): {"answered": 1, "input": 10}, **others}), START)
    await store.add_usage(batch(2, {slot(): {"answered": 2, "error:x": 1}}), START)
    equal(
        await counted(store),
        {slot(): {"answered": 3, "input": 10, "error:x": 1}, **others},
        "what is counted",
    )


@promise("a batch is counted once, however often it is written")
async def _once(store: Store) -> None:
    first, second = batch(1, {slot(): {"answered": 1}}), batch(2, {slot(): {"answered": 10}})
    for one in (first, first, second, first, second):
        await store.add_usage(one, START)
    equal(await counted(store), {slot(): {"answered": 11}}, "two batches")
    await store.add_usage(batch(1, {slot(): {"answered": 100}}, writer="other"), START)
    await store.add_usage(batch(3, {slot(): {"answered": 1000}}), START + 3600)
    equal(await counted(store), {slot(): {"answered": 1111}}, "with another hub's, and a later")


@promise("what several hubs add at once adds up")
async def _together(store: Store) -> None:
    await asyncio.gather(
        *(
            store.add_usage(
                batch(1, {slot(): {"answered": 1, f"time:{hub}": 2}}, writer=f"hub-{hub}"), START
            )
            for hub in range(AT_ONCE)
        )
    )
    times = {f"time:{hub}": 2 for hub in range(AT_ONCE)}
    equal(await counted(store), {slot(): {"answered": AT_ONCE, **times}}, "what is counted")


@promise("rows are read by span, by start from and up to, and by principal")
async def _read(store: Store) -> None:
    rows = {
        slot(AT + hour * HOUR, principal=principal): {"answered": hour + 1}
        for hour in range(4)
        for principal in ("ann", "bob")
    }
    minutes = {slot(AT + minute * MINUTE, span=MINUTE): {"answered": 1} for minute in range(60)}
    await store.add_usage(batch(1, {**rows, **minutes}), START)
    everything = await counted(store, until=AT + 4 * HOUR)
    equal(everything, rows, "all hours")
    middle = await counted(store, since=AT + HOUR, until=AT + 3 * HOUR, principal="bob")
    equal(sorted(key.start for key in middle), [AT + HOUR, AT + 2 * HOUR], "bob's hours")
    equal({key.principal for key in middle}, {"bob"}, "whose they are")
    equal(await counted(store, since=AT + 1, until=AT + HOUR), {}, "from after the start")
    equal(await counted(store, since=AT + HOUR, until=AT + HOUR), {}, "of no time")
    equal(await counted(store, principal="nobody"), {}, "nobody's")
    found = await counted(store, span=MINUTE, since=AT + 60, until=AT + 180)
    equal(sorted(key.start for key in found), [AT + 60, AT + 120], "minutes")


@promise("names may be any text, and numbers as large as a hub can count")
async def _names(store: Store) -> None:
    strange = slot(provider="é", model='a b/"\n\0:{}', principal="日本")
    rows = {strange: {"input": LARGE, "error:é": 1}, slot(model=""): {"answered": 1}}
    await store.add_usage(batch(1, rows), START)
    await store.add_usage(batch(2, {strange: {"input": 1}}), START)
    rows[strange] = {"input": LARGE + 1, "error:é": 1}
    equal(await counted(store), rows, "what is counted")


@promise("a row is kept until the latest end that came for it")
async def _kept(store: Store) -> None:
    short, long = slot(), slot(principal="bob")
    await store.add_usage(batch(1, {short: {"answered": 1}}, expires_at=START + 10), START)
    await store.add_usage(batch(2, {long: {"answered": 1}}, expires_at=START + 900), START)
    await store.add_usage(batch(3, {long: {"answered": 1}}, expires_at=START + 10), START)
    await store.add_usage(batch(4, {slot(model="x"): {"answered": 1}}), START + 899)
    equal((await counted(store))[long], {"answered": 2}, "a second before its end")
