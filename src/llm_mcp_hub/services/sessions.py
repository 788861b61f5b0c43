"""Looking at sessions and ending them, under the rule that a session belongs to its principal."""

import time

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.session import Session, SessionPage
from llm_mcp_hub.errors import InvalidRequest, UnknownSession
from llm_mcp_hub.services.access import require
from llm_mcp_hub.services.session_events import SessionEvents
from llm_mcp_hub.state.base import SessionStore

MAX_PAGE = 200


class SessionService:
    """Reads and deletes sessions. Those of another principal need the scope `admin`.

    Args:
        store: Where they are.
        events: Told of what is deleted.
    """

    def __init__(self, store: SessionStore, events: SessionEvents | None = None) -> None:
        self._store = store
        self._events = events if events is not None else SessionEvents()

    async def list(
        self,
        caller: Principal,
        owner: str | None,
        limit: int,
        cursor: str | None,
        *,
        everybody: bool = False,
    ) -> SessionPage:
        """A page of sessions, newest first.

        Args:
            caller: Who asks.
            owner: Whose sessions; None for the caller's own.
            limit: 1 to `MAX_PAGE`.
            cursor: `next_cursor` of the page before.
            everybody: All principals' sessions instead.
        """
        self._allow(caller, None if everybody else owner or caller.name)
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidRequest(f"`limit` is 1 to {MAX_PAGE}.", param="limit")
        principal = None if everybody else owner or caller.name
        return await self._store.list_sessions(principal, limit, cursor, time.time())

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

    async def delete(self, caller: Principal, owner: str | None, session_id: str) -> None:
        """Forget a session.

        Raises:
            UnknownSession: The principal has none of that id.
        """
        principal = owner or caller.name
        self._allow(caller, principal)
        if not await self._store.delete(principal, session_id, time.time()):
            raise _unknown(session_id)
        self._events.changed(principal, session_id)

    def _allow(self, caller: Principal, principal: str | None) -> None:
        require(caller, Scope.SESSIONS if principal == caller.name else Scope.ADMIN)


def _unknown(session_id: str) -> UnknownSession:
    return UnknownSession(
        f"You have no session {session_id!r}, or it has expired. `GET /v1/sessions` lists them."
    )
