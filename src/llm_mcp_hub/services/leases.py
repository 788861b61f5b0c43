"""Keeps the leases of running turns alive, however long the turns take.

Guarantee: a lease of this hub does not pass while its turn runs and the state store can be
reached; when the hub dies, its leases pass within `LEASE_SECONDS`; when the session of a turn is
deleted, at whatever hub, its owner hears of it with the next renewal.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec
import structlog
from msgspec import Struct

from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.base import Lease, SessionKey, SessionStore

LEASE_SECONDS = 30.0
RENEW_SECONDS = LEASE_SECONDS / 3
SURE_SECONDS = LEASE_SECONDS - RENEW_SECONDS / 2
"""A lease that was alive so recently can't have passed by itself."""

Lost = Callable[[str, SessionKey], None]

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class _Held(Struct, frozen=True):
    key: SessionKey
    since: float
    alive_at: float


class LeaseKeeper:
    """Owns one background task between `start` and `aclose`.

    Args:
        store: Where the leases are.
        lost: Called with the id of a turn and its session once that has been deleted.
    """

    def __init__(self, store: SessionStore, lost: Lost = lambda _turn, _key: None) -> None:
        self._store = store
        self._lost = lost
        self._held: dict[str, _Held] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to renew."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def hold(self, turn_id: str, principal: str, session_id: str) -> None:
        """Renew the turn's lease from now on."""
        self._held[turn_id] = _Held((principal, session_id), time.monotonic(), time.time())

    def drop(self, turn_id: str) -> None:
        """The turn has given its lease back."""
        self._held.pop(turn_id, None)

    async def renew(self) -> None:
        """Renew the leases of all turns that have run for a while."""
        due = time.monotonic() - RENEW_SECONDS / 2
        for turn_id, held in list(self._held.items()):
            if held.since <= due:
                try:
                    await self._renew(turn_id, held)
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

    async def _renew(self, turn_id: str, held: _Held) -> None:
        now = time.time()
        renewed = await self._store.renew([held.key], Lease(turn_id, LEASE_SECONDS), now)
        if turn_id not in self._held:
            return  # given back meanwhile
        if renewed:
            self._held[turn_id] = msgspec.structs.replace(held, alive_at=now)
        elif now - held.alive_at < SURE_SECONDS:
            # One that was away for longer may have passed, and its turn can still be stored.
            self.drop(turn_id)
            log.info("session.ended_elsewhere", turn_id=turn_id)
            self._lost(turn_id, held.key)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.renew()
