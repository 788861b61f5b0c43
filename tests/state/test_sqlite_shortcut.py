"""Short jobs on the event loop: done wholly, or left to the thread; never a wait for anybody."""

import sqlite3
from pathlib import Path

import pytest

from llm_mcp_hub.errors import SessionBusy
from llm_mcp_hub.state import sqlite_shortcut
from llm_mcp_hub.state.sqlite_file import connect, connect_shortcut
from llm_mcp_hub.state.sqlite_shortcut import CHECKPOINT_WRITES, NotHere, SqliteShortcut


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
    db.execute("INSERT INTO sessions (principal, id) VALUES ('ann', 's1')")


def count(db: sqlite3.Connection) -> int:
    found: int = db.execute("SELECT count(*) FROM sessions").fetchone()[0]
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


def test_a_slow_disk_gets_no_further_job_for_a_while_and_each_time_for_longer(
    shortcut, monkeypatch
) -> None:
    now = 100.0
    monkeypatch.setattr(sqlite_shortcut.time, "monotonic", lambda: now)

    def slow(_: sqlite3.Connection) -> str:
        nonlocal now
        now += sqlite_shortcut.SLOW_SECONDS * 2
        return "done"

    rests = []
    for _ in range(7):
        assert shortcut.run(slow, writes=False) == "done"
        with pytest.raises(NotHere):
            shortcut.run(count, writes=False)
        rests.append(round(shortcut._rest_until - now, 3))
        now = shortcut._rest_until
        assert shortcut.run(count, writes=False) == 0
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    now += sqlite_shortcut.FORGET_SECONDS * 2
    shortcut.run(slow, writes=False)
    assert shortcut._rest_until - now == pytest.approx(sqlite_shortcut.REST_SECONDS)


def test_a_checkpoint_is_due_after_so_many_writes_and_once(shortcut) -> None:
    for _ in range(CHECKPOINT_WRITES - 1):
        shortcut.run(lambda _: None, writes=True)
    assert not shortcut.checkpoint_due()
    shortcut.run(lambda _: None, writes=True)
    assert shortcut.checkpoint_due()
    assert not shortcut.checkpoint_due()
