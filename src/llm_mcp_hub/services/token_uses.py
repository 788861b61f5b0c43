"""When access tokens were used last: to the minute, and recorded behind their users' backs.

Guarantee: a request never waits for it; a token that is used all the time is written once in
`USE_SECONDS`.
"""

import asyncio

import structlog

from llm_mcp_hub.errors import HubError
from llm_mcp_hub.state.base import AccessTokenStore

USE_SECONDS = 60.0
WRITE_SECONDS = 5.0
"""What was used within this time is recorded together."""
CLOSE_SECONDS = 1.0
MAX_NOTED = 1024

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class TokenUses:
    """Owns the background writing between the first use and `aclose`."""

    def __init__(self, store: AccessTokenStore) -> None:
        self._store = store
        self._noted: dict[str, float] = {}
        self._unwritten: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None

    def note(self, token_id: str, now: float) -> None:
        """It is used."""
        if now - self._noted.get(token_id, 0.0) < USE_SECONDS:
            return
        if len(self._noted) >= MAX_NOTED:
            self._noted.clear()
        self._noted[token_id] = self._unwritten[token_id] = now
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_SECONDS, self._start)

    async def aclose(self) -> None:
        """Record what is left; bounded."""
        if self._timer is not None:
            self._timer.cancel()
        if self._unwritten:
            self._start()
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=CLOSE_SECONDS)
            self._writing.cancel()

    def _start(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        uses, self._unwritten = self._unwritten, {}
        try:
            await self._store.note_token_uses(uses)
        except HubError as error:
            # The next use is noted in a minute, and nothing else depends on it.
            log.info("access.uses_not_recorded", reason=error.message)
