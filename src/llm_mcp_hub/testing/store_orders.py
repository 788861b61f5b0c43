"""Promises about listings in other orders, searches, titles, and who holds a lease."""

from collections.abc import Callable

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import Listing, SessionSort, SessionSummary
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_promise import (
    START,
    TTL,
    BrokenPromiseError,
    Promises,
    change,
    equal,
    lease,
    refused,
    said,
    stored,
)

MANY_PAGES = 100
NOW = START + 100

promise = Promises()


@promise("sessions are listed by each order in both directions, page by page, each exactly once")
async def _orders(store: Store) -> None:
    expected = await _some_sessions(store)
    values: dict[SessionSort, Callable[[SessionSummary], float]] = {
        SessionSort.LAST_USED: lambda one: one.updated_at,
        SessionSort.CREATED: lambda one: one.created_at,
        SessionSort.MESSAGES: lambda one: one.message_count,
        SessionSort.TOKENS: lambda one: one.usage.input_tokens + one.usage.output_tokens,
    }
    for sort, value in values.items():
        for ascending in (False, True):
            keyed = [((value(one), one.principal, one.id), one) for one in expected]
            ordered = [one for _, one in sorted(keyed, reverse=not ascending)]
            listing = Listing(sort, ascending)
            for principal in ("ann", None):
                wanted = [one for one in ordered if principal in (None, one.principal)]
                for limit in (1, 3, len(expected)):
                    listed = await _listed(store, principal, limit, listing)
                    direction = "ascending" if ascending else "descending"
                    what = f"{principal or 'everybody'} by {sort}, {direction}, {limit} at a time"
                    equal(_keys(listed), _keys(wanted), what)


@promise("a search finds every word in id, principal, model or title, in either case of A to Z")
async def _search(store: Store) -> None:
    await stored(store, "Trip-1", "Plans for   the SUMMER\nholiday, 한국어 ÄRGER", "Good.")
    await stored(store, "trip-2", "Winter", "Cold.", now=START + 1)
    await stored(store, "other", "100%_sure [x] \\d", "Cold.", principal="bob trip", now=START + 2)
    for words, found in (
        (("trip",), ["other", "trip-2", "Trip-1"]),
        (("trip", "summer"), ["Trip-1"]),
        (("holiday", "plans", "echo/echo"), ["Trip-1"]),
        (("한국어",), ["Trip-1"]),
        (("Ärger".lower(),), []),
        (("Ä" + "rger",), ["Trip-1"]),
        (("good",), []),
        (("%",), ["other"]),
        (("100%_",), ["other"]),
        (("[x]", "\\d"), ["other"]),
        (("t_ip",), []),
        (("b.b",), []),
    ):
        for limit in (1, 9):
            listed = await _listed(store, None, limit, Listing(words=words))
            equal([one.id for one in listed], found, f"the search for {words}")
    listed = await _listed(store, "ann", 9, Listing(SessionSort.CREATED, True, ("trip",)))
    equal([one.id for one in listed], ["Trip-1", "trip-2"], "a search among ann's, oldest first")


@promise("a search that finds little among many ends, and finds all of it")
async def _rare(store: Store) -> None:
    for number in range(1200):
        text = "needle" if number in (3, 700) else "hay"
        messages = said(text, at=START + number)
        await store.append("ann", f"s{number}", "t", change(0, messages), TTL * 9, START + number)
    for sort in (SessionSort.LAST_USED, SessionSort.MESSAGES):
        listing = Listing(sort, words=("needle",))
        page = await store.list_sessions("ann", 5, None, START + 1300, listing)
        equal([one.id for one in page.sessions], ["s700", "s3"], f"needles by {sort}")
        equal(page.next_cursor, None, "the cursor after the last needle")


@promise("a cursor of one order is refused in another")
async def _cursor(store: Store) -> None:
    for number in range(3):
        await stored(store, f"s{number}", now=START + number)
    for made in (Listing(), Listing(SessionSort.TOKENS), Listing(SessionSort.TOKENS, True)):
        page = await store.list_sessions("ann", 1, None, NOW, made)
        for used in (Listing(ascending=True), Listing(SessionSort.MESSAGES)):
            call = store.list_sessions("ann", 1, page.next_cursor, NOW, used)
            await refused(call, InvalidRequest, f"the cursor of {made} for {used}")


@promise("a title is the first words of the user's first message, as long as that is kept")
async def _titles(store: Store) -> None:
    first = await stored(store, "s1", "  Where \n is it? " + "x" * 200, "Here.")
    equal(first.title, ("Where is it? " + "x" * 200)[:80], "the title of a new session")
    again = await store.append("ann", "s1", "t", change(1, said("More"), keep=2), TTL, NOW)
    equal(again.title, first.title, "the title after another turn")
    listed = await store.list_sessions("ann", 9, None, NOW)
    equal(listed.sessions[0].title, first.title, "the title in a listing")
    other = await store.append("ann", "s1", "t", change(2, said("Other"), keep=0), TTL, NOW)
    equal(other.title, "Other", "the title once all has been replaced")
    blank = await stored(store, "s2", " ", "What?")
    equal(blank.title, "", "the title of nothing said")
    later = await store.append("ann", "s2", "t", change(1, said("Hi"), keep=2), TTL, NOW)
    equal(later.title, "Hi", "the title once something was said")


@promise("who holds a lease is told, also of a session that does not exist yet")
async def _holders(store: Store) -> None:
    await stored(store, "s1")
    keys = (("ann", "s1"), ("ann", "new"), ("bob", "s1"))
    equal(await store.holders(keys, START), (None, None, None), "holders at first")
    await store.begin("ann", "s1", lease("t1"), START)
    await store.begin("ann", "new", lease("t2"), START)
    equal(await store.holders(keys, START), ("t1", "t2", None), "holders")
    equal(await store.holders((), START), (), "holders of nothing")
    equal(await store.holders(keys, START + 30), (None, None, None), "holders after the end")
    await store.release("ann", "s1", "t1")
    equal(await store.holders(keys, START), (None, "t2", None), "holders after a release")


@promise("renewing tells which leases are still held, and so that a session was deleted")
async def _renewed(store: Store) -> None:
    keys = (("ann", "s1"), ("ann", "s2"), ("bob", "s1"))
    for key in keys:
        await store.begin(*key, lease("t"), START)
    equal(await store.renew(keys, lease("t"), START + 1), keys, "all are held")
    await store.delete("ann", "s1", START + 1)
    await store.release("bob", "s1", "t")
    equal(await store.renew(keys, lease("t"), START + 2), (("ann", "s2"),), "one is held")
    equal(await store.renew(keys, lease("u"), START + 2), (), "none is held by another turn")
    equal(await store.renew((), lease("t"), START + 2), (), "no lease")


async def _some_sessions(store: Store) -> list[SessionSummary]:
    """Sessions of three people with equal values of every kind among them."""
    summaries = []
    for number, principal in enumerate(("ann", "Bob", "édith")):
        for index, name in enumerate(("s", "S-", "s10", "z:")):
            begun = START + index % 2
            await stored(store, name, principal=principal, now=begun)
            turn = change(
                1, said("more"), keep=index % 3, usage=Usage(9 * (index // 2), 0, number, 0)
            )
            summaries.append(
                await store.append(principal, name, "t", turn, TTL, START + 10 + index // 2)
            )
    return summaries


def _keys(summaries: list[SessionSummary]) -> list[tuple[str, str]]:
    return [(one.principal, one.id) for one in summaries]


async def _listed(
    store: Store, principal: str | None, limit: int, listing: Listing
) -> list[SessionSummary]:
    found: list[SessionSummary] = []
    cursor: str | None = None
    for _ in range(MANY_PAGES):
        page = await store.list_sessions(principal, limit, cursor, NOW, listing)
        found += page.sessions
        cursor = page.next_cursor
        if cursor is None:
            return found
    raise BrokenPromiseError(f"the listing has no end: {MANY_PAGES} pages were not enough")
