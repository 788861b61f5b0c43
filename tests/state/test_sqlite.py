"""What the file store promises beyond `state.base`: survival, sharing, privacy, clear failures."""

import asyncio
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from llm_mcp_hub.domain.session import Listing, SessionSort
from llm_mcp_hub.errors import ConfigError, SessionBusy, StateUnavailable
from llm_mcp_hub.state import sqlite_sessions
from llm_mcp_hub.state.base import Lease
from llm_mcp_hub.state.sqlite import SqliteStore, create_sqlite_store
from llm_mcp_hub.state.sqlite_file import connect, connect_shortcut
from llm_mcp_hub.state.sqlite_listing import page
from llm_mcp_hub.state.sqlite_sessions import SWEEP_ROWS
from llm_mcp_hub.state.sqlite_short_jobs import ShortJobs
from llm_mcp_hub.state.sqlite_tables import SCHEMA_VERSION
from llm_mcp_hub.state.sqlite_thread import SqliteThread
from llm_mcp_hub.testing.store_promise import START, change, lease, said, stored

# ruff: noqa: ASYNC221, ASYNC240  # small files and a program, between the calls that are tested

pytestmark = pytest.mark.anyio


def run_in(store: SqliteStore, thread: SqliteThread) -> None:
    store._thread = thread
    store._short = ShortJobs(thread)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert "llm-mcp-hub-sqlite" not in [thread.name for thread in threading.enumerate()]


async def test_sessions_and_leases_survive_reopening(path: Path) -> None:
    first = SqliteStore(str(path))
    await stored(first, "s1", "hello", "hi")
    await first.begin("ann", "s1", lease("a"), START)
    await first.aclose()
    second = SqliteStore(str(path))
    await second.open()
    session = await second.get("ann", "s1", START)
    assert session is not None
    assert session.messages == said("hello", "hi")
    with pytest.raises(SessionBusy):
        await second.begin("ann", "s1", lease("b"), START)
    await second.aclose()


async def test_two_stores_on_one_file_are_one(path: Path) -> None:
    stores = [SqliteStore(str(path)) for _ in range(2)]
    await asyncio.gather(*(store.open() for store in stores))
    await stored(stores[0])
    calls = [store.begin("ann", "s1", lease(f"{n}"), START) for n, store in enumerate(stores * 5)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(not isinstance(result, SessionBusy) for result in results) == 1
    await asyncio.gather(*(store.aclose() for store in stores))


def _turns(path: str, name: str) -> None:
    async def turns() -> None:
        store = SqliteStore(path)
        for number in range(30):
            await stored(store, f"{name}-{number}")
        await store.aclose()

    asyncio.run(turns())


async def test_processes_that_create_and_write_one_file_at_once_lose_nothing(path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_turns, args=(str(path), f"p{n}")) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        await asyncio.to_thread(worker.join)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    store = SqliteStore(str(path))
    assert len((await store.list_sessions("ann", 1000, None, START)).sessions) == 90
    await store.aclose()


async def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        store = SqliteStore(str(tmp_path / "data" / "deep" / "hub.db"))
        await stored(store)
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.rglob("*")}
        await store.aclose()
    finally:
        os.umask(before)
    assert {modes.pop("deep"), modes.pop("data")} == {0o700}
    assert set(modes) == {"hub.db", "hub.db-wal", "hub.db-shm"}
    assert set(modes.values()) == {0o600}


async def test_a_file_of_a_newer_hub_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    store = SqliteStore(str(path))
    with pytest.raises(StateUnavailable, match=r"newer version of the hub.*upgrade"):
        await store.open()
    await store.aclose()
    assert path.read_bytes() == before


async def test_a_file_of_another_program_is_refused(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (name)")
    connection.close()
    store = SqliteStore(str(path))
    with pytest.raises(StateUnavailable, match="another program"):
        await store.open()
    await store.aclose()


async def test_a_file_that_is_no_database_is_refused_without_naming_it(path: Path) -> None:
    path.write_text("not a database, but long enough to have a header of one" * 10)
    store = SqliteStore(str(path))
    with pytest.raises(StateUnavailable, match="not a database") as caught:
        await store.open()
    assert str(path) not in caught.value.message
    assert str(path) in (caught.value.detail or "")
    await store.aclose()


async def test_a_place_that_can_not_be_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path, tmp_path / "file" / "hub.db"):
        store = SqliteStore(str(place))
        with pytest.raises(StateUnavailable, match="can't be opened"):
            await store.open()
        await store.aclose()


async def test_a_store_recovers_when_the_file_can_be_opened_again(path: Path) -> None:
    path.mkdir()
    store = SqliteStore(str(path))
    with pytest.raises(StateUnavailable):
        await store.open()
    path.rmdir()
    await stored(store)
    assert await store.get("ann", "s1", START) is not None
    await store.aclose()


async def test_a_full_disk_is_reported_and_loses_nothing_that_was_stored(path: Path) -> None:
    def small() -> sqlite3.Connection:
        connection = connect(str(path))
        connection.execute("PRAGMA max_page_count = 40")
        return connection

    store = SqliteStore(str(path))
    run_in(store, SqliteThread(small))
    await stored(store)
    turn = change(1, said("x" * 500_000), keep=2)
    with pytest.raises(StateUnavailable, match="disk is full"):
        await store.append("ann", "s1", "t", turn, 60.0, START)
    session = await store.get("ann", "s1", START)
    assert session is not None
    assert session.summary.revision == 1
    await store.append("ann", "s1", "t", change(1, said("y"), keep=2), 60.0, START)
    await store.aclose()


async def test_a_locked_file_is_reported_and_works_again_once_it_is_free(path: Path) -> None:
    def impatient() -> sqlite3.Connection:
        connection = connect(str(path))
        connection.execute("PRAGMA busy_timeout = 1")
        return connection

    store = SqliteStore(str(path))
    run_in(store, SqliteThread(impatient))
    await store.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateUnavailable, match="locked by another program"):
        await stored(store)
    other.execute("ROLLBACK")
    other.close()
    await stored(store)
    await store.aclose()


async def test_what_is_stored_after_a_failure_outlives_another_process(path: Path) -> None:
    def impatient() -> sqlite3.Connection:
        connection = connect(str(path))
        connection.execute("PRAGMA busy_timeout = 1")
        return connection

    def ids_for_another_process() -> list[str]:
        program = (
            "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); "
            "print(*[row[0] for row in db.execute('SELECT id FROM sessions ORDER BY id')]); "
            "db.close()"
        )
        command = [sys.executable, "-c", program, str(path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    store = SqliteStore(str(path))
    run_in(store, SqliteThread(impatient, partial(connect_shortcut, str(path))))
    await stored(store, "s1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StateUnavailable, match="locked by another program"):
        await store.delete("ann", "s1", START)
    other.execute("ROLLBACK")
    other.close()
    await store.ping()  # opens the file again
    await stored(store, "s2")
    assert ids_for_another_process() == ["s1", "s2"]
    await stored(store, "s3")
    assert ids_for_another_process() == ["s1", "s2", "s3"]
    await store.aclose()
    assert ids_for_another_process() == ["s1", "s2", "s3"]


async def test_a_link_to_a_file_that_is_new_leads_to_a_private_one(tmp_path: Path) -> None:
    link = tmp_path / "hub.db"
    link.symlink_to(tmp_path / "elsewhere.db")
    before = os.umask(0)
    try:
        store = SqliteStore(str(link))
        await stored(store)
        await store.aclose()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "elsewhere.db").stat().st_mode) == 0o600


async def test_no_other_process_writes_between_what_a_job_reads_and_writes(path: Path) -> None:
    def interrupted(db: sqlite3.Connection) -> None:
        db.execute("SELECT * FROM sessions").fetchall()
        other = sqlite3.connect(path, timeout=0)
        try:
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("DELETE FROM sessions")
        finally:
            other.close()

    store = SqliteStore(str(path))
    await store._thread.run(interrupted, writes=True)
    await store.aclose()


async def test_a_job_that_fails_does_not_undo_those_committed_with_it(path: Path) -> None:
    store = SqliteStore(str(path))
    await store.open()
    gate = threading.Event()
    held = asyncio.ensure_future(store._thread.run(lambda _: gate.wait(), writes=False))

    def fails_half_way(db: sqlite3.Connection) -> None:
        db.execute("DELETE FROM sessions")
        raise ZeroDivisionError

    batch = [
        asyncio.ensure_future(stored_at_once)
        for stored_at_once in (
            store.append("ann", "s1", "t", change(0, said("x")), 60.0, START),
            store._thread.run(fails_half_way, writes=True),
            store.append("ann", "s2", "t", change(0, said("x")), 60.0, START),
        )
    ]
    await asyncio.sleep(0)
    gate.set()
    await held
    results = await asyncio.gather(*batch, return_exceptions=True)
    assert isinstance(results[1], ZeroDivisionError)
    page = await store.list_sessions("ann", 9, None, START)
    assert [summary.id for summary in page.sessions] == ["s2", "s1"]
    await store.aclose()


async def test_a_call_nobody_waits_for_any_more_is_not_made(path: Path) -> None:
    store = SqliteStore(str(path))
    await store.open()
    gate = threading.Event()
    reached = threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        reached.set()
        gate.wait()

    held = asyncio.ensure_future(store._thread.run(hold, writes=True))
    assert await asyncio.to_thread(reached.wait, 10)
    call = asyncio.ensure_future(store.begin("ann", "s1", lease("a"), START))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    gate.set()
    await held
    await store.begin("ann", "s1", lease("b"), START)
    await store.aclose()


async def test_a_disk_that_hangs_is_reported_within_the_deadline(path: Path) -> None:
    store = SqliteStore(str(path), deadline=0.05)
    gate = threading.Event()
    with pytest.raises(StateUnavailable, match=r"did not answer within 0\.05 s"):
        await store._thread.run(lambda _: gate.wait(), writes=False)
    gate.set()
    await store.aclose()


async def test_a_closed_store_says_so(path: Path) -> None:
    store = SqliteStore(str(path))
    await store.open()
    await store.aclose()
    await store.aclose()
    with pytest.raises(StateUnavailable, match="closed"):
        await store.ping()


async def test_a_program_that_forgets_to_close_the_store_ends_all_the_same(path: Path) -> None:
    code = (
        "import asyncio, sys\n"
        "from llm_mcp_hub.state import sqlite, sqlite_thread\n"
        "sqlite_thread.ORPHAN_CHECK_SECONDS = 0.01\n"
        "asyncio.run(sqlite.SqliteStore(sys.argv[1]).open())\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=30)


async def test_what_is_queued_is_finished_before_the_store_closes(path: Path) -> None:
    store = SqliteStore(str(path))
    call = asyncio.ensure_future(store.append("ann", "s1", "t", change(0), 60.0, START))
    await asyncio.sleep(0)
    await store.aclose()
    assert (await call).revision == 1


async def test_expired_sessions_and_leases_leave_the_file(path: Path) -> None:
    store = SqliteStore(str(path))
    for number in range(SWEEP_ROWS + 5):
        await stored(store, f"s{number}", ttl=60.0)
    await store.begin("ann", "leased", Lease("a", 60.0), START)
    for number in range(2):
        await stored(store, f"later{number}", now=START + 100)
    await store.aclose()
    with sqlite3.connect(path) as connection:
        for table, rows in (("sessions", 2), ("messages", 4)):
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            assert (table, count) == (table, rows)
    connection.close()


async def test_what_has_expired_is_found_among_many_that_have_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_sessions, "SWEEP_LOOKS", 3)
    store = SqliteStore(str(path))
    for number in range(10):
        await stored(store, f"lives{number}", ttl=900.0)
    await stored(store, "expired", ttl=60.0)
    await store.begin("ann", "leased", Lease("a", 900.0), START)
    for _ in range(5):
        await stored(store, "again", now=START + 100)
        await store.delete("ann", "again", START + 100)
    await store.aclose()
    with sqlite3.connect(path) as connection:
        ids = {found for (found,) in connection.execute("SELECT id FROM sessions")}
    connection.close()
    assert ids == {*(f"lives{number}" for number in range(10)), "leased"}


async def test_a_long_system_prompt_is_written_once(path: Path) -> None:
    store = SqliteStore(str(path))
    turn = msgspec.structs.replace(change(0, said("hello", "hi")), system="Be brief. " * 10_000)
    summary = await store.append("ann", "s1", "t", turn, 900.0, START)
    written = path.with_name("hub.db-wal").stat().st_size
    assert written > 100_000
    for number in range(3):
        await store.begin("ann", "s1", lease(f"t{number}"), START)
        more = msgspec.structs.replace(
            turn, expected_revision=summary.revision, keep=summary.message_count
        )
        summary = await store.append("ann", "s1", f"t{number}", more, 900.0, START)
    assert path.with_name("hub.db-wal").stat().st_size - written < 100_000
    other = SqliteStore(str(path))
    session = await other.get("ann", "s1", START)
    assert session is not None
    assert session.summary == summary
    assert summary.system == turn.system
    for each in (store, other):
        await each.aclose()


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite://hub.db", "sqlite:///hub.db?mode=ro", "sqlite:///a#b"],
)
async def test_a_url_that_can_not_be_read_says_what_to_write(url: str) -> None:
    with pytest.raises(ConfigError, match="sqlite") as caught:
        create_sqlite_store(url)
    assert caught.value.param == "state"


async def test_a_relative_path_is_relative_and_may_hold_any_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url, name in (("sqlite:///hub.db", "hub.db"), ("sqlite:///a%3Fb%25.db", "a?b%.db")):
        store = create_sqlite_store(url)
        await store.open()
        await store.aclose()
        assert (tmp_path / name).exists()


@pytest.mark.parametrize("principal", [None, "ann"])
@pytest.mark.parametrize("sort", SessionSort)
async def test_a_page_reads_nothing_long_of_a_session_that_is_not_on_it(
    path: Path, principal: str | None, sort: SessionSort
) -> None:
    store = SqliteStore(str(path))
    await stored(store)
    await store.aclose()
    asked: list[str] = []
    connection = sqlite3.connect(path)
    connection.set_trace_callback(asked.append)
    found = page(connection, principal, 9, None, START, Listing(sort, words=("hello",)))
    assert [one.id for one in found] == ["s1"]
    connection.set_trace_callback(None)
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked[-1]}")]
    connection.close()
    looks = [step for step in steps if step.startswith(("SCAN", "SEARCH"))]
    # To find them, then to go through those found: the row of each, and its system prompt.
    by_key = ["INTEGER PRIMARY KEY (rowid=?)" in look for look in looks]
    assert by_key == [False, False, True, True]
    in_order = "ORDER BY" not in "".join(steps[: steps.index(looks[1])])
    assert in_order == (principal is not None and sort is SessionSort.LAST_USED)
