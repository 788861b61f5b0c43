"""The access tokens of `SqliteStore`: a document each, and beside it when it was used last."""

import sqlite3
from collections.abc import Mapping

import msgspec

from llm_mcp_hub.domain.access import AccessToken
from llm_mcp_hub.errors import NameTaken
from llm_mcp_hub.state.sqlite_short_jobs import ShortJobs
from llm_mcp_hub.state.sqlite_thread import SqliteThread

_decode_token = msgspec.json.Decoder(AccessToken).decode


class SqliteTokens:
    """Access tokens, without their secrets."""

    _thread: SqliteThread
    _short: ShortJobs

    async def add_token(self, token: AccessToken) -> None:
        """Store a new access token."""
        row = (token.id, token.name, msgspec.json.encode(token))

        def add(db: sqlite3.Connection) -> None:
            added = db.execute(
                "INSERT OR IGNORE INTO access_tokens (id, name, body) VALUES (?, ?, ?)", row
            )
            if not added.rowcount:
                raise NameTaken(
                    f"An access token named {token.name!r} exists; choose another name, "
                    "or delete that one first",
                    param="name",
                )

        await self._thread.run(add, writes=True)

    async def get_token(self, token_id: str) -> AccessToken | None:
        """The access token of that id."""

        def read(db: sqlite3.Connection) -> AccessToken | None:
            found = db.execute("SELECT body FROM access_tokens WHERE id = ?", (token_id,))
            row = found.fetchone()
            return _decode_token(row[0]) if row is not None else None

        # Asked for by all requests of a moment, each time what is known of a token is too old.
        return await self._short.run(read, writes=False)

    async def list_tokens(self) -> tuple[AccessToken, ...]:
        """All access tokens, by name."""

        def read(db: sqlite3.Connection) -> tuple[AccessToken, ...]:
            rows = db.execute("SELECT body FROM access_tokens ORDER BY name")
            return tuple([_decode_token(body) for (body,) in rows])

        return await self._thread.run(read, writes=False)

    async def update_token(self, token: AccessToken) -> bool:
        """Replace an access token."""
        row = (msgspec.json.encode(token), token.id, token.name)

        def update(db: sqlite3.Connection) -> bool:
            done = db.execute("UPDATE access_tokens SET body = ? WHERE id = ? AND name = ?", row)
            return done.rowcount > 0

        return await self._thread.run(update, writes=True)

    async def delete_token(self, name: str) -> bool:
        """Forget an access token."""

        def remove(db: sqlite3.Connection) -> bool:
            removed = db.execute("DELETE FROM access_tokens WHERE name = ?", (name,))
            return removed.rowcount > 0

        return await self._thread.run(remove, writes=True)

    async def note_token_uses(self, uses: Mapping[str, float]) -> None:
        """Record when access tokens were used."""
        rows = [(at, token_id) for token_id, at in uses.items()]
        await self._thread.run(
            lambda db: db.executemany(
                "UPDATE access_tokens SET used_at = max(coalesce(used_at, 0), ?) WHERE id = ?", rows
            ),
            writes=True,
        )

    async def token_uses(self) -> dict[str, float]:
        """When access tokens were used last."""
        return await self._thread.run(
            lambda db: dict(
                db.execute("SELECT id, used_at FROM access_tokens WHERE used_at IS NOT NULL")
            ),
            writes=False,
        )
