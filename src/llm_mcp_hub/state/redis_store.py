"""State in Redis, shared by every hub that names the same one: any of them can serve any session.

Each call is one round trip, `list_sessions` for everybody aside, and one atomic script: a turn
costs two, to begin and to append. Keys are laid out for Redis Cluster (see `redis_keys`).
"""

from collections.abc import Sequence

from llm_mcp_hub.domain.session import Session, SessionAppend, SessionSummary
from llm_mcp_hub.state import redis_scripts as lua
from llm_mcp_hub.state.base import Lease, SessionKey
from llm_mcp_hub.state.change import busy, moved_on
from llm_mcp_hub.state.recent_sessions import RecentSession, RecentSessions
from llm_mcp_hub.state.redis_client import (
    OPERATION_SECONDS,
    RedisClient,
    Script,
    ScriptCall,
)
from llm_mcp_hub.state.redis_journals import RedisJournals
from llm_mcp_hub.state.redis_keys import (
    KNOWN_PRINCIPALS,
    PrincipalKeys,
    principal_keys,
    principals_key,
)
from llm_mcp_hub.state.redis_limits import RedisLimits
from llm_mcp_hub.state.redis_listing import RedisListings
from llm_mcp_hub.state.redis_records import RedisRecords
from llm_mcp_hub.state.redis_sessions import (
    after_append,
    append_args,
    encode_message,
    known_session,
    lease_args,
    milliseconds,
    pack,
    read_session,
    remember,
    version_of,
)
from llm_mcp_hub.state.redis_tokens import RedisTokens
from llm_mcp_hub.state.redis_url import RedisAddress
from llm_mcp_hub.state.redis_usage import RedisUsage

PRINCIPAL_SLACK_SECONDS = 7 * 86400.0
"""How much longer somebody stays on the list of principals than their last stored turn: a
running turn may prolong a session, but never by so much."""
LISTED_AGAIN_SECONDS = 3600.0
"""A time later by less than this need not be told to the list of principals again."""

_BEGIN = Script(lua.BEGIN)
_BEGIN_BY_DIGEST = Script(lua.BEGIN_BY_DIGEST)
_APPEND = Script(lua.APPEND)
_RENEW = Script(lua.RENEW)
_RELEASE = Script(lua.RELEASE)
_GET = Script(lua.GET)
_DELETE = Script(lua.DELETE)
_HOLDERS = Script(lua.HOLDERS)


class RedisStore(RedisListings, RedisJournals, RedisRecords, RedisTokens, RedisUsage, RedisLimits):
    """All of the hub's state in Redis 6.2 or later."""

    name = "redis"

    def __init__(self, address: RedisAddress, *, deadline: float = OPERATION_SECONDS) -> None:
        super().__init__(RedisClient(address, deadline=deadline), address.prefix)
        self._recent = RecentSessions()
        self._listed_until: dict[str, float] = {}
        """By principal, what the list of them has been told."""

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
        known = self._known(principal, session_id)
        reply = await self._client.call(
            _BEGIN,
            (keys.session(session_id), keys.messages(session_id), keys.lease(session_id)),
            pack((keys.base, session_id, now, *lease_args(lease, now), *version_of(known))),
        )
        if reply == b"busy":
            raise busy(session_id)
        if reply is None:
            return None
        return known_session(reply, known) or self._read(principal, reply)

    async def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        """Find the session with the transcript, and lease it."""
        keys = self._keys(principal)
        reply = await self._client.call(
            _BEGIN_BY_DIGEST,
            (keys.digest(digest),),
            pack((keys.base, digest, now, *lease_args(lease, now))),
        )
        return self._read(principal, reply) if reply is not None else None

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
        messages = [encode_message(message) for message in change.messages]
        times = (now, lease_id, now + ttl, milliseconds(ttl))
        args = pack((keys.base, session_id, *times, *append_args(change)))
        script = ScriptCall(_APPEND, _of_session(keys, session_id), (args, *messages))
        listed_until = now + ttl + PRINCIPAL_SLACK_SECONDS
        if self._is_listed(principal, change, listed_until):
            (reply,) = await self._client.pipeline(script)
        else:
            # First, and in its own slot: whoever is listed without a session does no harm, a
            # session whose principal is not listed would be missing in everybody's listing.
            listed = ("ZADD", principals_key(self._prefix), "GT", listed_until, principal)
            _, reply = await self._client.pipeline(listed, script)
            self._note_listed(principal, listed_until)
        if reply is None:
            self._recent.forget(principal, session_id)
            raise moved_on(session_id)
        summary = after_append(principal, session_id, change, reply, now + ttl, now)
        remember(self._recent, summary, change, reply, sum(map(len, messages)))
        return summary

    async def renew(
        self, leases: Sequence[SessionKey], lease: Lease, now: float
    ) -> tuple[SessionKey, ...]:
        """Prolong leases that are held."""
        calls = []
        for principal, session_id in leases:
            keys = self._keys(principal)
            named = (keys.session(session_id), keys.messages(session_id), keys.lease(session_id))
            args = (keys.base, session_id, now, *lease_args(lease, now))
            calls.append(ScriptCall(_RENEW, named, (pack(args),)))
        replies = await self._client.pipeline(*calls) if calls else ()
        return tuple([key for key, held in zip(leases, replies, strict=True) if held])

    async def holders(self, keys: Sequence[SessionKey], now: float) -> tuple[str | None, ...]:
        """Which lease is held on each."""
        calls = [
            ScriptCall(_HOLDERS, (self._keys(principal).lease(session_id),), (now,))
            for principal, session_id in keys
        ]
        replies = await self._client.pipeline(*calls) if calls else ()
        return tuple([name.decode() if name is not None else None for name in replies])

    async def release(self, principal: str, session_id: str, lease_id: str) -> None:
        """Give a lease back."""
        keys = self._keys(principal)
        await self._client.call(_RELEASE, (keys.lease(session_id),), lease_id)

    async def get(self, principal: str, session_id: str, now: float) -> Session | None:
        """A session with its messages."""
        keys = self._keys(principal)
        known = self._known(principal, session_id)
        reply = await self._client.call(
            _GET,
            (keys.session(session_id), keys.messages(session_id)),
            pack((session_id, now, *version_of(known))),
        )
        if reply is None:
            return None
        return known_session(reply, known) or read_session(principal, reply)[0]

    async def delete(self, principal: str, session_id: str, now: float) -> bool:
        """Forget a session and its lease."""
        self._recent.forget(principal, session_id)
        keys = self._keys(principal)
        existed = await self._client.call(
            _DELETE, _of_session(keys, session_id), keys.base, session_id, now
        )
        return bool(existed)

    def _keys(self, principal: str) -> PrincipalKeys:
        return principal_keys(self._prefix, principal)

    def _known(self, principal: str, session_id: str) -> Session | None:
        recent = self._recent.find(principal, session_id)
        return recent.session if recent is not None else None

    def _read(self, principal: str, reply: object) -> Session:
        session, size = read_session(principal, reply)
        self._recent.keep(RecentSession(session, size))
        return session

    def _is_listed(self, principal: str, change: SessionAppend, until: float) -> bool:
        """Whether somebody is on the list of principals for about so long already.

        A new session has it said again in any case: what Redis has lost, it has lost together
        with the sessions from before.
        """
        listed_until = self._listed_until.get(principal, 0.0)
        return change.expected_revision > 0 and listed_until >= until - LISTED_AGAIN_SECONDS

    def _note_listed(self, principal: str, until: float) -> None:
        if len(self._listed_until) >= KNOWN_PRINCIPALS:
            self._listed_until.clear()
        self._listed_until[principal] = until


def _of_session(keys: PrincipalKeys, session_id: str) -> tuple[str, ...]:
    named = (keys.session(session_id), keys.messages(session_id), keys.lease(session_id))
    return (*named, *keys.indexes)
