"""Events of this hub for those who watch it, such as a dashboard.

Guarantees: publishing never waits and never fails; a subscriber gets the events since it
subscribed in order, and is told how many it missed if it was too slow to take them; without a
subscriber an event costs the look at `listening`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import structlog

from llm_mcp_hub.domain.event import EventName, HubEvent

MAX_WAITING = 512
"""Events kept for one subscriber that does not take them."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Events:
    """The events of one hub. Used on its event loop only.

    Ask `listening` before putting an event together on a path that has to be fast.

    Attributes:
        listening: Whether anybody would get an event.
    """

    def __init__(self) -> None:
        self.listening = False
        self._subscriptions: set[Subscription] = set()
        self._listeners: dict[object, Callable[[HubEvent], None]] = {}
        self._ended = False

    def publish(self, name: EventName, **details: Any) -> None:
        """Tell every subscriber; `details` are fields of `HubEvent`."""
        if self.listening:
            event = HubEvent(name, time.time(), **details)
            for subscription in self._subscriptions:
                subscription.put(event)
            for listener in list(self._listeners.values()):
                try:
                    listener(event)
                except Exception:  # disturbs neither what has happened nor the others
                    log.exception("events.listener_failed", event_name=event.name)

    def listen(self, listener: Callable[[HubEvent], None]) -> Callable[[], None]:
        """Have a listener told at once, which must return at once, until the result is called."""
        key = object()
        self._listeners[key] = listener
        self.listening = True

        def stop() -> None:
            self._listeners.pop(key, None)
            self._look()

        return stop

    def subscribe(self, *names: EventName, owner: str | None = None) -> "Subscription":
        """Events from now on: `with events.subscribe() as subscription:`.

        Args:
            names: Those to get; all if none is given.
            owner: Those of one principal's turns and sessions only.
        """
        return Subscription(self, frozenset(names), owner)

    def end(self) -> None:
        """The hub stops: every subscription ends once what is waiting has been taken."""
        self._ended = True
        for subscription in self._subscriptions:
            subscription.end()

    def add(self, subscription: "Subscription") -> None:
        """For `Subscription`: it begins."""
        self._subscriptions.add(subscription)
        self.listening = True
        if self._ended:
            subscription.end()

    def remove(self, subscription: "Subscription") -> None:
        """For `Subscription`: it is over."""
        self._subscriptions.discard(subscription)
        self._look()

    def _look(self) -> None:
        self.listening = bool(self._subscriptions or self._listeners)


class Subscription:
    """Events for one subscriber, inside a `with` block."""

    def __init__(self, events: Events, names: frozenset[EventName], owner: str | None) -> None:
        self._events = events
        self._names = names
        self._owner = owner
        self._waiting: deque[HubEvent] = deque()
        self._missed = 0
        self._ended = False
        self._more: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._events.add(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._events.remove(self)

    async def take(self) -> list[HubEvent]:
        """What has happened since the last time; waits for something. Empty: the hub stops.

        Who was too slow gets `events.missed` in place of what was left out.
        """
        while not (self._waiting or self._missed or self._ended):
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        taken = list(self._waiting)
        self._waiting.clear()
        if self._missed:
            taken.append(HubEvent(EventName.EVENTS_MISSED, time.time(), missed=self._missed))
            self._missed = 0
        return taken

    def put(self, event: HubEvent) -> None:
        """For `Events`: one more."""
        if self._names and event.name not in self._names:
            return
        if self._owner is not None and event.owner != self._owner:
            return
        # Whoever missed one misses all until it reads: what it has is a row without gaps.
        if self._missed or len(self._waiting) >= MAX_WAITING:
            self._missed += 1
        else:
            self._waiting.append(event)
        self._wake()

    def end(self) -> None:
        """For `Events`: nothing more comes."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        more, self._more = self._more, None
        if more is not None and not more.done():
            more.set_result(None)
