"""The records of `SqliteStore`: the part of it that is about documents, not sessions."""

import sqlite3

from llm_mcp_hub.state.records import Collection, Record
from llm_mcp_hub.state.sqlite_thread import SqliteThread

_VERSION = "SELECT coalesce((SELECT version FROM collections WHERE name = ?), 0)"
_CHANGE = (
    "INSERT INTO collections (name, version) VALUES (?, 1) "
    "ON CONFLICT (name) DO UPDATE SET version = version + 1"
)
_GET = "SELECT name, version, body FROM records WHERE collection = ? AND name = ?"
_LIST = "SELECT name, version, body FROM records WHERE collection = ? ORDER BY name"
_PUT = "INSERT OR REPLACE INTO records (collection, name, version, body) VALUES (?, ?, ?, ?)"
_DELETE = "DELETE FROM records WHERE collection = ? AND name = ?"


class SqliteRecords:
    """Records in the file."""

    _thread: SqliteThread

    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        """Store a record."""

        def put(db: sqlite3.Connection) -> int | None:
            if expected not in (None, _held(db, collection, name)):
                return None
            db.execute(_CHANGE, (collection,))
            version = _version(db, collection)
            db.execute(_PUT, (collection, name, version, body))
            return version

        return await self._thread.run(put, writes=True)

    async def get_record(self, collection: str, name: str) -> Record | None:
        """The record of that name."""

        def get(db: sqlite3.Connection) -> Record | None:
            row = db.execute(_GET, (collection, name)).fetchone()
            return Record(*row) if row is not None else None

        return await self._thread.run(get, writes=False)

    async def list_records(self, collection: str) -> Collection:
        """All records, with the version."""

        def listing(db: sqlite3.Connection) -> Collection:
            records = tuple([Record(*row) for row in db.execute(_LIST, (collection,))])
            return Collection(_version(db, collection), records)

        return await self._thread.run(listing, writes=False)

    async def delete_record(self, collection: str, name: str, expected: int | None = None) -> bool:
        """Forget a record."""

        def delete(db: sqlite3.Connection) -> bool:
            held = _held(db, collection, name)
            if not held or expected not in (None, held):
                return False
            db.execute(_DELETE, (collection, name))
            db.execute(_CHANGE, (collection,))
            return True

        return await self._thread.run(delete, writes=True)

    async def records_version(self, collection: str) -> int:
        """The collection's version."""
        return await self._thread.run(lambda db: _version(db, collection), writes=False)


def _version(db: sqlite3.Connection, collection: str) -> int:
    version: int = db.execute(_VERSION, (collection,)).fetchone()[0]
    return version


def _held(db: sqlite3.Connection, collection: str, name: str) -> int:
    """The record's version, 0 without one."""
    row = db.execute(_GET, (collection, name)).fetchone()
    version: int = row[1] if row is not None else 0
    return version
