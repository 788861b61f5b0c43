"""Noticing that the client has left while its answer is being made.

Guarantee: inside `unless_client_leaves`, a disconnect cancels the block at its next await, and is
told apart from any other cancellation.
"""

import asyncio
from types import TracebackType

from litestar.types import Receive


class unless_client_leaves:  # noqa: N801  # reads as the statement it is used in
    """`async with unless_client_leaves(receive):` runs until the block ends or the client leaves.

    A class, because a generator-based context manager costs three times as much on the hot path.
    """

    __slots__ = ("_left", "_receive", "_task", "_watcher")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("only a task can be told that its client has left")
        self._task = task
        self._watcher = task.get_loop().create_task(self._watch())

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self._watcher.cancel()
        if not self._left:
            return False
        # The watcher's own request to cancel is answered here; anybody else's goes on.
        others = self._task.uncancel() > 0
        return isinstance(error, asyncio.CancelledError) and not others

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left = True
        self._task.cancel()
