"""Who is told when a session has changed, whichever door the turn came through.

Guarantee: a change nobody listens for costs one look; a listener hears of every change in this
process, after it is stored, and one that fails disturbs neither the turn nor the other listeners.
Changes made by another hub on the same state are not heard of.
"""

from collections.abc import Callable

import structlog

SessionListener = Callable[[str, str], None]
"""Called with the principal and the id of a session that has changed; must return at once."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SessionEvents:
    """Tells listeners of changes."""

    def __init__(self) -> None:
        self._listeners: dict[object, SessionListener] = {}

    def listen(self, listener: SessionListener) -> Callable[[], None]:
        """Have a listener told from now on, until what this returns is called."""
        key = object()
        self._listeners[key] = listener

        def stop() -> None:
            self._listeners.pop(key, None)

        return stop

    def changed(self, principal: str, session_id: str) -> None:
        """A session has a new turn, or has been deleted."""
        if self._listeners:
            for listener in list(self._listeners.values()):
                try:
                    listener(principal, session_id)
                except Exception:
                    log.exception("session.listener_failed", session_id=session_id)
