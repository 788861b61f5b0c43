"""Looking at sessions and ending them, under the rule that a session belongs to its principal."""

import time
from collections.abc import Sequence

import structlog

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.event import EventName
from llm_mcp_hub.domain.session import Listing, Session, SessionPage
from llm_mcp_hub.errors import InvalidRequest, SessionEnded, UnknownSession
from llm_mcp_hub.services.access import require
from llm_mcp_hub.services.events import Events
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.state.base import NEWEST_FIRST, SessionKey, SessionStore

MAX_PAGE = 200
END_SECONDS = 5.0
"""How long a turn whose session is deleted may take to let go of it."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SessionService:
    """Reads and deletes sessions. Those of another principal need the scope `admin`.

    Args:
        store: Where they are.
        running: The turns of this hub.
        events: Told of what is deleted.
    """

    def __init__(
        self,
        store: SessionStore,
        running: RunningTurns | None = None,
        events: Events | None = None,
    ) -> None:
        self._store = store
        self._running = running if running is not None else RunningTurns()
        self._events = events if events is not None else Events()

    async def list(
        self,
        caller: Principal,
        owner: str | None,
        limit: int,
        cursor: str | None,
        *,
        everybody: bool = False,
        listing: Listing = NEWEST_FIRST,
    ) -> SessionPage:
        """A page of sessions.

        Args:
            caller: Who asks.
            owner: Whose sessions; None for the caller's own.
            limit: 1 to `MAX_PAGE`.
            cursor: `next_cursor` of the page before.
            everybody: All principals' sessions instead.
            listing: Which of them, and in what order.
        """
        self._allow(caller, None if everybody else owner or caller.name)
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidRequest(f"`limit` is 1 to {MAX_PAGE}.", param="limit")
        principal = None if everybody else owner or caller.name
        return await self._store.list_sessions(principal, limit, cursor, time.time(), listing)

    async def get(self, caller: Principal, owner: str | None, session_id: str) -> Session:
        """A session with its messages.

        Raises:
            UnknownSession: The principal has none of that id.
        """
        principal = owner or caller.name
        self._allow(caller, principal)
        session = await self._store.get(principal, session_id, time.time())
        if session is None:
            raise _unknown(session_id)
        return session

    async def turns_on(self, keys: Sequence[SessionKey]) -> tuple[str | None, ...]:
        """The id of the turn that runs on each session, at whatever hub; None where none does."""
        return await self._store.holders(keys, time.time()) if keys else ()

    async def delete(self, caller: Principal, owner: str | None, session_id: str) -> None:
        """Forget a session. A turn that runs on it is interrupted: its caller gets `SessionEnded`.

        One of this hub's at once, another hub's when that renews the lease.

        Raises:
            UnknownSession: The principal has none of that id, and none is being begun.
        """
        principal = owner or caller.name
        self._allow(caller, principal)
        key = (principal, session_id)
        interrupted = await self._running.end(key, session_ended(session_id), END_SECONDS)
        (elsewhere,) = await self._store.holders([key], time.time())
        existed = await self._store.delete(principal, session_id, time.time())
        if not (existed or interrupted or elsewhere):
            raise _unknown(session_id)
        log.info("session.deleted", session_id=session_id, owner=principal, by=caller.name)
        self._events.publish(EventName.SESSION_DELETED, owner=principal, session_id=session_id)

    def _allow(self, caller: Principal, principal: str | None) -> None:
        require(caller, Scope.SESSIONS if principal == caller.name else Scope.ADMIN)


def session_ended(session_id: str) -> SessionEnded:
    """The error of a turn whose session was deleted."""
    return SessionEnded(
        f"The session {session_id!r} was deleted while this turn ran, so the turn was interrupted "
        "and nothing of it was stored. Begin another session if you still want an answer."
    )


def _unknown(session_id: str) -> UnknownSession:
    return UnknownSession(
        f"You have no session {session_id!r}, or it has expired. `GET /v1/sessions`, or "
        "`llm-mcp-hub sessions list`, lists them."
    )
