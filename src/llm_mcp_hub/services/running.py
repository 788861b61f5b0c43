"""Every turn between its opening and its end, so that a hub that stops can tell all their callers.

Guarantee: `stop` ends every turn that is not complete with `Draining`, at the place where its
caller waits for it; nothing of a turn that was stopped is stored, and one that is just being
stored is left to finish.
"""

import asyncio
from types import TracebackType
from typing import Protocol

from llm_mcp_hub.errors import Draining

RETRY_SECONDS = 5.0
"""About how long a restart takes once the last turn has ended; another hub may answer at once."""


def refused() -> Draining:
    """The error of a request for which nothing has been spent."""
    return Draining(
        "The hub is shutting down and takes no new turn. Send the request again in a moment.",
        retry_after=RETRY_SECONDS,
    )


def interrupted() -> Draining:
    """The error of a turn that had begun, and may have cost something."""
    return Draining(
        "The hub was stopped before the answer was complete, and nothing of this turn was stored. "
        "Send the request again if you want another answer.",
        retryable=False,
    )


class Stoppable(Protocol):
    """A turn, or the opening of one."""

    async def stop(self) -> None:
        """Have it fail with `Draining`, unless it is complete; bounded."""
        ...


class RunningTurns:
    """The turns of one hub."""

    def __init__(self) -> None:
        self._turns: set[Stoppable] = set()
        self._none: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._turns)

    def add(self, turn: Stoppable) -> None:
        """It runs."""
        self._turns.add(turn)

    def remove(self, turn: Stoppable) -> None:
        """It has ended."""
        self._turns.discard(turn)
        if self._none is not None and not self._turns:
            self._none.set_result(None)
            self._none = None

    async def wait_until_none(self, seconds: float) -> None:
        """Wait for the end of the last one, at most for so long."""
        if self._turns:
            if self._none is None:
                self._none = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._none], timeout=seconds)

    async def stop(self, seconds: float) -> None:
        """Stop them all, and wait for their ends at most for so long."""
        if self._turns:
            loop = asyncio.get_running_loop()
            until = loop.time() + seconds
            await asyncio.wait(
                [loop.create_task(turn.stop()) for turn in self._turns], timeout=seconds
            )
            await self.wait_until_none(until - loop.time())


class Opening:
    """`with Opening(running):` a turn is being opened; `stop` cancels the block.

    Raises:
        Draining: In place of the cancellation, if it was `stop` that cancelled.
    """

    __slots__ = ("_before", "_running", "_stopped", "_task")

    def __init__(self, running: RunningTurns) -> None:
        self._running = running
        self._stopped = False

    def __enter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can open a turn")
        self._task = task
        self._before = task.cancelling()
        self._running.add(self)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.remove(self)
        if (
            self._stopped
            and self._task.uncancel() <= self._before
            and isinstance(error, asyncio.CancelledError)
        ):
            raise refused() from error

    async def stop(self) -> None:
        """Cancel the opening."""
        if not self._stopped:
            self._stopped = True
            self._task.cancel()
