"""What the file store promises of journals beyond `state.base`: survival, sharing, a file that
stays small, and a file of an older hub that gains them."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from llm_mcp_hub.domain.journal import JournalEnd
from llm_mcp_hub.errors import SessionBusy
from llm_mcp_hub.state.sqlite import SqliteStore
from llm_mcp_hub.state.sqlite_journals import SWEEP_JOURNALS
from llm_mcp_hub.state.sqlite_tables import SCHEMA_VERSION
from llm_mcp_hub.testing.store_journals import (
    ALIVE,
    AT_ONCE,
    TTL,
    entry,
    head,
    text_chunks,
    whole,
    write,
)
from llm_mcp_hub.testing.store_promise import START, lease, said

pytestmark = pytest.mark.anyio

OLD_FILE = Path(__file__).with_name("schema_1.sql")
"""A file of the first version as that version wrote it: a session with a lease, and a token."""


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(path))
    try:
        yield store
    finally:
        await store.aclose()


def rows(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        count: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    return count


async def test_a_journal_and_its_key_survive_reopening(path: Path) -> None:
    async with opened(path) as store:
        await store.claim_key(head("t1", key="k"), ALIVE, TTL, START)
        await write(store, entry(0, "a", "b"))
        before = await whole(store)
    async with opened(path) as store:
        assert await whole(store) == before
        assert await store.claim_key(head("t2", key="k"), ALIVE, TTL, START) == before.head
        await write(store, entry(2, "c", end=JournalEnd()))
        assert (await whole(store)).chunks == text_chunks("a", "b", "c")


async def test_of_two_hubs_on_one_file_exactly_one_gets_a_key(path: Path) -> None:
    async with opened(path) as one, opened(path) as other:
        await asyncio.gather(one.open(), other.open())
        claims = [
            store.claim_key(head(f"t{number}", key="k"), ALIVE, TTL, START)
            for number, store in enumerate([one, other] * (AT_ONCE // 2))
        ]
        results = await asyncio.gather(*claims)
        assert results.count(None) == 1
        await write(one, entry(0, "x", turn="growing"))
        await write(one, entry(1, "y", turn="growing"))
        assert (await whole(other, "growing")).chunks == text_chunks("x", "y")


async def test_a_file_of_the_first_version_keeps_all_it_has_and_gains_the_rest(path: Path) -> None:
    with closing(sqlite3.connect(path)) as old:
        old.executescript(OLD_FILE.read_text())
    async with opened(path) as one, opened(path) as other:
        await asyncio.gather(one.open(), other.open())
        session = await one.get("ann", "s1", START)
        assert session is not None
        assert session.messages == said("hello", "hi")
        assert session.summary.title == "hello"
        assert session.summary.system == "Be brief."
        assert (await one.list_sessions("ann", 9, None, START)).sessions == (session.summary,)
        with pytest.raises(SessionBusy):
            await one.begin("ann", "s1", lease("b"), START)
        assert [token.name for token in await one.list_tokens()] == ["cli"]
        await write(one, entry(0, "a"))
        assert (await whole(other)).chunks == text_chunks("a")
    with closing(sqlite3.connect(path)) as now:
        assert now.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


async def test_the_tables_of_a_file_that_was_upgraded_are_those_of_a_new_one(
    tmp_path: Path,
) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as old:
        old.executescript(OLD_FILE.read_text())
    schemas = []
    for name in ("old.db", "new.db"):
        async with opened(tmp_path / name) as store:
            await store.open()
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            found = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name")
            schemas.append(found.fetchall())
    assert schemas[0] == schemas[1]


async def test_writes_remove_expired_journals_a_few_at_a_time(path: Path) -> None:
    async with opened(path) as store:
        a_write = SWEEP_JOURNALS + 1
        many = [entry(0, "a", "b", turn=f"t{number}") for number in range(3 * a_write)]
        await write(store, *many)
        end = START + TTL
        await write(store, entry(0, "x", turn="later"), now=end)
        assert rows(path, "journals") == 2 * a_write + 1
        await write(store, entry(1, "y", turn="later"), now=end)
        await write(store, entry(2, "z", turn="later"), now=end)
        assert rows(path, "journals") == 1
        assert rows(path, "journal_chunks") == 3


async def test_chunks_that_are_repeated_take_no_room(path: Path) -> None:
    async with opened(path) as store:
        for _ in range(3):
            await write(store, entry(0, "a", "b"), entry(2, "c"))
        assert rows(path, "journal_chunks") == 2


async def test_a_reader_who_does_not_wait_writes_nothing(path: Path) -> None:
    async with opened(path) as store:
        await write(store, entry(0, "a"))
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert (await whole(store)).chunks == text_chunks("a")
            other.execute("ROLLBACK")
