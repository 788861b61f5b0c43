"""Short jobs on the event loop: done wholly, or left to the thread; never a wait for anybody."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from llm_mcp_hub.errors import SessionBusy
from llm_mcp_hub.state import sqlite_shortcut
from llm_mcp_hub.state.sqlite import SqliteStore
from llm_mcp_hub.state.sqlite_file import connect, connect_shortcut
from llm_mcp_hub.state.sqlite_shortcut import CHECKPOINT_WRITES, NotHere, SqliteShortcut
from llm_mcp_hub.testing.store_promise import START, lease, stored

# ruff: noqa: ASYNC240  # a look at small files, between the calls that are tested

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hub.db"


@pytest.fixture
def database(path: Path):
    with_tables = connect(str(path))
    yield with_tables
    with_tables.close()


@pytest.fixture
def shortcut(database: sqlite3.Connection, path: Path):
    made = SqliteShortcut(connect_shortcut(str(path)))
    yield made
    made.close()


def insert(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO leases VALUES ('ann', 's1', 'a', 1.0)")


def count(db: sqlite3.Connection) -> int:
    found: int = db.execute("SELECT count(*) FROM leases").fetchone()[0]
    return found


def test_a_job_is_committed_when_it_returns(shortcut, database) -> None:
    shortcut.run(insert, writes=True)
    assert count(database) == 1


def test_a_job_that_fails_leaves_nothing_and_says_what_it_said(shortcut, database) -> None:
    def fails(db: sqlite3.Connection) -> None:
        insert(db)
        raise SessionBusy("busy")

    with pytest.raises(SessionBusy):
        shortcut.run(fails, writes=True)
    assert count(database) == 0
    shortcut.run(insert, writes=True)


def test_a_lock_of_somebody_elses_is_not_waited_for(shortcut, database) -> None:
    database.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotHere):
        shortcut.run(insert, writes=True)
    assert shortcut.run(count, writes=False) == 0
    database.execute("ROLLBACK")
    shortcut.run(insert, writes=True)
    assert count(database) == 1


def test_a_broken_database_closes_the_shortcut(shortcut) -> None:
    with pytest.raises(NotHere):
        shortcut.run(lambda db: db.execute("SELECT * FROM nothing"), writes=False)
    assert shortcut.closed
    with pytest.raises(NotHere):
        shortcut.run(count, writes=False)


def test_a_slow_disk_gets_no_further_job_for_a_while(shortcut, monkeypatch) -> None:
    now = 100.0
    monkeypatch.setattr(sqlite_shortcut.time, "monotonic", lambda: now)

    def slow(_: sqlite3.Connection) -> str:
        nonlocal now
        now += sqlite_shortcut.SLOW_SECONDS * 2
        return "done"

    assert shortcut.run(slow, writes=False) == "done"
    with pytest.raises(NotHere):
        shortcut.run(count, writes=False)
    now += sqlite_shortcut.REST_SECONDS
    assert shortcut.run(count, writes=False) == 0


def test_a_checkpoint_is_due_after_so_many_writes_and_once(shortcut) -> None:
    for _ in range(CHECKPOINT_WRITES - 1):
        shortcut.run(lambda _: None, writes=True)
    assert not shortcut.checkpoint_due()
    shortcut.run(lambda _: None, writes=True)
    assert shortcut.checkpoint_due()
    assert not shortcut.checkpoint_due()


async def test_a_call_that_comes_alone_needs_no_thread(path: Path) -> None:
    store = SqliteStore(str(path))
    await store.open()
    call = store.begin("ann", "s1", lease("a"), START)
    with pytest.raises(StopIteration):  # it never waits
        call.send(None)
    await store.aclose()


async def test_calls_that_come_together_share_the_threads_transaction(path: Path) -> None:
    store = SqliteStore(str(path))
    await store.open()
    begun = await asyncio.gather(
        *(store.begin("ann", f"s{number}", lease("a"), START) for number in range(9))
    )
    assert begun == [None] * 9
    await store.aclose()


async def test_a_lock_of_another_program_is_waited_for_in_the_thread(path: Path) -> None:
    store = SqliteStore(str(path))
    await store.open()
    other = connect(str(path))
    other.execute("BEGIN IMMEDIATE")
    call = asyncio.ensure_future(stored(store, "s1"))
    await asyncio.to_thread(threading.Event)  # the loop is free meanwhile
    assert not call.done()
    other.execute("COMMIT")
    other.close()
    await call
    assert await store.get("ann", "s1", START) is not None
    await store.aclose()


async def test_the_log_is_carried_over_and_stays_small(path: Path) -> None:
    store = SqliteStore(str(path))
    await store.open()
    for number in range(CHECKPOINT_WRITES * 3):
        await stored(store, f"s{number % 7}-{number}")
        await asyncio.sleep(0)
    await store.ping()
    assert (path.parent / "hub.db-wal").stat().st_size < 24_000_000
    assert path.stat().st_size > 100_000
    await store.aclose()
