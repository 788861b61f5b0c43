"""Telling clients that a session they watch has changed, in both eras of the protocol.

Guarantees: a client hears of its own principal's sessions and of no other's, even where the ids
are the same; a client that does not read what it is told holds up nobody, and is told the latest
once it does.

A handshake revision subscribes to one URI at a time and is told on its connection's own stream
(`resources/subscribe`, specification 2025-11-25, "Resources"); 2026-07-28 opens a stream for it
(`subscriptions/listen`).
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from mcp.server.session import ServerSession
from mcp.server.subscriptions import ListenHandler, ResourceUpdated, ServerEvent
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.event import EventName, HubEvent
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.mcp.call import Context, PrincipalOf, connection_of
from llm_mcp_hub.mcp.errors import INVALID_REQUEST, rpc_code
from llm_mcp_hub.mcp.resources import session_id_of, session_uri
from llm_mcp_hub.services.access import require
from llm_mcp_hub.services.events import Events

MAX_WATCHED = 1000
"""URIs that one connection may watch, and streams that listen at once."""

CHANGES = frozenset({EventName.SESSION_CHANGED, EventName.SESSION_DELETED})

_STATE = "llm_mcp_hub.watched"
"""Key of a connection's own state."""


class Subscriptions:
    """The subscriptions of all clients of one server.

    Args:
        events: Who is told of changes.
        principal_of: Who a request comes from.
    """

    def __init__(self, events: Events, principal_of: PrincipalOf) -> None:
        self._events = events
        self._principal_of = principal_of
        self._listening: set[ListenHandler] = set()

    async def listen(
        self, context: Context, params: SubscriptionsListenRequestParams
    ) -> SubscriptionsListenResult:
        """Serve one stream, until its client or `close` ends it."""
        principal = self._principal_of(context)
        for uri in params.notifications.resource_subscriptions or ():
            _check(principal, uri)
        if len(self._listening) >= MAX_WATCHED:
            raise MCPError(INTERNAL_ERROR, "Too many streams listen; try again later.")
        handler = ListenHandler(_PrincipalBus(self._events, principal))
        self._listening.add(handler)
        try:
            return await handler(context, params)
        finally:
            self._listening.discard(handler)

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Watch one resource from now on."""
        principal = self._principal_of(context)
        _check(principal, params.uri)
        connection = connection_of(context)
        watched = connection.state.get(_STATE)
        if watched is None:
            watched = connection.state[_STATE] = _Watched(context.session)
            connection.exit_stack.callback(watched.stop)
            connection.exit_stack.callback(
                self._events.listen(_of(principal, watched.changed)),
            )
        watched.add(params.uri)
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Watch it no more."""
        watched = connection_of(context).state.get(_STATE)
        if watched is not None:
            watched.discard(params.uri)
        return EmptyResult()

    def close(self) -> None:
        """End every stream that listens, in the way that tells its client that it was meant."""
        for handler in list(self._listening):
            handler.close()


class _PrincipalBus:
    """One principal's part of what happens, as the SDK's listen handler takes it."""

    def __init__(self, events: Events, principal: Principal) -> None:
        self._events = events
        self._principal = principal
        self._listeners: list[Callable[[ServerEvent], None]] = []

    async def publish(self, event: ServerEvent) -> None:
        """Tell the listeners of what does not come from the hub's own events."""
        for listener in self._listeners:
            listener(event)

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """Tell a listener from now on, until what this returns is called."""
        stop = self._events.listen(_of(self._principal, lambda uri: listener(ResourceUpdated(uri))))
        self._listeners.append(listener)

        def unsubscribe() -> None:
            stop()
            with suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe


class _Watched:
    """What one connection of a handshake revision watches."""

    def __init__(self, session: ServerSession) -> None:
        self._session = session
        self._uris: set[str] = set()
        self._changed: dict[str, None] = {}
        self._telling: asyncio.Task[None] | None = None

    def add(self, uri: str) -> None:
        if len(self._uris) >= MAX_WATCHED:
            raise MCPError(INVALID_REQUEST, f"A connection may watch {MAX_WATCHED} resources.")
        self._uris.add(uri)

    def discard(self, uri: str) -> None:
        self._uris.discard(uri)
        self._changed.pop(uri, None)

    def changed(self, uri: str) -> None:
        if uri in self._uris:
            self._changed[uri] = None
            if self._telling is None or self._telling.done():
                self._telling = asyncio.get_running_loop().create_task(self._tell())

    def stop(self) -> None:
        if self._telling is not None:
            self._telling.cancel()

    async def _tell(self) -> None:
        while self._changed:
            uri = next(iter(self._changed))
            del self._changed[uri]
            await self._session.send_resource_updated(uri)


def _of(principal: Principal, told: Callable[[str], None]) -> Callable[[HubEvent], None]:
    """A listener that is told the URIs of one principal's sessions."""

    def listener(event: HubEvent) -> None:
        if event.name in CHANGES and event.owner == principal.name and event.session_id:
            told(session_uri(event.session_id))

    return listener


def _check(principal: Principal, uri: str) -> None:
    if session_id_of(uri) is None:
        return
    try:
        require(principal, Scope.SESSIONS)
    except HubError as error:
        raise MCPError(rpc_code(error) or INVALID_REQUEST, error.message) from None
