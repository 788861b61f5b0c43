"""One supervised child process that is spoken to in lines.

Guarantees: neither reading nor writing ever blocks the event loop; the memory held for unread
output is bounded (the pipe is left full instead); a line above 64 KiB is no special case; when
`aclose` returns, the child's whole process group is gone and reaped, its descriptors are closed
and its directories deleted, however the child behaved.
"""

import asyncio
import os
import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress

from llm_mcp_hub.errors import WorkerDied, WorkerGarbled
from llm_mcp_hub.workers.framing import LineFramer, LineTooLong
from llm_mcp_hub.workers.spawn import SPAWNER, Spawned, spawn
from llm_mcp_hub.workers.spec import WorkerSpec

READ_BYTES = 256 * 1024
UNREAD_LIMIT_BYTES = 1024 * 1024
"""Above this much unread output the pipe is no longer read until the reader catches up."""
STDERR_TAIL_BYTES = 16 * 1024
CLOSE_GRACE_SECONDS = 0.5
"""How long a child may take to end after its input was closed, and again after SIGTERM."""
KILL_WAIT_SECONDS = 5.0
"""How long the kernel may take to end a killed child before it is given up as unkillable."""


class Worker:
    """A running child. Made by `Worker.start`; owned, and closed, by whoever started it.

    Attributes:
        spec: What it was started from.
        started_at: `time.monotonic()` of the start.
        exited: Completed with the return code once the child has ended.
    """

    def __init__(self, spec: WorkerSpec, spawned: Spawned, loop: asyncio.AbstractEventLoop) -> None:
        self.spec = spec
        self.started_at = time.monotonic()
        self.exited: asyncio.Future[int] = loop.create_future()
        self._loop = loop
        self._spawned = spawned
        self._process = spawned.process
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._stdin = self._process.stdin.fileno()
        self._stdout = self._process.stdout.fileno()
        self._stderr = self._process.stderr.fileno()
        self._pidfd = -1
        self._framer = LineFramer(spec.max_line_bytes)
        self._lines: list[bytes] = []
        self._unread = 0
        self._paused = False
        self._ended: Exception | None = None
        self._reader: asyncio.Future[None] | None = None
        self._outgoing = bytearray()
        self._writing = False
        self._stdin_open = True
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, spec: WorkerSpec) -> "Worker":
        """Start a child.

        Raises:
            WorkerStartFailed: It can't be started. Nothing is left behind.
        """
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(SPAWNER, spawn, spec)
        try:
            spawned = await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda done: _discard(done, spec, loop))
            raise
        worker = cls(spec, spawned, loop)
        worker._attach()
        return worker

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group and session."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the child runs and its output is in order."""
        return self._ended is None and not self.exited.done() and self._closing is None

    @property
    def stderr_tail(self) -> str:
        """The last `STDERR_TAIL_BYTES` of its standard error, for the log."""
        return b"".join(self._tail)[-STDERR_TAIL_BYTES:].decode("utf-8", "replace").strip()

    def send(self, data: bytes) -> None:
        """Queue bytes for its standard input. To a child that has ended, a no-op: `receive` tells."""
        if not data or not self._stdin_open:
            return
        self._outgoing += data
        if not self._writing:
            self._write()

    async def receive(self) -> list[bytes]:
        """The lines that have come since the last call, at least one.

        Raises:
            WorkerDied: It has ended and there is nothing more to read.
            WorkerGarbled: A line exceeded the limit.
        """
        while not self._lines:
            if self._ended is not None:
                raise self._ended
            self._reader = self._loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        lines = self._lines
        self._lines = []
        self._unread = 0
        if self._paused:
            self._paused = False
            self._loop.add_reader(self._stdout, self._read)
        return lines

    async def aclose(self) -> None:
        """End the child: close its input, then SIGTERM, then SIGKILL to its group.

        Bounded, shielded from cancellation, safe to call more than once.
        """
        if self._closing is None:
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    def fail(self, error: Exception) -> None:
        """Make `receive` raise `error` once what has come is read; the worker is no longer alive."""
        self._end(error)

    def kill(self) -> None:
        """SIGKILL the whole process group now. `aclose` must still be called."""
        self._signal(signal.SIGKILL)

    def _attach(self) -> None:
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._loop.add_reader(self._stdout, self._read)
        self._loop.add_reader(self._stderr, self._read_stderr)
        if sys.platform == "linux":
            self._pidfd = os.pidfd_open(self.pid)
            self._loop.add_reader(self._pidfd, self._reap)
        else:
            threading.Thread(target=self._wait_in_thread, name="hub-wait", daemon=True).start()

    def _read(self) -> None:
        try:
            data = os.read(self._stdout, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._stdout)
            self._end(self._death())
            return
        try:
            lines = self._framer.feed(data)
        except LineTooLong as error:
            self._loop.remove_reader(self._stdout)
            self._end(
                WorkerGarbled("The provider's program wrote an endless line.", detail=str(error))
            )
            return
        if not lines:
            return
        self._lines += lines
        self._unread += len(data)
        if self._unread > UNREAD_LIMIT_BYTES:
            self._paused = True
            self._loop.remove_reader(self._stdout)
        self._wake()

    def _read_stderr(self) -> None:
        try:
            data = os.read(self._stderr, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._loop.remove_reader(self._stderr)
            return
        self._tail.append(data[-STDERR_TAIL_BYTES:])
        self._tail_size += len(self._tail[-1])
        while self._tail_size - len(self._tail[0]) >= STDERR_TAIL_BYTES:
            self._tail_size -= len(self._tail.popleft())

    def _write(self) -> None:
        try:
            written = os.write(self._stdin, self._outgoing)
        except BlockingIOError:
            written = 0
        except OSError:
            self._close_stdin()
            return
        del self._outgoing[:written]
        if self._outgoing and not self._writing:
            self._writing = True
            self._loop.add_writer(self._stdin, self._write)
        elif not self._outgoing and self._writing:
            self._writing = False
            self._loop.remove_writer(self._stdin)

    def _reap(self) -> None:
        code = self._process.poll()
        if code is None:
            return
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._exited(code)

    def _wait_in_thread(self) -> None:
        code = self._process.wait()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._exited, code)

    def _exited(self, code: int) -> None:
        if not self.exited.done():
            self.exited.set_result(code)
        # A grandchild may hold the pipe open: what is in it now is the last of the child's.
        while self._ended is None and not self._paused and self._readable():
            self._read()
        if not self._paused:
            self._loop.remove_reader(self._stdout)
            self._end(self._death())

    def _readable(self) -> bool:
        import select

        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        return bool(poll.poll(0))

    def _death(self) -> WorkerDied:
        code = self._process.poll()
        how = "closed its output" if code is None else f"ended with exit status {code}"
        tail = self.stderr_tail
        return WorkerDied(
            f"The provider's program {how} before the answer was complete.",
            detail=f"pid {self.pid}" + (f": {tail}" if tail else ""),
        )

    def _end(self, error: Exception) -> None:
        if self._ended is None:
            self._ended = error
            self._wake()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def _close_stdin(self) -> None:
        if self._stdin_open:
            self._stdin_open = False
            if self._writing:
                self._writing = False
                self._loop.remove_writer(self._stdin)
            self._outgoing.clear()
            assert self._process.stdin
            self._process.stdin.close()

    async def _close(self) -> None:
        self._end(WorkerDied("The provider's program was stopped."))
        self._loop.remove_reader(self._stdout)
        self._close_stdin()
        if not await self._wait(CLOSE_GRACE_SECONDS):
            self._signal(signal.SIGTERM)
            await self._wait(CLOSE_GRACE_SECONDS)
        self._signal(signal.SIGKILL)
        await self._wait(KILL_WAIT_SECONDS)
        self._loop.remove_reader(self._stderr)
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        await self._loop.run_in_executor(None, self._spawned.remove_directory)

    async def _wait(self, seconds: float) -> bool:
        await asyncio.wait([self.exited], timeout=seconds)
        return self.exited.done()


def _discard(
    done: "asyncio.Future[Spawned]", spec: WorkerSpec, loop: asyncio.AbstractEventLoop
) -> None:
    """End a child whose starter gave up waiting for it."""
    if done.cancelled() or done.exception() is not None:
        return
    worker = Worker(spec, done.result(), loop)
    worker._attach()
    worker.kill()
    loop.create_task(worker.aclose())  # kept alive by the worker's own reference
