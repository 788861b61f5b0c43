"""Keeps the leases of running turns alive, however long the turns take.

Guarantee: a lease of this hub does not pass while its turn runs and the state store can be
reached; when the hub dies, its leases pass within `LEASE_SECONDS`.
"""

import asyncio
import time

import structlog

from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.base import Lease, SessionStore

LEASE_SECONDS = 30.0
RENEW_SECONDS = LEASE_SECONDS / 3

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class LeaseKeeper:
    """Owns one background task between `start` and `aclose`."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self._held: dict[str, tuple[str, str, float]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to renew."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def hold(self, turn_id: str, principal: str, session_id: str) -> None:
        """Renew the turn's lease from now on."""
        self._held[turn_id] = (principal, session_id, time.monotonic())

    def drop(self, turn_id: str) -> None:
        """The turn has given its lease back."""
        self._held.pop(turn_id, None)

    async def renew(self) -> None:
        """Renew the leases of all turns that have run for a while."""
        due = time.monotonic() - RENEW_SECONDS / 2
        for turn_id, (principal, session_id, since) in list(self._held.items()):
            if since <= due:
                lease = Lease(turn_id, LEASE_SECONDS)
                try:
                    await self._store.renew([(principal, session_id)], lease, time.time())
                except StateUnavailable as error:
                    log.warning("session.leases_not_renewed", reason=error.message)
                    return  # the others would only wait for the same store
                except Exception:  # a defect with one lease must not cost the others theirs
                    log.exception("session.lease_not_renewed", turn_id=turn_id)

    async def aclose(self) -> None:
        """Stop renewing."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.renew()
