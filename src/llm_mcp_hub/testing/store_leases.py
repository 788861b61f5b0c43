"""Promises about leases: one turn at a time, under any interleaving."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from llm_mcp_hub.domain.session import SessionSummary
from llm_mcp_hub.errors import HubError, SessionBusy, SessionChanged
from llm_mcp_hub.state.base import Lease, Store
from llm_mcp_hub.testing.store_promise import (
    LEASE_SECONDS,
    START,
    TTL,
    BrokenPromiseError,
    Promises,
    change,
    equal,
    lease,
    present,
    read,
    refused,
    said,
    stored,
)

AT_ONCE = 20

promise = Promises()


@promise("a session on which a turn runs can't be begun by another")
async def _busy(store: Store) -> None:
    await store.begin("ann", "new", lease("a"), START)
    await refused(store.begin("ann", "new", lease("b"), START), SessionBusy, "begin of a new id")
    summary = await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    await refused(store.begin("ann", "s1", lease("b"), START), SessionBusy, "begin")
    found = await store.begin_by_digest("ann", summary.digest, lease("b"), START)
    equal(found, None, "begin_by_digest")
    summary = await store.append("ann", "s1", "a", change(1, keep=2), TTL, START)
    equal(summary.revision, 2, "revision after the holder's append")


@promise("begin_by_digest holds a lease on what it returns, and on nothing if it returns None")
async def _by_digest(store: Store) -> None:
    digest = (await stored(store, "s1")).digest
    await stored(store, "s2", now=START + 1)
    now = START + 2
    begun = present(await store.begin_by_digest("ann", digest, lease("a"), now), "the first")
    equal(begun.summary.id, "s2", "the session found")
    await refused(store.begin("ann", "s2", lease("b"), now), SessionBusy, "begin of the found")
    found = await store.begin_by_digest("ann", digest, lease("b"), now)
    equal(found, None, "while the latest is busy, although another has the transcript")
    present(await store.begin("ann", "s1", lease("c"), now), "begin of the other")
    again = await store.begin_by_digest("ann", digest, lease("a"), now)
    equal(again, begun, "by the holder again")


@promise("taking a lease that the same turn holds is taking it again")
async def _again(store: Store) -> None:
    await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    later = START + LEASE_SECONDS - 1
    present(await store.begin("ann", "s1", lease("a"), later), "begin again")
    now = later + LEASE_SECONDS - 1
    await refused(store.begin("ann", "s1", lease("b"), now), SessionBusy, "the other's begin")


@promise("a lease ends by itself")
async def _lapses(store: Store) -> None:
    await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    end = START + LEASE_SECONDS
    call = store.begin("ann", "s1", lease("b"), end - 0.1)
    await refused(call, SessionBusy, "begin just before the end")
    present(await store.begin("ann", "s1", lease("b"), end), "begin at the end")
    await refused(store.begin("ann", "s1", lease("a"), end), SessionBusy, "the old holder's begin")


@promise("an append gives the lease back")
async def _append_releases(store: Store) -> None:
    await store.begin("ann", "s1", lease("a"), START)
    await store.append("ann", "s1", "a", change(0, said("x")), TTL, START)
    present(await store.begin("ann", "s1", lease("b"), START), "begin after append")


@promise("a refused append leaves every lease as it was")
async def _refused_append(store: Store) -> None:
    await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    before = await read(store)
    call = store.append("ann", "s1", "b", change(1, said("x")), TTL, START)
    await refused(call, SessionChanged, "append while another holds the lease")
    call = store.append("ann", "s1", "a", change(7, said("x")), TTL, START)
    await refused(call, SessionChanged, "append at another revision")
    equal(await read(store), before, "the session")
    await refused(store.begin("ann", "s1", lease("b"), START), SessionBusy, "begin after both")


@promise("a lease that has passed does not hinder an append if nobody else holds one")
async def _late(store: Store) -> None:
    await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    late = START + 2 * LEASE_SECONDS
    await store.begin("ann", "s1", lease("b"), late)
    call = store.append("ann", "s1", "a", change(1, said("x")), TTL, late)
    await refused(call, SessionChanged, "append while another holds the lease")
    await store.release("ann", "s1", "b")
    summary = await store.append("ann", "s1", "a", change(1, said("x")), TTL, late)
    equal(summary.revision, 2, "revision after the other has released")


@promise("release frees the session, and only for the turn that holds it")
async def _release(store: Store) -> None:
    await stored(store)
    await store.release("ann", "s1", "nobody")
    await store.release("ann", "unknown", "nobody")
    await store.begin("ann", "s1", lease("a"), START)
    await store.release("ann", "s1", "b")
    await store.release("bob", "s1", "a")
    await refused(store.begin("ann", "s1", lease("b"), START), SessionBusy, "begin")
    await store.release("ann", "s1", "a")
    present(await store.begin("ann", "s1", lease("b"), START), "begin after release")


@promise("renew prolongs the leases that the turn holds, and no other")
async def _renew(store: Store) -> None:
    for session_id in ("s1", "s2", "s3"):
        await stored(store, session_id)
    await store.begin("ann", "s1", lease("a"), START)
    await store.begin("ann", "s2", lease("b"), START)
    await store.begin("ann", "s4", Lease("a", 1.0), START)
    later = START + LEASE_SECONDS - 1
    keys = [("ann", f"s{number}") for number in range(1, 6)]
    await store.renew([*keys, ("bob", "s1")], lease("a"), later)
    await store.renew([], lease("a"), later)
    now = START + LEASE_SECONDS
    await refused(store.begin("ann", "s1", lease("c"), now), SessionBusy, "begin of the renewed")
    await store.begin("ann", "s2", lease("c"), now)
    await store.begin("ann", "s3", lease("c"), now)
    await store.begin("ann", "s4", lease("c"), now)
    await store.begin("bob", "s1", lease("c"), now)
    equal(await store.get("ann", "s5", now), None, "get of an id that was only renewed")
    end = later + LEASE_SECONDS
    present(await store.begin("ann", "s1", lease("c"), end), "begin at the renewed end")


@promise("deleting a session ends the lease on it")
async def _delete(store: Store) -> None:
    await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    await store.delete("ann", "s1", START)
    await store.begin("ann", "s1", lease("b"), START)
    await store.begin("ann", "new", lease("a"), START)
    equal(await store.delete("ann", "new", START), False, "delete of a leased id")
    await store.begin("ann", "new", lease("b"), START)


@promise("of many begins at once exactly one gets the lease")
async def _begins(store: Store) -> None:
    await stored(store)
    for session_id in ("s1", "new"):
        calls = [store.begin("ann", session_id, lease(f"t{n}"), START) for n in range(AT_ONCE)]
        won = await _race(calls, SessionBusy)
        equal(len(won), 1, f"how many of {AT_ONCE} begins of {session_id} got the lease")


@promise("of many searches for a transcript at once exactly one gets the session")
async def _searches(store: Store) -> None:
    digest = (await stored(store)).digest
    calls = [store.begin_by_digest("ann", digest, lease(f"t{n}"), START) for n in range(AT_ONCE)]
    won = [session for session in await _race(calls, SessionBusy) if session is not None]
    equal(len(won), 1, f"how many of {AT_ONCE} searches got the session")


@promise("of many appends at once at one revision exactly one is stored")
async def _appends(store: Store) -> None:
    for revision in (0, 1):
        calls = [
            store.append("ann", "s1", f"t{n}", change(revision, said(f"{n}")), TTL, START)
            for n in range(AT_ONCE)
        ]
        won: list[SessionSummary] = await _race(calls, SessionChanged)
        equal(len(won), 1, f"how many of {AT_ONCE} appends at revision {revision} were stored")
        got = await read(store)
        equal(got.summary, won[0], "the summary stored")
        equal(got.messages[-1].digest, won[0].digest, "the last message stored")


@promise("turns on different sessions at once do not hinder each other")
async def _abreast(store: Store) -> None:
    async def turns(session_id: str) -> None:
        for revision in range(4):
            turn = f"{session_id} {revision}"
            await store.begin("ann", session_id, lease(turn), START)
            await store.append(
                "ann", session_id, turn, change(revision, said(turn), keep=revision), TTL, START
            )

    await asyncio.gather(*(turns(f"s{number}") for number in range(AT_ONCE)))
    for number in range(AT_ONCE):
        equal((await read(store, f"s{number}")).summary.message_count, 4, f"messages of s{number}")


async def _race(calls: "list[Coroutine[Any, Any, Any]]", lost: type[HubError]) -> list[Any]:
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, lost):
            raise BrokenPromiseError(f"expected {lost.__name__}, got {result!r}") from result
    return [result for result in results if not isinstance(result, BaseException)]
