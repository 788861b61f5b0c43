"""Listings of `RedisStore`: from sorted sets, a bounded number of sessions in each step.

Everybody's sessions are listed by asking each principal's part for a page and merging them, since
no script may reach from one part of a cluster into another.
"""

import heapq
from typing import Any

from msgspec import Struct

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import Listing, SessionPage, SessionSummary
from llm_mcp_hub.state.base import NEWEST_FIRST
from llm_mcp_hub.state.paging import Position, make_page, position, read_cursor
from llm_mcp_hub.state.redis_client import RedisClient, Script, ScriptCall
from llm_mcp_hub.state.redis_keys import principal_keys, principals_key
from llm_mcp_hub.state.redis_listing_lua import LIST

PRINCIPALS_AT_ONCE = 50
"""How many of them are asked in one round trip when everybody's sessions are listed."""
LOOKED_AT_ONCE = 500
"""How many sessions one script looks at: about a millisecond in which Redis does nothing else."""

_LIST = Script(LIST)


class _Start(Struct, frozen=True):
    """Where a principal's part goes on: after `value`, and of its equals after `session_id`."""

    value: float | str = ""
    ties: str = ""
    session_id: str = ""


class RedisListings:
    """The part of `RedisStore` that is about pages of sessions."""

    _client: RedisClient
    _prefix: str

    async def list_sessions(
        self,
        principal: str | None,
        limit: int,
        cursor: str | None,
        now: float,
        listing: Listing = NEWEST_FIRST,
    ) -> SessionPage:
        """A page of sessions."""
        after = read_cursor(cursor, listing)
        principals = [principal] if principal is not None else await self._principals(now)
        first = heapq.nsmallest if listing.ascending else heapq.nlargest
        found: list[SessionSummary] = []
        for start in range(0, len(principals), PRINCIPALS_AT_ONCE):
            some = principals[start : start + PRINCIPALS_AT_ONCE]
            found += await self._of_some(some, limit + 1, after, now, listing)
            found = first(limit + 1, found, key=lambda one: position(one, listing.sort))
        return make_page(found, limit, listing)

    async def _of_some(
        self,
        principals: list[str],
        limit: int,
        after: Position | None,
        now: float,
        listing: Listing,
    ) -> list[SessionSummary]:
        """The first `limit` of each principal."""
        found: dict[str, list[SessionSummary]] = {name: [] for name in principals}
        going_on = {name: _start(name, after, listing) for name in principals}
        while going_on:
            names = list(going_on)
            calls = [
                self._call(name, going_on[name], limit - len(found[name]), now, listing)
                for name in names
            ]
            replies = await self._client.pipeline(*calls)
            for name, (rows, stopped) in zip(names, replies, strict=True):
                found[name] += [summary_of(name, item.decode(), fields) for item, fields in rows]
                if stopped:
                    value, session_id = stopped
                    going_on[name] = _Start(value.decode(), "some", session_id.decode())
                else:
                    del going_on[name]
        return [summary for each in found.values() for summary in each]

    def _call(
        self, principal: str, start: _Start, limit: int, now: float, listing: Listing
    ) -> ScriptCall:
        keys = principal_keys(self._prefix, principal)
        way = "ZRANGE" if listing.ascending else "ZREVRANGE"
        return ScriptCall(
            _LIST,
            (keys.sorted_by(listing.sort), keys.index),
            (
                *(keys.base, now, way, start.value, start.ties, start.session_id),
                *(limit, LOOKED_AT_ONCE, listing.sort.value, principal, *listing.words),
            ),
        )

    async def _principals(self, now: float) -> list[str]:
        key = principals_key(self._prefix)
        _, names = await self._client.pipeline(
            ("ZREMRANGEBYSCORE", key, "-inf", now), ("ZRANGE", key, 0, -1)
        )
        return [name.decode() for name in names]


def _start(principal: str, after: Position | None, listing: Listing) -> _Start:
    if after is None:
        return _Start()
    value, last_principal, last_id = after
    if principal == last_principal:
        return _Start(repr(value), "some", last_id)
    # Of those with the very same value, whoever comes later in the order is next.
    later = principal > last_principal if listing.ascending else principal < last_principal
    return _Start(repr(value), "all" if later else "none")


def summary_of(principal: str, session_id: str, fields: list[Any]) -> SessionSummary:
    """A session from the fields of its hash."""
    revision, expires_at, created_at, updated_at, digest, count, *usage = fields[:10]
    return SessionSummary(
        id=session_id,
        principal=principal,
        revision=int(revision),
        model=fields[10].decode(),
        system=fields[11].decode(),
        digest=digest.decode(),
        message_count=int(count),
        usage=Usage(*map(int, usage)),
        created_at=float(created_at),
        updated_at=float(updated_at),
        expires_at=float(expires_at),
        # A hub of an older version gives none.
        title=fields[12].decode() if fields[12] is not None else "",
    )
