"""A conversation that shares its worker with others: a member of a provider's pool.

Guarantees: those of `conversation.py`, for this conversation alone: what one does, or suffers,
reaches the others only if it is the end of their worker. When `aclose` returns, the tool generates
nothing more for it, or the worker that can't be made to stop gets no new conversations and ends
with its last turn. One that waits for the results of calls counts as at rest, and is stopped all
the same when it is closed.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.errors import HubError, WorkerDied, WorkerGarbled
from llm_mcp_hub.providers.dialect import Event, Pong
from llm_mcp_hub.providers.shared_dialect import OfOne, Over, Said, Suspended

STOP_SECONDS = 5.0
"""How long a tool may take to stop generating once it was asked to."""
UNREAD_LIMIT_BYTES = 32 * 1024 * 1024
"""What may wait for a caller who does not read. The others' worker is not held up for it."""


class Carrier(Protocol):
    """What a conversation needs of its worker; see `shared_worker.SharedWorker`."""

    @property
    def alive(self) -> bool:
        """Whether it runs and is in order."""
        ...

    @property
    def stuck(self) -> bool:
        """Whether it generates for somebody who has left, and can't be stopped."""
        ...

    @property
    def pid(self) -> int:
        """Its process id."""
        ...

    @property
    def rss_share(self) -> int | None:
        """The part of its memory that is one conversation's."""
        ...

    @property
    def answered(self) -> bool:
        """Whether it has written anything since it was last asked for a sign of life."""
        ...

    def begin(self, conversation: str, request: TurnRequest, *, continued: bool) -> None:
        """Begin a turn."""
        ...

    def interrupt(self, conversation: str) -> None:
        """Stop a turn."""
        ...

    def ping(self) -> bool:
        """Ask for a sign of life."""
        ...

    def hung(self, seconds: float) -> None:
        """Give it up, and kill it."""
        ...

    def report(self, error: HubError) -> None:
        """Tell the supervisor of a failure that is no vendor's and no caller's."""
        ...

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when it has exited."""
        ...

    def left(self, conversation: "SharedConversation", *, stuck: bool) -> None:
        """A conversation has ended; `stuck` if the tool went on generating for it."""
        ...


class SharedConversation:
    """See the module. Made by `SharedWorker.open`. Blank until its first turn begins.

    Attributes:
        name: What the dialect calls it.
        talking: Whether the tool may be generating for it.
    """

    cpu_seconds = None

    def __init__(self, carrier: Carrier, name: str) -> None:
        self.name = name
        self.talking = False
        self._suspended = False
        self._carrier = carrier
        self._loop = asyncio.get_running_loop()
        self._events: list[Event] = []
        self._size = 0
        self._reader: asyncio.Future[None] | None = None
        self._over: asyncio.Future[None] | None = None
        self._error: HubError | None = None
        self._broken = False
        self._closing: asyncio.Task[None] | None = None
        self._when_ended: list[Callable[[], None]] = []

    @property
    def alive(self) -> bool:
        """Whether another turn can run in it."""
        usable = self._carrier.alive and not self._carrier.stuck
        return usable and not self._broken and self._closing is None

    @property
    def pid(self) -> int:
        """The process it shares."""
        return self._carrier.pid

    @property
    def rss_bytes(self) -> int | None:
        """Its share of the worker's memory."""
        return self._carrier.rss_share

    @property
    def unread(self) -> bool:
        """Whether anything has come, or the worker has shown since it was asked that it lives."""
        return bool(self._events) or self._carrier.answered

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the worker has exited, or the conversation is lost."""
        self._when_ended.append(callback)
        self._carrier.when_ended(callback)

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """Begin a turn."""
        self._events.clear()
        self._size = 0
        if self._error is not None:
            return  # it was lost since it was claimed, which `receive` tells
        self._broken = self.talking = True
        self._suspended = False
        if not self._under_way:
            self._over = self._loop.create_future()
        try:
            self._carrier.begin(self.name, request, continued=continued)
        except BaseException:
            self.over()  # the dialect did not know what to do, and nothing has begun
            raise
        self._broken = False

    async def receive(self) -> list[Event]:
        """The next events, at least one."""
        while not self._events:
            if self._error is not None:
                raise self._error
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        events, self._events, self._size = self._events, [], 0
        return events

    def interrupt(self) -> None:
        """Ask the tool to stop generating."""
        if self._under_way and self._carrier.alive:
            self._carrier.interrupt(self.name)

    def ping(self) -> bool:
        """Ask the worker for a sign of life."""
        return self._carrier.ping()

    def hung(self, seconds: float) -> None:
        """Give the worker up, and so all its conversations."""
        self._carrier.hung(seconds)

    def fail(self, error: HubError) -> None:
        """Have `receive` raise `error` once what has come is given."""
        self._broken = True
        if self._error is None:
            self._error = error
        self._wake()

    def lose(self, error: HubError) -> None:
        """Use it no more."""
        self._broken = True
        self._carrier.report(error)

    def take(self, event: OfOne, size: int) -> None:
        """An event of this conversation's came, in a line of so many bytes."""
        if isinstance(event, Said):
            self.heard(event.event, size)
        elif isinstance(event, Over):
            self.over()
        elif isinstance(event, Suspended):
            self.talking, self._suspended = False, True
        else:
            self._lost(event.error)

    def heard(self, event: Event, size: int) -> None:
        """An event came, in a line of so many bytes."""
        if self._error is not None:
            return
        if isinstance(event, Pong) and not self.talking:
            return
        self._events.append(event)
        self._size += size
        if self._size > UNREAD_LIMIT_BYTES:
            self.fail(
                WorkerGarbled(
                    "The provider's program wrote more than its caller could read. Ask for less "
                    "at once."
                )
            )
        self._wake()

    def over(self) -> None:
        """The tool generates nothing for it any more."""
        suspended, self._suspended, self.talking = self._suspended, False, False
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
        if suspended and self._error is None:
            self._lost(WorkerDied("The provider's program did not wait for the results of calls."))

    async def aclose(self) -> None:
        """Stop what is generated for it, and leave the worker; bounded, shielded."""
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
            self.fail(WorkerDied("The provider's conversation was ended."))
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        over = self._over
        if over is not None and not over.done() and self._carrier.alive:
            self.interrupt()
            await asyncio.wait([over], timeout=STOP_SECONDS)
        self._carrier.left(self, stuck=self._under_way)

    @property
    def _under_way(self) -> bool:
        return self._over is not None and not self._over.done()

    def _lost(self, error: HubError) -> None:
        self.fail(error)
        for callback in self._when_ended:
            callback()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)
