"""One supervised child process that is spoken to in lines.

Guarantees: neither reading nor writing ever blocks the event loop; the memory held for unread
output is bounded (the pipe is left full instead); a line above 64 KiB is no special case; a child
that takes more than its limits is stopped, and the error names the limit; when `aclose` returns,
the child is reaped and all its descendants killed, its descriptors are closed and its directories
deleted, however the child behaved. A process group is only ever signalled while its leader is not
reaped, so never somebody else's.
"""

import asyncio
import os
import signal
import time
from contextlib import suppress

from llm_mcp_hub.errors import HubError, WorkerDied, WorkerGarbled, WorkerStartFailed
from llm_mcp_hub.workers.child_end import ChildEnd
from llm_mcp_hub.workers.framing import LineFramer, LineTooLong
from llm_mcp_hub.workers.pipes import PipeWriter, Tail, has_unread, read_present, read_some
from llm_mcp_hub.workers.spawn import KILL_WAIT_SECONDS, Spawned, spawn_in_thread
from llm_mcp_hub.workers.spec import WorkerSpec
from llm_mcp_hub.workers.worker_limits import Meter, WorkerUsage

UNREAD_LIMIT_BYTES = 1024 * 1024
"""Above this much unread output the pipe is no longer read until the reader catches up."""
STDERR_TAIL_BYTES = 16 * 1024
CLOSE_GRACE_SECONDS = 0.5
"""How long a child may take to end after its input was closed, and again after SIGTERM; and how
long it may run on after closing its output or input itself."""
FORCED_WAIT_SECONDS = 1.0
"""How long the loop may be held up for a child's end while it cancels everything there is."""


class Worker:
    """A running child. Made by `Worker.start`; owned, and closed, by whoever started it.

    Attributes:
        spec: What it was started from.
        directory: Its private files: `home`, `tmp` and `cwd`; deleted once it has ended.
        started_at: `time.monotonic()` of the start.
        exited: Completed with the return code once the child has ended.
    """

    def __init__(self, spec: WorkerSpec, spawned: Spawned, loop: asyncio.AbstractEventLoop) -> None:
        self.spec = spec
        self.directory = spawned.member.directory
        self.started_at = time.monotonic()
        self.exited: asyncio.Future[int] = loop.create_future()
        self._loop = loop
        self._spawned = spawned
        self._process = spawned.process
        stdin, stdout, stderr = spawned.pipes
        self._stdin = PipeWriter(loop, stdin, self._pipe_closed)
        self._stdout = stdout.fileno()
        self._stderr = stderr.fileno()
        self._end = ChildEnd(loop, self._process, self._reap)
        self._framer = LineFramer(spec.max_line_bytes)
        self._meter = Meter(spec.limits, sampled=spawned.member.group is None)
        self._lines: list[bytes] = []
        self._unread = 0
        self._paused = False
        self._cut_off = False
        self._ended: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._tail = Tail(STDERR_TAIL_BYTES)
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, spec: WorkerSpec) -> "Worker":
        """Start a child.

        Raises:
            WorkerStartFailed: It can't be started. Nothing is left behind.
        """
        spawned = await spawn_in_thread(spec)
        worker = cls(spec, spawned, asyncio.get_running_loop())
        try:
            worker._attach()
        except OSError as error:
            worker._dispose(FORCED_WAIT_SECONDS)
            raise WorkerStartFailed(
                "The provider's program could not be supervised.", detail=str(error)
            ) from error
        return worker

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group and session."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the child runs, hears, and its output is in order."""
        return not (self._ended or self._cut_off or self.exited.done() or self._closing)

    @property
    def stderr_tail(self) -> str:
        """The last `STDERR_TAIL_BYTES` of its standard error, for the log."""
        return self._tail.text

    def send(self, data: bytes, *, work: bool = True) -> None:
        """Queue bytes for its standard input. If it has ended, a no-op: `receive` tells.

        Args:
            data: The bytes.
            work: Whether they give it something to do; a question for a sign of life does not,
                and must not hide one that runs wild.
        """
        if data:
            if work:
                self._meter.told()
            self._stdin.write(data)

    def usage(self) -> WorkerUsage | None:
        """What it and its descendants took half a second ago or so; None if not yet known."""
        return self._spawned.member.usage

    @property
    def failure(self) -> Exception | None:
        """What `receive` raises once everything is read; None while it runs."""
        return self._ended

    async def receive(self) -> list[bytes]:
        """The lines that have come since the last call, at least one.

        Raises:
            WorkerDied: It has ended and there is nothing more to read.
            WorkerGarbled: A line exceeded the limit.
            WorkerLimitExceeded: It took more than its limits.
        """
        while not self._lines:
            if self._ended is not None:
                raise self._ended
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self.receive_present()

    def receive_present(self) -> list[bytes]:
        """The lines that have come since the last call; there may be none."""
        lines = self._lines
        self._lines = []
        self._unread = 0
        if self._paused and self._ended is None:
            self._paused = False
            self._loop.add_reader(self._stdout, self._read)
        return lines

    @property
    def unread(self) -> bool:
        """Whether it has written anything that has not been received, or not even been read."""
        return bool(self._lines) or (self.alive and has_unread(self._stdout))

    async def aclose(self) -> None:
        """End the child: close its input, if that ends it; then SIGTERM, then SIGKILL to its group.

        Bounded, shielded from cancellation, safe to call more than once.
        """
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
            self._closing.add_done_callback(self._closed)
        await asyncio.shield(self._closing)

    def fail(self, error: Exception) -> None:
        """Have `receive` raise `error` once what has come is read; nothing more is read."""
        if self._ended is None:
            self._ended = error
            self._loop.remove_reader(self._stdout)
            self._wake()

    def kill(self) -> None:
        """SIGKILL the whole process group now. `aclose` must still be called."""
        self._spawned.signal(signal.SIGKILL)

    def _attach(self) -> None:
        for descriptor in (self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._loop.add_reader(self._stdout, self._read)
        self._loop.add_reader(self._stderr, self._read_stderr)
        self._spawned.member.watch = self._seen
        self._end.open()

    def _read(self) -> None:
        data = read_some(self._stdout)
        if data:
            self._take(data)
            if self._unread > UNREAD_LIMIT_BYTES and self._ended is None:
                self._paused = True
                self._loop.remove_reader(self._stdout)
        elif data is not None:
            self._loop.remove_reader(self._stdout)
            self._pipe_closed()

    def _take(self, data: bytes) -> None:
        wrong: HubError | None = self._meter.wrote(len(data))
        try:
            lines = self._framer.feed(data)
        except LineTooLong as error:
            lines = error.lines
            wrong = WorkerGarbled(
                "The provider's program wrote an endless line.", detail=str(error)
            )
        self._lines += lines
        self._unread += sum(map(len, lines))
        if wrong is not None:
            self._stop(wrong)
        elif lines:
            self._wake()

    def _stop(self, error: HubError) -> None:
        self.fail(error)
        self.kill()

    def _seen(self, usage: WorkerUsage) -> None:
        """Runs in the reaper's thread."""
        exceeded = self._meter.uses(usage)
        if exceeded is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
                self._loop.call_soon_threadsafe(self._stop, exceeded)

    def _read_stderr(self) -> None:
        data = read_some(self._stderr)
        if data:
            self._tail.add(data)
        elif data is not None:
            self._loop.remove_reader(self._stderr)

    def _pipe_closed(self) -> None:
        """It is of no use any more, but its exit status and last words may still come."""
        if not self._cut_off:
            self._cut_off = True
            self._loop.call_later(CLOSE_GRACE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self._ended is None:
            self._stop(self._death("closed its pipes"))

    def _reap(self) -> None:
        if self.exited.done():
            return
        # A grandchild may hold the pipes open: what is in them now is the last of the child's.
        if self._ended is None:
            self._take(read_present(self._stdout))
        self._tail.add(read_present(self._stderr))
        self.kill()
        code = self._process.poll()
        if code is None:
            return
        self._loop.remove_reader(self._stderr)
        self._end.close()
        exceeded = self._meter.ended(code, out_of_memory=self._spawned.member.out_of_memory)
        # First: whoever keeps count of ends hears of this one before its reader gives it back.
        self.exited.set_result(code)
        self.fail(exceeded or self._death(f"ended with exit status {code}"))

    def _death(self, how: str) -> WorkerDied:
        tail = self.stderr_tail
        return WorkerDied(
            f"The provider's program {how} before the answer was complete.",
            detail=f"pid {self.pid}" + (f": {tail}" if tail else ""),
        )

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def _close(self) -> None:
        self.fail(WorkerDied("The provider's program was stopped."))
        if self.spec.ends_on_eof:
            self._stdin.close()
            await self._wait(CLOSE_GRACE_SECONDS)
        if not self.exited.done():
            self._spawned.signal(signal.SIGTERM)
            if not await self._wait(CLOSE_GRACE_SECONDS):
                self.kill()
                await self._wait(KILL_WAIT_SECONDS)
        self._stdin.close()
        with suppress(RuntimeError):  # no threads any more: `_dispose` does it
            await self._loop.run_in_executor(None, self._spawned.leave)

    async def _wait(self, seconds: float) -> bool:
        await asyncio.wait([self.exited], timeout=seconds)
        return self.exited.done()

    def _closed(self, closing: "asyncio.Task[None]") -> None:
        # A loop that is being shut down cancels even this task, perhaps before it has begun.
        self._dispose(FORCED_WAIT_SECONDS if closing.cancelled() else 0.0)

    def _dispose(self, seconds: float) -> None:
        self._stdin.close()
        for descriptor in (self._stdout, self._stderr):
            self._loop.remove_reader(descriptor)
        self._end.close()
        self._spawned.destroy(seconds)
        if not self.exited.done():
            code = self._process.returncode
            self.exited.set_result(-signal.SIGKILL if code is None else code)
