"""Promises about listings and the life of the store itself."""

from llm_mcp_hub.domain.session import SessionSummary
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_promise import (
    START,
    TTL,
    BrokenPromiseError,
    Promises,
    change,
    equal,
    read,
    refused,
    said,
    stored,
)

MANY_PAGES = 100

promise = Promises()


@promise("sessions are listed newest first, then by principal and id, descending")
async def _order(store: Store) -> None:
    expected = await _some_sessions(store)
    equal(await _listed(store, "ann", 100), _keys(expected, "ann"), "ann's")
    equal(await _listed(store, None, 100), _keys(expected), "everybody's")
    equal(await _listed(store, "nobody", 100), [], "nobody's")
    page = await store.list_sessions("ann", 100, None, START + 100)
    first = page.sessions[0]
    got = await store.get("ann", first.id, START + 100)
    equal(got and got.summary, first, "the first of the listing and get of it")


@promise("page by page every session is listed exactly once, whatever the size of a page")
async def _pages(store: Store) -> None:
    expected = await _some_sessions(store)
    for limit in (1, 2, 3, 5, len(expected), len(expected) + 1):
        equal(await _listed(store, None, limit), _keys(expected), f"everybody's by {limit}")
        equal(await _listed(store, "ann", limit), _keys(expected, "ann"), f"ann's by {limit}")


@promise("a page holds no more than its limit, and the last one says that it is the last")
async def _limit(store: Store) -> None:
    for number in range(4):
        await stored(store, f"s{number}", now=START + number)
    page = await store.list_sessions("ann", 3, None, START + 9)
    equal(len(page.sessions), 3, "sessions on the first page of 3")
    equal(page.next_cursor is None, False, "the first page is the last")
    page = await store.list_sessions("ann", 3, page.next_cursor, START + 9)
    equal((len(page.sessions), page.next_cursor), (1, None), "the second page")
    page = await store.list_sessions("ann", 4, None, START + 9)
    equal((len(page.sessions), page.next_cursor), (4, None), "a page that takes all")


@promise("what is not touched while the pages are read is listed exactly once")
async def _meanwhile(store: Store) -> None:
    for number in range(8):
        await stored(store, f"s{number}", now=START + number)
    now = START + 20
    page = await store.list_sessions("ann", 3, None, now)
    seen = [summary.id for summary in page.sessions]
    await store.append("ann", "s1", "t", change(1, said("x")), TTL, now)
    await store.append("ann", "s6", "t", change(1, said("x")), TTL, now)
    await store.delete("ann", "s5", now)
    await store.delete("ann", "s3", now)
    await stored(store, "s9", now=now)
    while page.next_cursor is not None:
        page = await store.list_sessions("ann", 3, page.next_cursor, now)
        seen += [summary.id for summary in page.sessions]
    untouched = [session_id for session_id in seen if session_id in ("s7", "s4", "s2", "s0")]
    equal(untouched, ["s7", "s4", "s2", "s0"], "the untouched")


@promise("a session that has expired is not listed and hides no other")
async def _expired(store: Store) -> None:
    for number in range(9):
        await stored(store, f"s{number}", now=START + number, ttl=TTL if number % 4 == 0 else 20.0)
    now = START + 60
    for principal in ("ann", None):
        for limit in (1, 2, 9):
            listed = [session_id for _, session_id in await _listed(store, principal, limit, now)]
            equal(listed, ["s8", "s4", "s0"], f"of {principal or 'everybody'} by {limit}")


@promise("a cursor that no listing has made is refused")
async def _cursor(store: Store) -> None:
    for cursor in ("", "x", "é", "bm9uc2Vuc2U=", "WzEsMl0=", "e30="):
        for principal in ("ann", None):
            call = store.list_sessions(principal, 9, cursor, START)
            await refused(call, InvalidRequest, f"the cursor {cursor!r}")


@promise("a store answers, has a name, and can be closed twice")
async def _life(store: Store) -> None:
    await store.ping()
    equal(bool(store.name), True, "it has a name")
    await stored(store)
    await read(store)
    await store.aclose()
    await store.aclose()


async def _some_sessions(store: Store) -> list[SessionSummary]:
    """Sessions of four people with equal times among them, in the order of listings."""
    summaries = []
    for principal in ("ann", "Bob", "ann b", "édith"):
        for number in range(5):
            now = START + (number // 2) * 0.1
            session_id = ("s", "S-", "s10", "s9", "z:")[number]
            summaries.append(await stored(store, session_id, principal=principal, now=now))
    summaries.sort(key=lambda one: (one.updated_at, one.principal, one.id), reverse=True)
    return summaries


def _keys(summaries: list[SessionSummary], principal: str | None = None) -> list[tuple[str, str]]:
    return [(one.principal, one.id) for one in summaries if principal in (None, one.principal)]


async def _listed(
    store: Store, principal: str | None, limit: int, now: float = START + 100
) -> list[tuple[str, str]]:
    found: list[SessionSummary] = []
    cursor: str | None = None
    for _ in range(MANY_PAGES):
        page = await store.list_sessions(principal, limit, cursor, now)
        if len(page.sessions) > limit:
            raise BrokenPromiseError(f"a page of at most {limit} has {len(page.sessions)} sessions")
        found += page.sessions
        cursor = page.next_cursor
        if cursor is None:
            return _keys(found)
    raise BrokenPromiseError(
        f"the listing has no end: {MANY_PAGES} pages of {limit} were not enough"
    )
