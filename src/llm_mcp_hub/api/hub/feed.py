"""`GET /v1/events`: what happens in this hub, as it happens."""

from contextlib import suppress
from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter
from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as AsgiScope

from llm_mcp_hub.api.body import ClientGone
from llm_mcp_hub.api.disconnect import unless_client_leaves
from llm_mcp_hub.api.gate import Gate, guard
from llm_mcp_hub.api.sse import EventStream
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.event import EventName, HubEvent
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.events import Events

FEED_PATH = "/v1/events"


def feed_handlers(hub: Hub, gate: Gate) -> list[BaseRouteHandler]:
    """The routes for one hub."""

    @get(
        FEED_PATH,
        guards=[guard(gate, Scope.ADMIN)],
        include_in_schema=False,
        summary="What happens in this hub, as it happens",
    )
    async def get_events(
        event: Annotated[list[EventName] | None, QueryParameter(name="event")] = None,
    ) -> ASGIApp:
        return _Feed(hub.events, tuple(event or ()))

    return [get_events]


class _Feed:
    """The ASGI application that sends events until the client leaves or the hub stops."""

    def __init__(self, events: Events, names: tuple[EventName, ...]) -> None:
        self._events = events
        self._names = names

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's signature
        stream = EventStream(send, [])
        try:
            with suppress(ClientGone):
                async with unless_client_leaves(receive):
                    await self._send_all(stream)
        finally:
            stream.stop()

    async def _send_all(self, stream: EventStream) -> None:
        with self._events.subscribe(*self._names) as subscription:
            # What happens from the moment on in which the client sees this is not missed.
            await stream.write(b": connected\n\n")
            while events := await subscription.take():
                await stream.write(b"".join(map(encode, events)))
        await stream.end()


def encode(event: HubEvent) -> bytes:
    """One event for the wire."""
    return b"event: %s\ndata: %s\n\n" % (event.name.value.encode(), msgspec.json.encode(event))
