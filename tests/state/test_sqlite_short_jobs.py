"""Short jobs on the event loop: at once if alone, together otherwise, and always in order."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from llm_mcp_hub.errors import SessionBusy
from llm_mcp_hub.state import sqlite_short_jobs, sqlite_thread
from llm_mcp_hub.state.sqlite import SqliteStore
from llm_mcp_hub.state.sqlite_file import connect
from llm_mcp_hub.state.sqlite_short_jobs import MAX_TOGETHER
from llm_mcp_hub.state.sqlite_shortcut import CHECKPOINT_WRITES
from llm_mcp_hub.testing.store_promise import START, lease, stored

# ruff: noqa: ASYNC240  # a look at small files, between the calls that are tested

pytestmark = pytest.mark.anyio


class Watch:
    """Counts the transactions on the event loop's connection, and the jobs of the thread."""

    def __init__(self, store: SqliteStore) -> None:
        self.commits = 0
        self.in_thread = 0
        self._more = asyncio.Condition()
        shortcut, run = store._thread.shortcut, store._thread.run
        assert shortcut is not None
        assert shortcut._connection is not None
        shortcut._connection.set_trace_callback(self._traced)

        async def counted(*arguments: object, **keywords: object) -> object:
            self.in_thread += 1
            async with self._more:
                self._more.notify_all()
            return await run(*arguments, **keywords)

        store._thread.run = counted

    async def handed_over(self, jobs: int) -> None:
        """Wait until the thread was given so many."""
        async with self._more:
            await self._more.wait_for(lambda: self.in_thread >= jobs)

    def _traced(self, statement: str) -> None:
        self.commits += statement == "COMMIT"


async def test_a_call_that_comes_alone_never_waits(store: SqliteStore) -> None:
    call = store.begin("ann", "s1", lease("a"), START)
    with pytest.raises(StopIteration):
        call.send(None)


async def test_calls_that_come_together_are_one_transaction_after_the_first(
    store: SqliteStore,
) -> None:
    watch = Watch(store)
    begun = await asyncio.gather(
        *(store.begin("ann", f"s{number}", lease("a"), START) for number in range(9))
    )
    assert begun == [None] * 9
    assert (watch.commits, watch.in_thread) == (2, 0)


async def test_more_calls_than_the_loop_may_be_held_up_for_are_done_in_portions(
    store: SqliteStore,
) -> None:
    watch = Watch(store)
    calls = 1 + MAX_TOGETHER * 2 + 1
    await asyncio.gather(
        *(store.begin("ann", f"s{number}", lease("a"), START) for number in range(calls))
    )
    assert (watch.commits, watch.in_thread) == (4, 0)


async def test_one_that_refuses_undoes_no_other_and_is_told_alone(store: SqliteStore) -> None:
    await store.begin("ann", "taken", lease("a"), START)
    await asyncio.sleep(0)
    ids = ("first", "s1", "taken", "s2")
    outcomes = await asyncio.gather(
        *(store.begin("ann", name, lease("b"), START) for name in ids), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 2 + [SessionBusy, type(None)]
    for name in ("first", "s1", "s2"):
        with pytest.raises(SessionBusy):
            await store.begin("ann", name, lease("c"), START)


async def test_a_lock_of_another_program_is_waited_for_in_the_thread(
    store: SqliteStore, path: Path
) -> None:
    watch = Watch(store)
    other = connect(str(path))
    other.execute("BEGIN IMMEDIATE")
    calls = [asyncio.ensure_future(stored(store, f"s{number}")) for number in range(3)]
    await asyncio.to_thread(threading.Event)  # the loop is free meanwhile
    assert not any(call.done() for call in calls)
    other.execute("COMMIT")
    other.close()
    await asyncio.gather(*calls)
    assert watch.in_thread >= 1
    assert await store.get("ann", "s2", START) is not None


async def test_calls_that_come_while_the_thread_works_wait_and_are_done_on_the_loop(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_short_jobs, "HELD_SECONDS", 60.0)
    watch = Watch(store)
    other = connect(str(path))
    other.execute("BEGIN IMMEDIATE")
    first = asyncio.ensure_future(store.begin("ann", "s0", lease("a"), START))
    await watch.handed_over(1)
    later = [
        asyncio.ensure_future(store.begin("ann", f"s{number}", lease("a"), START))
        for number in range(1, 9)
    ]
    await asyncio.to_thread(threading.Event)  # the loop is free meanwhile
    assert not any(call.done() for call in (first, *later))
    other.execute("COMMIT")
    other.close()
    assert await asyncio.gather(first, *later) == [None] * 9
    assert watch.in_thread == 1


async def test_calls_do_not_wait_long_for_a_thread_that_is_held_up(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_short_jobs, "HELD_SECONDS", 0.0)
    watch = Watch(store)
    other = connect(str(path))
    other.execute("BEGIN IMMEDIATE")
    calls = [
        asyncio.ensure_future(store.begin("ann", f"s{number}", lease("a"), START))
        for number in range(9)
    ]
    await watch.handed_over(9)
    other.execute("COMMIT")
    other.close()
    assert await asyncio.gather(*calls) == [None] * 9


async def test_calls_are_done_in_the_order_they_were_made_wherever_they_are_done(
    store: SqliteStore, path: Path
) -> None:
    order: list[int] = []
    other = connect(str(path))
    other.execute("BEGIN IMMEDIATE")

    def job(number: int):
        def work(db: sqlite3.Connection) -> None:
            # Waits, in the thread, for the other program; on the loop it is refused here.
            db.execute("INSERT INTO sessions (principal, id) VALUES ('ann', ?)", (f"s{number}",))
            order.append(number)

        return store._short.run(work, writes=True)

    early = [asyncio.ensure_future(job(number)) for number in range(5)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    other.execute("COMMIT")
    other.close()
    late = [asyncio.ensure_future(job(number)) for number in range(5, 9)]
    await asyncio.gather(*early, *late)
    assert order == sorted(order)
    assert len(order) == 9


async def test_a_call_nobody_waits_for_any_more_is_not_made(store: SqliteStore) -> None:
    calls = [
        asyncio.ensure_future(store.begin("ann", f"s{number}", lease("a"), START))
        for number in range(3)
    ]
    await asyncio.sleep(0)
    calls[2].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert await store.begin("ann", "s2", lease("b"), START) is None
    with pytest.raises(SessionBusy):
        await store.begin("ann", "s1", lease("b"), START)


async def test_the_log_of_a_hub_that_never_rests_stays_small(
    store: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_thread, "MAX_LOG_PAGES", 2000)
    log = path.parent / "hub.db-wal"
    largest = written = 0
    for number in range(CHECKPOINT_WRITES * 6):
        await stored(store, f"s{number % 7}-{number}")
        if number % 50 == 0:
            await store.ping()  # the thread gets its share of a busy processor
        size = log.stat().st_size
        written += size > largest
        largest = max(largest, size)
    assert largest < 24_000_000
    assert written < number  # it was begun anew
    assert path.stat().st_size > 100_000


async def test_a_call_in_the_thread_does_not_wait_for_the_log_to_be_carried_over(
    store: SqliteStore, path: Path
) -> None:
    for number in range(1_200):
        await store._thread.run(
            lambda db, number=number: db.execute(
                "INSERT INTO sessions (principal, id) VALUES ('ann', ?)", (f"s{number}",)
            ),
            writes=True,
        )
    assert (path.parent / "hub.db-wal").stat().st_size > 1_200 * 4096


def test_a_loop_that_was_closed_with_calls_waiting_holds_up_no_other(path: Path) -> None:
    store = SqliteStore(str(path))
    calls: list[asyncio.Future[object]] = []

    async def leave() -> None:
        await store.open()
        loop = asyncio.get_running_loop()
        calls.extend(
            asyncio.ensure_future(store.begin("ann", f"s{number}", lease("a"), START))
            for number in range(3)
        )
        await asyncio.sleep(0)
        loop.stop()

    loop = asyncio.new_event_loop()
    left = loop.create_task(leave())
    loop.run_forever()
    assert left.done()
    assert [call.done() for call in calls] == [True, False, False]
    loop.close()

    async def again() -> None:
        await asyncio.gather(
            *(store.begin("bob", f"s{number}", lease("a"), START) for number in range(3))
        )
        assert await store.begin("ann", "s2", lease("b"), START) is None  # nobody waited for it
        await store.aclose()

    asyncio.run(again())
