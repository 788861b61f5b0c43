"""A time limit around a piece of a coroutine, at a tenth of what `asyncio.timeout` costs.

Guarantee: as with `asyncio.timeout`, the block is cancelled once the time is over and
`TimeoutError` is raised in its place; somebody else's cancellation stays what it is. The
difference is that the limit can't be moved, which is what makes it cheap enough for every turn.
`limited` is for a single coroutine that most often does not wait at all: then it costs no timer.
"""

import asyncio
from collections.abc import Coroutine, Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


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


class limited(Generic[T]):  # noqa: N801  # as `within`
    """`await limited(coroutine, seconds)`; raises `TimeoutError` when the time is over.

    The limit counts from when the coroutine first waits for something.
    """

    __slots__ = ("_coroutine", "_seconds")

    def __init__(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> None:
        self._coroutine = coroutine
        self._seconds = seconds

    def __await__(self) -> Generator[Any, Any, T]:
        coroutine = self._coroutine
        try:
            awaited = coroutine.send(None)
        except StopIteration as done:
            result: T = done.value
            return result
        with within(self._seconds):
            return (yield from _rest(coroutine, awaited))


def _rest(coroutine: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """The rest of a coroutine that waits for `awaited`."""
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001  # the coroutine's to handle
                awaited = coroutine.throw(error)
            else:
                awaited = coroutine.send(sent)
    except StopIteration as done:
        result: T = done.value
        return result
