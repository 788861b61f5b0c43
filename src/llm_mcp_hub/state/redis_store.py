"""State in Redis, shared by every hub that names the same one: any of them can serve any session.

Each call is one round trip, `list_sessions` for everybody aside, and one atomic script: a turn
costs two, to begin and to append. Keys are laid out for Redis Cluster (see `redis_keys`).
"""

import heapq
from collections.abc import Sequence
from typing import Any

import msgspec

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import (
    Session,
    SessionAppend,
    SessionPage,
    SessionSummary,
    StoredMessage,
)
from llm_mcp_hub.domain.transcript import EMPTY
from llm_mcp_hub.state import redis_scripts as lua
from llm_mcp_hub.state.base import Lease
from llm_mcp_hub.state.change import busy, moved_on
from llm_mcp_hub.state.paging import Position, make_page, position, read_cursor
from llm_mcp_hub.state.redis_client import (
    OPERATION_SECONDS,
    RedisClient,
    Script,
    ScriptCall,
    Value,
)
from llm_mcp_hub.state.redis_journals import RedisJournals
from llm_mcp_hub.state.redis_keys import (
    PrincipalKeys,
    principal_keys,
    principals_key,
)
from llm_mcp_hub.state.redis_limits import RedisLimits
from llm_mcp_hub.state.redis_records import RedisRecords
from llm_mcp_hub.state.redis_tokens import RedisTokens
from llm_mcp_hub.state.redis_url import RedisAddress
from llm_mcp_hub.state.redis_usage import RedisUsage

SLACK_SECONDS = 3600.0
"""Keys outlive what they hold by so much. Their expiry only collects garbage, by the clock of
the server, which may differ from the hub's."""
PRINCIPAL_SLACK_SECONDS = 7 * 86400.0
"""How much longer somebody stays on the list of principals than their last stored turn: a
running turn may prolong a session, but never by so much."""
PRINCIPALS_AT_ONCE = 50
"""How many of them are asked in one round trip when everybody's sessions are listed."""

_encode = msgspec.json.Encoder().encode
_decode_messages = msgspec.json.Decoder(tuple[StoredMessage, ...]).decode

_BEGIN = Script(lua.BEGIN)
_BEGIN_BY_DIGEST = Script(lua.BEGIN_BY_DIGEST)
_APPEND = Script(lua.APPEND)
_RENEW = Script(lua.RENEW)
_RELEASE = Script(lua.RELEASE)
_GET = Script(lua.GET)
_DELETE = Script(lua.DELETE)
_LIST = Script(lua.LIST)


class RedisStore(RedisJournals, RedisRecords, RedisTokens, RedisUsage, RedisLimits):
    """All of the hub's state in Redis 6.2 or later."""

    name = "redis"

    def __init__(self, address: RedisAddress, *, deadline: float = OPERATION_SECONDS) -> None:
        super().__init__(RedisClient(address, deadline=deadline), address.prefix)

    async def open(self) -> None:
        """Connect."""
        await self.ping()

    async def ping(self) -> None:
        """Ask the server for a sign of life."""
        await self._client.pipeline(("PING",))

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def begin(
        self, principal: str, session_id: str, lease: Lease, now: float
    ) -> Session | None:
        """Take the lease on a session and read it."""
        keys = self._keys(principal)
        reply = await self._client.call(
            _BEGIN,
            _of_session(keys, session_id),
            *(keys.base, session_id, now, *_of_lease(lease, now)),
        )
        if reply == b"busy":
            raise busy(session_id)
        return _session(principal, reply)

    async def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        """Find the session with the transcript, and lease it."""
        keys = self._keys(principal)
        reply = await self._client.call(
            _BEGIN_BY_DIGEST,
            (keys.digest(digest), keys.index, keys.ends),
            *(keys.base, digest, now, *_of_lease(lease, now)),
        )
        return _session(principal, reply)

    async def append(
        self,
        principal: str,
        session_id: str,
        lease_id: str,
        change: SessionAppend,
        ttl: float,
        now: float,
    ) -> SessionSummary:
        """Store a turn and give the lease back."""
        keys = self._keys(principal)
        expected = change.expected_created_at
        script = ScriptCall(
            _APPEND,
            _of_session(keys, session_id),
            (
                *(keys.base, session_id, now, lease_id, now + ttl, _milliseconds(ttl)),
                *(change.expected_revision, "" if expected is None else expected, change.keep),
                change.messages[-1].digest if change.messages else EMPTY,
                *(change.model, change.system),
                *msgspec.structs.astuple(change.usage),
                *map(_encode, change.messages),
            ),
        )
        # First, and in its own slot: whoever is listed without a session does no harm, a
        # session whose principal is not listed would be missing in everybody's listing.
        listed = ("ZADD", principals_key(self._prefix), "GT", now + ttl + PRINCIPAL_SLACK_SECONDS)
        _, reply = await self._client.pipeline((*listed, principal), script)
        if reply is None:
            raise moved_on(session_id)
        return _summary(principal, session_id, reply)

    async def renew(self, leases: Sequence[tuple[str, str]], lease: Lease, now: float) -> None:
        """Prolong leases that are held."""
        calls = []
        for principal, session_id in leases:
            keys = self._keys(principal)
            args = (keys.base, session_id, now, *_of_lease(lease, now))
            calls.append(ScriptCall(_RENEW, _of_session(keys, session_id), args))
        if calls:
            await self._client.pipeline(*calls)

    async def release(self, principal: str, session_id: str, lease_id: str) -> None:
        """Give a lease back."""
        keys = self._keys(principal)
        await self._client.call(_RELEASE, (keys.lease(session_id),), lease_id)

    async def get(self, principal: str, session_id: str, now: float) -> Session | None:
        """A session with its messages."""
        keys = self._keys(principal)
        reply = await self._client.call(
            _GET, (keys.session(session_id), keys.messages(session_id)), session_id, now
        )
        return _session(principal, reply)

    async def delete(self, principal: str, session_id: str, now: float) -> bool:
        """Forget a session and its lease."""
        keys = self._keys(principal)
        existed = await self._client.call(
            _DELETE, _of_session(keys, session_id), keys.base, session_id, now
        )
        return bool(existed)

    async def list_sessions(
        self, principal: str | None, limit: int, cursor: str | None, now: float
    ) -> SessionPage:
        """A page of sessions, newest first."""
        after = read_cursor(cursor)
        principals = [principal] if principal is not None else await self._principals(now)
        found: list[SessionSummary] = []
        for start in range(0, len(principals), PRINCIPALS_AT_ONCE):
            some = principals[start : start + PRINCIPALS_AT_ONCE]
            replies = await self._client.pipeline(
                *(self._listing(each, limit + 1, after, now) for each in some)
            )
            for each, reply in zip(some, replies, strict=True):
                found += [_summary(each, item.decode(), fields) for item, fields in reply]
            found = heapq.nlargest(limit + 1, found, key=position)
        return make_page(found, limit)

    def _keys(self, principal: str) -> PrincipalKeys:
        return principal_keys(self._prefix, principal)

    async def _principals(self, now: float) -> list[str]:
        key = principals_key(self._prefix)
        _, names = await self._client.pipeline(
            ("ZREMRANGEBYSCORE", key, "-inf", now), ("ZRANGE", key, 0, -1)
        )
        return [name.decode() for name in names]

    def _listing(
        self, principal: str, limit: int, after: Position | None, now: float
    ) -> ScriptCall:
        keys = self._keys(principal)
        start, below = "+inf", ""
        if after is not None:
            updated_at, last_principal, last_id = after
            # Of those changed at the very same time, who comes later in the order is next.
            start = repr(updated_at) if principal <= last_principal else f"({updated_at!r}"
            below = last_id if principal == last_principal else ""
        return ScriptCall(_LIST, (keys.index, keys.ends), (keys.base, now, start, below, limit))


def _of_session(keys: PrincipalKeys, session_id: str) -> tuple[str, ...]:
    return (
        keys.session(session_id),
        keys.messages(session_id),
        keys.lease(session_id),
        keys.index,
        keys.ends,
    )


def _of_lease(lease: Lease, now: float) -> tuple[Value, ...]:
    return (lease.id, now + lease.seconds, _milliseconds(lease.seconds))


def _milliseconds(seconds: float) -> int:
    return int((max(seconds, 0.0) + SLACK_SECONDS) * 1000)


def _session(principal: str, reply: Any) -> Session | None:
    if reply is None:
        return None
    session_id, fields, messages = reply
    return Session(
        _summary(principal, session_id.decode(), fields),
        _decode_messages(b"[" + b",".join(messages) + b"]"),
    )


def _summary(principal: str, session_id: str, fields: list[bytes]) -> SessionSummary:
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
    )
