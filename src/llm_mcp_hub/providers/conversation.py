"""A worker with its dialect: the live conversation inside one child process.

Guarantee: whatever the worker does (dies, garbles, floods, says nothing), each call ends with
events or with a `HubError`, and after an error the conversation is no longer `alive`; what the
worker said before something that broke the protocol is not lost with it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from inspect import isgeneratorfunction
from typing import TypeVar

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.errors import (
    HubError,
    WorkerError,
    WorkerGarbled,
    WorkerHung,
    WorkerStartFailed,
)
from llm_mcp_hub.providers.deadlines import Deadline, TimeLimits
from llm_mcp_hub.providers.dialect import Dialect, Event, Inspected, Ready, TurnFailed
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec

E = TypeVar("E", Ready, Inspected)


class Conversation:
    """A member of a provider's pool. Blank until its first turn begins."""

    __slots__ = ("_asked", "_broken", "_error", "_on_lost", "_takes_all", "dialect", "worker")

    def __init__(self, worker: Worker, dialect: Dialect) -> None:
        self.worker = worker
        self.dialect = dialect
        self._takes_all = isgeneratorfunction(dialect.receive)
        self._asked = False
        self._broken = False
        self._error: HubError | None = None
        self._on_lost: Callable[[HubError], None] | None = None

    @classmethod
    async def start(
        cls, spec: WorkerSpec, dialect: Dialect, limits: TimeLimits
    ) -> "tuple[Conversation, Ready]":
        """Start a worker and prove it ready.

        Raises:
            WorkerStartFailed: It did not start, or gave no sign of life before the deadline.
            HubError: What the tool itself said.
        """
        until = asyncio.get_running_loop().time() + limits.deadlines.start
        try:
            async with asyncio.timeout_at(until):
                worker = await Worker.start(spec)
        except TimeoutError:
            raise limits.late(Deadline.START, "the program was not even started") from None
        conversation = cls(worker, dialect)
        try:
            dialect.probe()
            ready = await conversation._answer(Ready, until, limits)
        except BaseException:
            await conversation.aclose()
            raise
        return conversation, ready

    async def inspect(self, limits: TimeLimits) -> Inspected:
        """Ask the tool what it is. Ends the conversation's being blank.

        Raises:
            WorkerStartFailed: No answer before the deadline, or a broken one.
            HubError: What the tool itself said.
        """
        self.dialect.inspect()
        until = asyncio.get_running_loop().time() + limits.deadlines.start
        return await self._answer(Inspected, until, limits)

    def supervise(self, on_lost: Callable[[HubError], None]) -> None:
        """Have `on_lost` told, once, of an end that nobody asked for: it died, garbled or hung."""
        self._on_lost = on_lost
        self.worker.exited.add_done_callback(self._exited)

    def lose(self, error: HubError) -> None:
        """Use the worker no more: it broke off by itself."""
        self._broken = True
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(error)

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """Send the turn's first bytes."""
        self._asked = False
        self._broken = True  # unless the dialect knew what to do
        self.dialect.begin(request, continued=continued)
        self._broken = False
        self.worker.send(self.dialect.data_to_send())

    def interrupt(self) -> None:
        """Ask the tool to stop generating; does not wait for it."""
        if self.worker.alive:
            self.dialect.interrupt()
            self.worker.send(self.dialect.data_to_send())

    def ping(self) -> bool:
        """Ask for a sign of life; whether the dialect knows how to."""
        if not self.dialect.ping():
            return False
        self.worker.send(self.dialect.data_to_send(), work=False)
        return True

    def ask(self) -> bool:
        """`ping` for a worker that has no turn; `silent` tells what came of it."""
        self._asked = self.ping()
        return self._asked

    def silent(self) -> bool:
        """Whether the worker owes an answer since `ask`, and has had no turn meanwhile.

        What it has written is taken in; if that breaks the protocol, it is killed.
        """
        if not (self._asked and self.alive):
            return False
        self._asked = False
        # A loop that was held up may not have read the answer yet.
        if not self.worker.unread:
            return True
        with suppress(HubError):  # `lose` has told
            self._understand(self.worker.receive_present())
        if self._broken:
            self.worker.kill()
        return False

    def hung(self, seconds: float) -> None:
        """Give up a worker that has not answered for so long, and kill it."""
        error = no_sign_of_life(seconds, self.worker.pid)
        self.lose(error)
        self.worker.fail(error)
        self.worker.kill()

    async def receive(self) -> list[Event]:
        """The next events; may be empty.

        Raises:
            WorkerDied: The worker ended.
            WorkerHung: It was given up.
            WorkerGarbled: Its output broke the protocol.
        """
        if self._error is not None:
            raise self._error
        try:
            lines = await self.worker.receive()
        except WorkerError as error:
            # Before the turn gives it back: then nobody would be told any more.
            self.lose(error)
            raise
        return self._understand(lines)

    def _understand(self, lines: list[bytes]) -> list[Event]:
        events: list[Event] = []
        receive = self.dialect.receive
        try:
            if self._takes_all:
                # Grows with each event, also if the next one is an error.
                events += receive(lines)
            else:
                for line in lines:
                    events += receive((line,))
        except HubError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  # raised below as what it is to a caller
            self._error = not_understood(error)
        if self._error is not None:
            self.lose(self._error)
            if events:
                return events
            raise self._error
        self.worker.send(self.dialect.data_to_send())
        return events

    def fail(self, error: HubError) -> None:
        """Have `receive` raise `error` once what has come is read."""
        self.worker.fail(error)

    @property
    def unread(self) -> bool:
        """Whether the worker has written anything that has not been received."""
        return self.worker.unread

    @property
    def alive(self) -> bool:
        """Whether another turn can run in it."""
        return not self._broken and self.worker.alive

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self.worker.pid

    @property
    def rss_bytes(self) -> int | None:
        """Memory it holds, its descendants included, if it has been measured yet."""
        usage = self.worker.usage()
        return None if usage is None else usage.rss_bytes

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time it has used, its descendants included, if it has been measured yet."""
        usage = self.worker.usage()
        return None if usage is None else usage.cpu_seconds

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the worker has exited."""
        self.worker.exited.add_done_callback(lambda _: callback())

    async def aclose(self) -> None:
        """End the worker."""
        self._on_lost = None
        await self.worker.aclose()

    def _exited(self, _: "asyncio.Future[int]") -> None:
        failure = self.worker.failure
        if isinstance(failure, HubError):
            self.lose(failure)

    async def _answer(self, kind: type[E], until: float, limits: TimeLimits) -> E:
        self.worker.send(self.dialect.data_to_send())
        try:
            async with asyncio.timeout_at(until):
                while True:
                    for event in await self.receive():
                        if isinstance(event, kind):
                            return event
                        if isinstance(event, TurnFailed):
                            raise event.error
        except TimeoutError:
            raise limits.late(Deadline.START, self.worker.stderr_tail) from None
        except WorkerError as error:
            raise start_broke(error) from error


def no_sign_of_life(seconds: float, pid: int) -> WorkerHung:
    """The error of a worker that was asked for a sign of life so long ago."""
    return WorkerHung(
        "The provider's program gave no sign of life, not even when it was asked for one for "
        f"{seconds:g} s, and was stopped. Ask again.",
        detail=f"pid {pid}",
    )


def not_understood(error: Exception) -> WorkerGarbled:
    """The error of a dialect that failed on what the worker wrote."""
    garbled = WorkerGarbled(
        "The provider's program wrote something the hub does not understand.", detail=repr(error)
    )
    garbled.__cause__ = error
    return garbled


def start_broke(error: WorkerError) -> WorkerStartFailed:
    """The error of a start whose worker ended or garbled."""
    failed = WorkerStartFailed(
        "The provider's program ended or misbehaved while it started. Run `llm-mcp-hub doctor`.",
        detail=error.detail or error.message,
    )
    failed.__cause__ = error
    return failed
