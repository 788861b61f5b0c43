"""Noticing that the client has left while its answer is being made.

Guarantee: inside `unless_client_leaves`, a disconnect cancels the block at its next await, and is
told apart from any other cancellation. Where the client may come back, the block goes on for as
long as `until_abandoned` takes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from litestar.types import Receive

UNWATCHED_SECONDS = 0.05
"""A task to watch the client costs as much as a short answer takes; most are sent before that. Who
leaves sooner is missed at its end: no person does, and no model has answered by then."""


class unless_client_leaves:  # noqa: N801  # reads as the statement it is used in
    """`async with unless_client_leaves(receive):` runs until the block ends or the client leaves.

    A class, because a generator-based context manager costs three times as much on the hot path.

    Attributes:
        until_abandoned: Waits, once the client has left, until the block need not go on. None: it
            need not go on at all.
    """

    __slots__ = ("_left", "_receive", "_start", "_task", "_watcher", "until_abandoned")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = False
        self._watcher: asyncio.Task[None] | None = None
        self.until_abandoned: Callable[[], Awaitable[None]] | None = None

    async def __aenter__(self) -> "unless_client_leaves":
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be told that its client has left")
        self._task = task
        self._start = task.get_loop().call_later(UNWATCHED_SECONDS, self._begin)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._start.cancel()
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
        if not self._left:
            return False
        # The watcher's own request to cancel is answered here; anybody else's goes on.
        others = self._task.uncancel() > 0
        return isinstance(error, asyncio.CancelledError) and not others

    def _begin(self) -> None:
        self._watcher = self._task.get_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self.until_abandoned is not None:
            await self.until_abandoned()
        self._left = True
        self._task.cancel()
