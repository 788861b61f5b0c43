"""A worker with its dialect: the live conversation inside one child process.

Guarantee: whatever the worker does (dies, garbles, floods, says nothing), each call ends with
events or with a `HubError`, and after an error the conversation is no longer `alive`; what the
worker said before something that broke the protocol is not lost with it.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.errors import HubError, WorkerError, WorkerGarbled, WorkerStartFailed
from llm_mcp_hub.providers.dialect import Dialect, Event, Inspected, Ready, TurnFailed
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec

E = TypeVar("E", Ready, Inspected)


class Conversation:
    """A member of a provider's pool. Blank until its first turn begins."""

    __slots__ = ("_broken", "_error", "dialect", "worker")

    def __init__(self, worker: Worker, dialect: Dialect) -> None:
        self.worker = worker
        self.dialect = dialect
        self._broken = False
        self._error: HubError | None = None

    @classmethod
    async def start(
        cls, spec: WorkerSpec, dialect: Dialect, seconds: float
    ) -> "tuple[Conversation, Ready]":
        """Start a worker and prove it ready.

        Raises:
            WorkerStartFailed: It did not start, or gave no sign of life within `seconds`.
            HubError: What the tool itself said.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            async with asyncio.timeout_at(until):
                worker = await Worker.start(spec)
        except TimeoutError:
            raise _silence(seconds, "the program was not even started") from None
        conversation = cls(worker, dialect)
        try:
            dialect.probe()
            ready = await conversation._answer(Ready, until - loop.time())
        except BaseException:
            await conversation.aclose()
            raise
        return conversation, ready

    async def inspect(self, seconds: float) -> Inspected:
        """Ask the tool what it is. Ends the conversation's being blank.

        Raises:
            WorkerStartFailed: No answer within `seconds`, or a broken one.
            HubError: What the tool itself said.
        """
        self.dialect.inspect()
        return await self._answer(Inspected, seconds)

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """Send the turn's first bytes."""
        self._broken = True  # unless the dialect knew what to do
        self.dialect.begin(request, continued=continued)
        self._broken = False
        self.worker.send(self.dialect.data_to_send())

    def interrupt(self) -> None:
        """Ask the tool to stop generating; does not wait for it."""
        if self.worker.alive:
            self.dialect.interrupt()
            self.worker.send(self.dialect.data_to_send())

    async def receive(self) -> list[Event]:
        """The next events; may be empty.

        Raises:
            WorkerDied: The worker ended.
            WorkerGarbled: Its output broke the protocol.
        """
        if self._error is not None:
            raise self._error
        events: list[Event] = []
        for line in await self.worker.receive():
            try:
                events += self.dialect.receive((line,))
            except HubError as error:
                self._error = error
            except Exception as error:  # noqa: BLE001  # raised below as what it is to a caller
                self._error = WorkerGarbled(
                    "The provider's program wrote something the hub does not understand.",
                    detail=repr(error),
                )
                self._error.__cause__ = error
            if self._error is not None:
                self._broken = True
                if events:
                    return events
                raise self._error
        self.worker.send(self.dialect.data_to_send())
        return events

    @property
    def alive(self) -> bool:
        """Whether another turn can run in it."""
        return not self._broken and self.worker.alive

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when the worker has exited."""
        self.worker.exited.add_done_callback(lambda _: callback())

    async def aclose(self) -> None:
        """End the worker."""
        await self.worker.aclose()

    async def _answer(self, kind: type[E], seconds: float) -> E:
        self.worker.send(self.dialect.data_to_send())
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for event in await self.receive():
                        if isinstance(event, kind):
                            return event
                        if isinstance(event, TurnFailed):
                            raise event.error
        except TimeoutError:
            raise _silence(seconds, self.worker.stderr_tail) from None
        except WorkerError as error:
            raise WorkerStartFailed(
                "The provider's program ended or misbehaved while it started. "
                "Run `llm-mcp-hub doctor`.",
                detail=error.detail or error.message,
            ) from error


def _silence(seconds: float, detail: str) -> WorkerStartFailed:
    return WorkerStartFailed(
        f"The provider's program gave no sign of life within {seconds:.3g} s. "
        "Run `llm-mcp-hub doctor`.",
        detail=detail,
    )
