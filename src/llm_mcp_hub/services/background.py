"""Turns that are read by a task of their own, so that whoever waits for one can stop waiting.

Guarantee: the turn is closed whatever happens, also when nobody waits any more; when `aclose`
returns no such task is left.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from llm_mcp_hub.domain.chunk import Chunk
from llm_mcp_hub.errors import HubError, InternalError
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.services.turn import CLOSE_SECONDS, Turn

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class BackgroundTurn:
    """A turn being read; made by `BackgroundTurns.start`.

    Attributes:
        turn: The turn.
        error: How it failed, None if it did not.
        ended: Whether its completion or its error is there.
    """

    def __init__(self, turn: Turn | FollowedTurn) -> None:
        self.turn = turn
        self.error: HubError | None = None
        self.ended = False
        self._reading: asyncio.Task[None] | None = None
        self._begun = False
        self._unwanted = False
        self._leaving: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Nobody wants the answer: end the turn."""
        self._unwanted = True
        if self._reading is not None and self._begun:
            self._reading.cancel()  # one that has not begun could not close the turn

    def leave(self) -> None:
        """The connection is gone: end the turn unless its caller comes back in time."""
        if not self.ended and self._leaving is None:
            self._leaving = asyncio.get_running_loop().create_task(self._give_up())

    async def _give_up(self) -> None:
        await self.turn.until_abandoned()
        self.cancel()

    async def _read(
        self, came: Callable[[Sequence[Chunk]], None], ended: Callable[[], None]
    ) -> None:
        self._begun = True
        try:
            if self._unwanted:
                raise asyncio.CancelledError
            async for chunks in self.turn:
                came(chunks)
        except HubError as error:
            self.error = error
        except asyncio.CancelledError:
            self.error = InternalError("The turn was ended because nobody waited for its answer.")
            raise
        except Exception:
            log.exception("turn.reader_failed", turn_id=self.turn.turn_id)
            self.error = InternalError("The hub failed; its log has the details.")
        finally:
            try:
                await self.turn.aclose()
            finally:
                self.ended = True
                if self._leaving is not None:
                    self._leaving.cancel()
                ended()


class BackgroundTurns:
    """Owns the readers of one hub."""

    def __init__(self) -> None:
        self._running: dict[asyncio.Task[None], BackgroundTurn] = {}

    def start(
        self,
        turn: Turn | FollowedTurn,
        came: Callable[[Sequence[Chunk]], None],
        ended: Callable[[], None],
    ) -> BackgroundTurn:
        """Read a turn from now on.

        Args:
            turn: It is closed at its end.
            came: Called with each batch of chunks.
            ended: Called once the turn is closed.
        """
        background = BackgroundTurn(turn)
        reader = asyncio.get_running_loop().create_task(background._read(came, ended))  # noqa: SLF001  # its only maker
        background._reading = reader  # noqa: SLF001
        self._running[reader] = background
        reader.add_done_callback(self._running.pop)
        return background

    def find(self, turn_id: str) -> BackgroundTurn | None:
        """The one of that turn, if it is read here."""
        return next((one for one in self._running.values() if one.turn.turn_id == turn_id), None)

    async def aclose(self) -> None:
        """End every turn that is still read; bounded."""
        for background in self._running.values():
            background.cancel()
        if self._running:
            await asyncio.wait(list(self._running), timeout=CLOSE_SECONDS)
