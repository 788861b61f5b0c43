"""Every turn between its opening and its end, so that whoever stops one can tell its caller.

Guarantee: `stop` ends every turn that is not complete with `Draining`, and `end` those of a session
with the given error, at the place where its caller waits for it; nothing of a turn that was
stopped is stored, and one that is just being stored is left to finish.
"""

import asyncio
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from llm_mcp_hub.errors import Draining, HubError
from llm_mcp_hub.state.base import SessionKey

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
        "The hub, or the provider, was stopped before the answer was complete, and nothing of this "
        "turn was stored. Send the request again if you want another answer.",
        retryable=False,
    )


class Stoppable(Protocol):
    """A turn, or the opening of one.

    Attributes:
        on: The session it is a turn of, None if that is not known or there is none.
        turn_id: Its id, None while it has none.
    """

    @property
    def on(self) -> SessionKey | None: ...  # noqa: D102  # described above
    @property
    def turn_id(self) -> str | None: ...  # noqa: D102  # described above

    async def stop(self, error: HubError | None = None) -> None:
        """Have it fail with the error, by default `Draining`, unless it is complete; bounded."""
        ...


class RunningTurns:
    """The turns of one hub, each with its provider once that is known."""

    def __init__(self) -> None:
        self._turns: dict[Stoppable, str | None] = {}
        self._none: dict[str | None, asyncio.Future[None]] = {}
        self._gone: dict[Stoppable, asyncio.Future[None]] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def __iter__(self) -> Iterator[Stoppable]:
        return iter(list(self._turns))

    def count(self, provider: str) -> int:
        """How many are a provider's."""
        return len(self._of(provider))

    def add(self, turn: Stoppable, provider: str | None = None) -> None:
        """It runs, or it is known now whose it is, or it has become another's."""
        self._turns[turn] = provider
        self._tell_waiting()

    def remove(self, turn: Stoppable) -> None:
        """It has ended."""
        self._turns.pop(turn, None)
        gone = self._gone.pop(turn, None)
        if gone is not None:
            gone.set_result(None)
        self._tell_waiting()

    async def wait_until_none(self, seconds: float, provider: str | None = None) -> None:
        """Wait for the end of the last one, or of a provider's last one, at most for so long."""
        if self._of(provider):
            if provider not in self._none:
                self._none[provider] = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._none[provider]], timeout=seconds)

    async def stop(self, seconds: float, provider: str | None = None) -> None:
        """Stop them all, or a provider's, and wait for their ends at most for so long.

        Of a provider only those that have begun: one that is being opened fails with it.
        """
        turns = [
            turn for turn in self._of(provider) if provider is None or not isinstance(turn, Opening)
        ]
        if turns:
            loop = asyncio.get_running_loop()
            until = loop.time() + seconds
            await asyncio.wait([loop.create_task(turn.stop()) for turn in turns], timeout=seconds)
            await self.wait_until_none(until - loop.time(), provider)

    def _tell_waiting(self) -> None:
        """Tell those who wait for the last turn, or a provider's last one, if there is none."""
        if self._none:
            for provider in [one for one in self._none if not self._of(one)]:
                self._none.pop(provider).set_result(None)

    def _of(self, provider: str | None) -> list[Stoppable]:
        """A provider's, or all for None."""
        return [turn for turn, whose in self._turns.items() if provider in (None, whose)]

    async def end(
        self, key: SessionKey, error: HubError, seconds: float, turn_id: str | None = None
    ) -> bool:
        """End what runs on a session, and wait for that at most for so long.

        Args:
            key: The session.
            error: What the callers get.
            seconds: How long to wait.
            turn_id: Only this turn.

        Returns:
            Whether anything ran on it.
        """
        turns = [turn for turn in self._turns if turn.on == key and turn_id in (None, turn.turn_id)]
        if turns:
            loop = asyncio.get_running_loop()
            gone = [self._gone.setdefault(turn, loop.create_future()) for turn in turns]
            stopping = [loop.create_task(turn.stop(error)) for turn in turns]
            await asyncio.wait([*gone, *stopping], timeout=seconds)
        return bool(turns)


class Opening:
    """`with Opening(running):` a turn is being opened; `stop` cancels the block.

    Raises:
        HubError: That of `stop`, in place of the cancellation, if it was `stop` that cancelled.
    """

    __slots__ = ("_before", "_running", "_stopped", "_task", "on", "turn_id")

    def __init__(self, running: RunningTurns) -> None:
        self._running = running
        self._stopped: HubError | None = None
        self.on: SessionKey | None = None
        self.turn_id: str | None = None

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can open a turn")
        self._task = task
        self._before = task.cancelling()
        self._running.add(self)
        return self

    def of(self, provider: str) -> None:
        """It is a turn of that provider's that is being opened."""
        self._running.add(self, provider)

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
            raise self._stopped from error

    async def stop(self, error: HubError | None = None) -> None:
        """Cancel the opening."""
        if self._stopped is None:
            self._stopped = error or refused()
            self._task.cancel()
