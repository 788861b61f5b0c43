"""Sessions that a store knows from the turn before: few statements, and never more than is true."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import pytest

from llm_mcp_hub.domain.session import SessionSummary
from llm_mcp_hub.errors import SessionBusy, SessionChanged
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.sqlite import SqliteStore
from llm_mcp_hub.state.sqlite_file import connect
from llm_mcp_hub.testing.store_histories import compare_with_model
from llm_mcp_hub.testing.store_promise import START, TTL, change, lease, read, said, stored

HISTORIES = 40

pytestmark = pytest.mark.anyio


@pytest.fixture
async def other(path: Path, store: SqliteStore) -> AsyncIterator[SqliteStore]:
    """Another hub on the same file."""
    made = SqliteStore(str(path))
    await made.open()
    yield made
    await made.aclose()


@pytest.fixture
def database(path: Path, store: SqliteStore):
    opened = connect(str(path))
    yield opened
    opened.close()


def traced(store: SqliteStore) -> list[str]:
    """The statements on the event loop's connection from now on, without those of transactions."""
    statements: list[str] = []
    shortcut = store._thread.shortcut
    assert shortcut is not None
    assert shortcut._connection is not None

    def trace(statement: str) -> None:
        word = statement.split(maxsplit=1)[0]
        if word not in {"BEGIN", "COMMIT", "--"}:
            statements.append(word)

    shortcut._connection.set_trace_callback(trace)
    return statements


def more(summary: SessionSummary, *texts: str, **keywords: Any):
    """A turn that goes on from a session."""
    return change(
        summary.revision,
        said(*texts, digest=summary.digest),
        keep=summary.message_count,
        created_at=summary.created_at,
        **keywords,
    )


async def test_a_turn_on_a_session_that_is_known_reads_nothing_again(store: SqliteStore) -> None:
    summary = await stored(store)
    statements = traced(store)
    session = await store.begin("ann", "s1", lease("a"), START)
    assert statements == ["UPDATE"]
    assert session is not None
    assert session.messages == said("hello", "hi")
    await store.append("ann", "s1", "a", more(summary, "and?", "so."), TTL, START)
    assert statements == ["UPDATE", "UPDATE", "INSERT", "INSERT"]


async def test_a_session_found_by_its_transcript_is_not_read_again(store: SqliteStore) -> None:
    summary = await stored(store)
    statements = traced(store)
    session = await store.begin_by_digest("ann", summary.digest, lease("a"), START)
    assert session is not None
    assert session.messages == said("hello", "hi")
    assert statements == ["SELECT", "INSERT"]


async def test_what_is_known_and_what_is_stored_are_the_same(
    store: SqliteStore, other: SqliteStore
) -> None:
    summary = await stored(store, "s1", " ")
    assert summary.title == ""
    for number in range(1, 6):
        now = START + number
        begun = await store.begin("ann", "s1", lease("a"), now)
        assert begun == await other.get("ann", "s1", now)
        turn = more(summary, f"and {number}?" if number > 1 else " ", "so.")
        if number == 3:
            turn = msgspec.structs.replace(turn, model="echo/other")
        if number == 4:
            turn = msgspec.structs.replace(turn, model="echo/other", system="Be long.")
        summary = await store.append("ann", "s1", "a", turn, TTL, now)
        assert await read(other, now=now) == await read(store, now=now)
        assert (await read(other, now=now)).summary == summary
        assert (await read(other, now=now)).messages[-2:] == turn.messages
    known = store._recent.find("ann", "s1")
    assert known is not None
    assert known.session == await read(other, now=START + 5)
    assert summary.title == "and 2?"


async def test_the_size_of_what_is_known_is_that_of_what_is_stored(
    store: SqliteStore, database: sqlite3.Connection
) -> None:
    summary = await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    await store.append("ann", "s1", "a", more(summary, "and?", "so."), TTL, START)
    known = store._recent.find("ann", "s1")
    assert known is not None
    total = database.execute("SELECT sum(length(body)) FROM messages").fetchone()[0]
    assert known.size == total
    fresh = SqliteStore(str(database.execute("PRAGMA database_list").fetchone()[2]))
    await fresh.begin("ann", "s1", lease("a"), START)
    read_anew = fresh._recent.find("ann", "s1")
    assert read_anew == msgspec.structs.replace(known, session=read_anew.session)
    await fresh.aclose()


CHANGES = [
    "revision = revision + 1",
    "digest = 'another'",
    "created_at = created_at + 1",
    "updated_at = updated_at + 1",
    "id = 's2'",
    "principal = 'bob'",
    "key = key + 1",
    "expires_at = 0",
]


@pytest.mark.parametrize("made", CHANGES)
async def test_a_session_that_somebody_else_changed_is_read_again(
    store: SqliteStore, database: sqlite3.Connection, made: str
) -> None:
    await stored(store)
    if made.startswith(("revision", "digest", "created_at")):
        database.execute("UPDATE messages SET digest = 'changed too'")
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute(f"UPDATE sessions SET {made}")
    database.execute("UPDATE messages SET session = (SELECT key FROM sessions)")
    expected = await read_by_another(database)
    assert await store.begin("ann", "s1", lease("a"), START) == expected
    with pytest.raises(SessionBusy):
        await store.begin("ann", "s1", lease("b"), START)


async def read_by_another(database: sqlite3.Connection):
    fresh = SqliteStore(str(database.execute("PRAGMA database_list").fetchone()[2]))
    try:
        return await fresh.get("ann", "s1", START)
    finally:
        await fresh.aclose()


@pytest.mark.parametrize("made", CHANGES)
async def test_a_turn_on_what_somebody_else_changed_meanwhile_is_compared_with_that(
    store: SqliteStore, database: sqlite3.Connection, made: str
) -> None:
    summary = await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    database.execute("PRAGMA foreign_keys = OFF")
    database.execute(f"UPDATE sessions SET {made}")
    database.execute("UPDATE messages SET session = (SELECT key FROM sessions)")
    before = database.execute("SELECT * FROM sessions, messages").fetchall()
    turn = more(summary, "and?", "so.")
    if made.startswith(
        ("digest", "updated_at", "key")
    ):  # not compared, so the turn is as good as any
        await store.append("ann", "s1", "a", turn, TTL, START)
        assert (await read(store)).messages[2:] == turn.messages
        known = store._recent.find("ann", "s1")
        assert (known is None) == made.startswith("digest")
        assert known is None or known.session == await read(store)
        return
    with pytest.raises(SessionChanged):
        await store.append("ann", "s1", "a", turn, TTL, START)
    assert database.execute("SELECT * FROM sessions, messages").fetchall() == before
    assert ("a",) in database.execute("SELECT lease_id FROM sessions").fetchall()


async def test_a_turn_that_started_from_something_else_is_refused(store: SqliteStore) -> None:
    summary = await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    turn = more(summary, "and?", "so.")
    for off in ({"expected_revision": 0}, {"expected_revision": 2}, {"expected_created_at": 1.0}):
        wrong = msgspec.structs.replace(turn, **off)
        with pytest.raises(SessionChanged):
            await store.append("ann", "s1", "a", wrong, TTL, START)
    assert (await read(store)).messages == said("hello", "hi")
    assert await store.holders([("ann", "s1")], START) == ("a",)
    await store.append("ann", "s1", "a", turn, TTL, START)


async def test_a_lease_that_somebody_else_took_meanwhile_refuses_the_turn(
    store: SqliteStore, other: SqliteStore
) -> None:
    summary = await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    later = START + 100
    await other.begin("ann", "s1", lease("b"), later)
    with pytest.raises(SessionChanged):
        await store.append("ann", "s1", "a", more(summary, "and?", "so."), TTL, later)
    assert await store.holders([("ann", "s1")], later) == ("b",)
    assert (await read(store)).messages == said("hello", "hi")
    with pytest.raises(SessionBusy):
        await store.begin("ann", "s1", lease("c"), later)


async def test_a_session_is_prolonged_under_its_turn_also_if_it_is_known(
    store: SqliteStore,
) -> None:
    summary = await stored(store, ttl=10.0)
    begun = await store.begin("ann", "s1", lease("a"), START)
    assert begun is not None
    assert begun.summary.expires_at > summary.expires_at
    assert await store.get("ann", "s1", START + 20) == begun


async def test_messages_that_are_dropped_are_forgotten(store: SqliteStore) -> None:
    await stored(store, "s1", "hello", "hi")
    await store.begin("ann", "s1", lease("a"), START)
    rewritten = change(1, said("bonjour", digest=said("hello")[-1].digest), keep=1)
    await store.append("ann", "s1", "a", rewritten, TTL, START)
    begun = await store.begin("ann", "s1", lease("b"), START)
    assert begun is not None
    assert [entry.message.text for entry in begun.messages] == ["hello", "bonjour"]


def test_two_hubs_in_turn_on_one_file_do_what_the_model_does(tmp_path: Path) -> None:
    numbers = iter(range(10_000))

    @asynccontextmanager
    async def open_two() -> AsyncIterator[Store]:
        path = str(tmp_path / f"{next(numbers)}.db")
        both = SqliteStore(path), SqliteStore(path)
        turns = cycle([0, 0, 1, 0, 1, 1])

        class InTurn:
            name = "sqlite"

            def __getattr__(self, name: str) -> Any:
                return getattr(both[next(turns)], name)

        for one in both:
            await one.open()
        try:
            yield InTurn()
        finally:
            for one in both:
                await one.aclose()

    compare_with_model(open_two, HISTORIES)
