"""Calls that come together are sent together: one round trip for all of them.

Guarantees: a call that comes alone is sent at once; of those that are made in one turn of the event
loop, all but the first are sent in one go, a moment later, in the order they were made; each gets
its own results or its own error; a caller that gives up takes no other with it, and a call nobody
waits for any more is not sent.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from llm_mcp_hub.errors import HubError

C = TypeVar("C")

MAX_TOGETHER = 64
"""More in one round trip would have the first wait for the last."""


class _Call(Generic[C]):
    __slots__ = ("commands", "future")

    def __init__(self, commands: Sequence[C], future: "asyncio.Future[list[Any]]") -> None:
        self.commands = commands
        self.future = future


class Together(Generic[C]):
    """See the module.

    Args:
        send: Sends commands in one round trip and returns a result, or an exception, for each;
            raises a `HubError` if they could not be sent. Bounded.
    """

    def __init__(self, send: Callable[[Sequence[C]], Awaitable[list[Any]]]) -> None:
        self._send = send
        self._calls: deque[_Call[C]] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop in whose present turn a call was made already."""
        self._sending: set[asyncio.Task[None]] = set()

    async def call(self, commands: Sequence[C]) -> list[Any]:
        """A result, or an exception, for each command.

        Raises:
            HubError: They could not be sent.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Of a loop that was closed, nobody waits any more.
            self._calls.clear()
            self._loop = loop
            loop.call_soon(self._turn_over)
            return await self._send(commands)
        call = _Call(commands, loop.create_future())
        self._calls.append(call)
        return await call.future

    async def aclose(self) -> None:
        """Wait for what is being sent; as bounded as `send` is."""
        if self._sending:
            await asyncio.wait(self._sending)

    def _turn_over(self) -> None:
        calls: list[_Call[C]] = []
        while self._calls and len(calls) < MAX_TOGETHER:
            call = self._calls.popleft()
            if not call.future.done():
                calls.append(call)
        if not calls:
            self._loop = None
            return
        loop = calls[0].future.get_loop()
        loop.call_soon(self._turn_over)
        sending = loop.create_task(self._send_all(calls))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send_all(self, calls: Sequence[_Call[C]]) -> None:
        try:
            results = await self._send([command for call in calls for command in call.commands])
        except HubError as error:
            for call in calls:
                if not call.future.done():
                    call.future.set_exception(error.again())
            return
        except BaseException:
            for call in calls:
                call.future.cancel()
            raise
        start = 0
        for call in calls:
            end = start + len(call.commands)
            if not call.future.done():
                call.future.set_result(results[start:end])
            start = end
