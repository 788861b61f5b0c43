"""A worker that carries many conversations, with its dialect.

Guarantees: what the worker writes is read as it comes, and each event goes to its conversation;
whatever breaks the worker (it dies, garbles, hangs) fails every conversation in it, and its
supervisor is told once; conversations are opened one at a time; a worker that is retired opens no
more, and ends with its last conversation.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.errors import HubError, WorkerDied, WorkerError
from llm_mcp_hub.providers.conversation import no_sign_of_life, not_understood, start_broke
from llm_mcp_hub.providers.deadlines import Deadline, TimeLimits
from llm_mcp_hub.providers.dialect import Pong, Ready
from llm_mcp_hub.providers.futures import refuse, settle
from llm_mcp_hub.providers.shared_conversation import SharedConversation
from llm_mcp_hub.providers.shared_dialect import (
    NotOpened,
    OfOne,
    Opened,
    SharedDialect,
    SharedEvent,
    StartFailed,
)
from llm_mcp_hub.providers.writing_desk import WritingDesk
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec

A = TypeVar("A", Ready, Opened)


class SharedWorker:
    """See the module. Made by `start`; owned, and closed, by whoever started it.

    Attributes:
        says: What the tool says of itself.
        started_at: In the loop's time.
        opened: How many conversations were opened in it.
        retired: Whether it opens no more.
        stuck: Whether it generates for somebody who has left: then no turn begins in it any more.
        on_idle: Called when the last conversation of a retired worker has left.
    """

    def __init__(self, worker: Worker, dialect: SharedDialect, limits: TimeLimits) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = worker
        self._dialect = dialect
        self._limits = limits
        self._conversations: dict[str, SharedConversation] = {}
        self._ready: asyncio.Future[Ready] = self._loop.create_future()
        self._openings: dict[int, asyncio.Future[Opened]] = {}
        self._error: HubError | None = None
        self._on_lost: Callable[[HubError], None] | None = None
        self._asked = self.stuck = self.retired = False
        self._desk = WritingDesk(worker.directory, self._noted, self._break)
        self.says = Ready(None)
        self.started_at = self._loop.time()
        self.opened = 0
        self.answered = True
        self.on_idle: Callable[[SharedWorker], None] = lambda _: None
        dialect.listen(self._deliver)
        self._reading = self._loop.create_task(self._read())

    @classmethod
    async def start(
        cls, spec: WorkerSpec, new_dialect: Callable[[Path], SharedDialect], limits: TimeLimits
    ) -> "SharedWorker":
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
        try:
            shared = cls(worker, new_dialect(worker.directory), limits)
        except BaseException:
            await worker.aclose()
            raise
        try:
            shared._dialect.probe()
            shared._flush()
            shared.says = await shared._answer(shared._ready, until)
        except BaseException:
            await shared.aclose()
            raise
        return shared

    @property
    def alive(self) -> bool:
        """Whether it runs and is in order."""
        return self._error is None and self._worker.alive

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._worker.pid

    @property
    def rss_bytes(self) -> int | None:
        """Memory it holds, if it has been measured yet."""
        usage = self._worker.usage()
        return None if usage is None else usage.rss_bytes

    @property
    def rss_share(self) -> int | None:
        """The part of its memory that is one conversation's."""
        rss = self.rss_bytes
        return None if rss is None else rss // max(1, len(self._conversations))

    @property
    def talking(self) -> bool:
        """Whether any turn runs in it."""
        return any(one.talking for one in self._conversations.values())

    @property
    def deserted(self) -> bool:
        """Whether it is of no use to anybody any more."""
        return self.retired and not (self.talking if self.stuck else self._conversations)

    def supervise(self, on_lost: Callable[[HubError], None]) -> None:
        """Have `on_lost` told, once, of an end that nobody asked for."""
        self._on_lost = on_lost

    async def open(self) -> tuple[SharedConversation, Opened]:
        """Open a conversation. One call at a time: some tools take far longer for several.

        Raises:
            WorkerStartFailed: It was not opened in time, or the worker broke meanwhile.
            HubError: What the tool itself said.
        """
        until = self._loop.time() + self._limits.deadlines.start
        ticket = self._dialect.open()
        self.opened += 1
        opening: asyncio.Future[Opened] = self._loop.create_future()
        self._openings[ticket] = opening
        self._flush()
        try:
            opened = await self._answer(opening, until)
        finally:
            self._openings.pop(ticket, None)
        conversation = SharedConversation(self, opened.conversation)
        self._conversations[opened.conversation] = conversation
        return conversation, opened

    def begin(self, conversation: str, request: TurnRequest, *, continued: bool) -> None:
        """Begin a turn."""
        self._dialect.begin(conversation, request, continued=continued)
        self._flush()

    def interrupt(self, conversation: str) -> None:
        """Stop a turn; does not wait for it."""
        self._dialect.interrupt(conversation)
        self._flush()

    def ping(self) -> bool:
        """Ask for a sign of life; whether the dialect knows how to."""
        if not self._dialect.ping():
            return False
        self.answered = False
        self._worker.send(self._dialect.data_to_send(), work=False)
        return True

    def ask(self) -> bool:
        """`ping`; `silent` tells what came of it."""
        self._asked = self.ping()
        return self._asked

    def silent(self) -> bool:
        """Whether it has written nothing since `ask`."""
        asked, self._asked = self._asked, False
        return asked and self.alive and not (self.answered or self._worker.unread)

    def hung(self, seconds: float) -> None:
        """Give it up, since it has not answered for so long, and kill it."""
        self._break(no_sign_of_life(seconds, self.pid))

    def report(self, error: HubError) -> None:
        """Tell the supervisor of a failure; the first counts."""
        on_lost, self._on_lost = self._on_lost, None
        if on_lost is not None:
            on_lost(error)

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when it has exited."""
        self._worker.exited.add_done_callback(lambda _: callback())

    def retire(self) -> None:
        """Open no more conversations in it."""
        if not self.retired:
            self.retired = True
            self._tell_if_deserted()

    def left(self, conversation: SharedConversation, *, stuck: bool) -> None:
        """A conversation has ended."""
        if self._conversations.pop(conversation.name, None) is None:
            return
        patterns = self._dialect.close(conversation.name)
        self._flush()
        for path in (p for pattern in patterns for p in self._worker.directory.glob(pattern)):
            path.unlink(missing_ok=True)
        if stuck:
            # What it generates can be stopped only with the whole worker.
            self.stuck = self.retired = True
        self._tell_if_deserted()

    async def aclose(self) -> None:
        """End it and all its conversations; bounded."""
        self._on_lost = None
        self.retired = True
        self._reading.cancel()
        self._desk.close()
        await self._worker.aclose()
        self._fail(WorkerDied("The provider's program was stopped."))

    def _tell_if_deserted(self) -> None:
        if self.deserted:
            self.on_idle(self)

    async def _answer(self, future: "asyncio.Future[A]", until: float) -> A:
        if self._error is not None:
            raise self._error
        try:
            async with asyncio.timeout_at(until):
                return await future
        except TimeoutError:
            raise self._limits.late(Deadline.START, self._worker.stderr_tail) from None
        except WorkerError as error:
            raise start_broke(error) from error

    async def _read(self) -> None:
        try:
            while True:
                for line in await self._worker.receive():
                    self.answered = True
                    for event in self._dialect.receive((line,)):
                        self._dispatch(event, len(line))
                self._flush()
        except HubError as error:
            self._break(error)
        except Exception as error:  # noqa: BLE001  # told to all as what it is to them
            self._break(not_understood(error))

    def _deliver(self, events: Sequence[SharedEvent]) -> None:
        for event in events:
            self._dispatch(event, 0)
        self._flush()

    def _dispatch(self, event: SharedEvent, size: int) -> None:
        if isinstance(event, OfOne):
            if (one := self._conversations.get(event.conversation)) is not None:
                one.take(event, size)
                self._tell_if_deserted()
        elif isinstance(event, Pong):
            for one in self._conversations.values():
                one.heard(event, 0)
        elif isinstance(event, Ready):
            settle(self._ready, event)
        elif isinstance(event, StartFailed):
            refuse(self._ready, event.error)
        elif isinstance(event, NotOpened):
            refuse(self._openings.get(event.ticket), event.error)
        elif not settle(self._openings.get(event.ticket), event):
            self._dialect.close(event.conversation)  # whoever asked for it has gone

    def _flush(self) -> None:
        self._worker.send(self._dialect.data_to_send())
        self._desk.write(self._dialect.notes())

    def _noted(self, conversation: str) -> None:
        self._dialect.noted(conversation)
        self._flush()

    def _break(self, error: HubError) -> None:
        self._fail(error)
        if isinstance(error, WorkerError):
            self.report(error)
        self._worker.fail(error)
        self._worker.kill()
        self.retire()

    def _fail(self, error: HubError) -> None:
        if self._error is None:
            self._error = error
        refuse(self._ready, error)
        for opening in self._openings.values():
            refuse(opening, error)
        for one in self._conversations.values():
            one.fail(error.again())
            one.over()
