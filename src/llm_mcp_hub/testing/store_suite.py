"""One suite for every store: what `state.base` promises, tried on yours.

    from contextlib import asynccontextmanager
    from llm_mcp_hub.testing import check_store

    @asynccontextmanager
    async def open_store():
        store = MyStore(fresh_place())
        await store.open()
        try:
            yield store
        finally:
            await store.aclose()

    def test_my_store_keeps_every_promise():
        check_store(open_store)

`open_store` is called once for every promise and every history and must give an empty store each
time. The test is an ordinary function: the suite brings its own event loops.
"""

import asyncio

from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing import (
    store_journals,
    store_keys,
    store_leases,
    store_listing,
    store_orders,
    store_records,
    store_sessions,
)
from llm_mcp_hub.testing.promise import Promise, broken
from llm_mcp_hub.testing.store_promise import OpenStore

STORE_PROMISES: tuple[Promise[Store], ...] = (
    *store_sessions.promise.all,
    *store_leases.promise.all,
    *store_journals.promise.all,
    *store_keys.promise.all,
    *store_orders.promise.all,
    *store_records.promise.all,
    *store_listing.promise.all,
)
"""All promises in the order in which they are checked; a promise's number is its place."""

HISTORIES = 60
"""How many made-up histories of calls are compared with the model unless told otherwise."""


def check_promise(number: int, open_store: OpenStore) -> None:
    """Check the promise of that number, from 1 on.

    Raises:
        BrokenPromiseError: The store does not keep it.
    """
    promise = STORE_PROMISES[number - 1]

    async def check() -> None:
        async with open_store() as store:
            await promise.check(store)

    try:
        asyncio.run(check())
    except Exception as error:
        raise broken(number, promise, error) from error


def check_store(open_store: OpenStore, *, histories: int = HISTORIES) -> None:
    """Check every promise, then compare the store with a model over made-up histories.

    Args:
        open_store: Gives an open and empty store, and closes it.
        histories: How many histories of each kind; 0 for none.

    Raises:
        BrokenPromiseError: The first promise the store does not keep, or the shortest history
            in which it differs from the model.
    """
    for number in range(1, len(STORE_PROMISES) + 1):
        check_promise(number, open_store)
    if histories:
        # Only tests have Hypothesis installed, and not all of those that import this.
        from llm_mcp_hub.testing.store_histories import compare_with_model  # noqa: PLC0415

        compare_with_model(open_store, histories)
