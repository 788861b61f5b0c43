"""The hub's side of its reaper: starting it, telling it of workers, and hearing from it.

Guarantee: while it is open there is a reaper, another one if the first should end or be stopped;
each knows of all workers that live, by being told and by their marker. Nothing of it runs on an
event loop.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import structlog

from llm_mcp_hub.workers.directories import HubDirectory

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

PACKAGE = str(Path(__file__).parents[1])
PROGRAM = """\
import sys, types
package = types.ModuleType("llm_mcp_hub")
package.__path__ = [sys.argv[1]]
sys.modules["llm_mcp_hub"] = package
from llm_mcp_hub.workers.reaper_main import main
main(*sys.argv[3:])
"""
"""Without the site packages and the package's own `__init__`: it starts in a fiftieth of a second
and takes 10 MB."""
TITLE = "llm-mcp-hub-reaper"
"""Shown by `ps` among its arguments."""

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0
"""Before another reaper is started in place of one that ended. The first time there is no pause;
then it is doubled each time, until one has lived for the longest."""
CLOSE_SECONDS = 2.0
"""How long a reaper may take to leave."""


class Reaper:
    """The reaper of this process. Everything but hearing may block for a moment: not for a loop.

    Args:
        directory: The hub's directory.
        hear: Called, in a thread of the reaper's own, with each line it says.
        tell_all: What a fresh reaper must be told: the workers that live.

    Raises:
        OSError: It can't be started.
    """

    def __init__(
        self,
        directory: HubDirectory,
        hear: Callable[[str], None],
        tell_all: Callable[[], Iterable[str]],
    ) -> None:
        self._directory = directory
        self._hear = hear
        self._tell_all = tell_all
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._supervise, name="hub-reaper", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Process id of the present one."""
        return self._process.pid

    def tell(self, line: str) -> None:
        """Say something to the reaper. If it is not there, its successor will be told."""
        with self._lock:
            self._write(line)

    def replace(self) -> None:
        """Have another one, for this one does not answer."""
        self._process.kill()

    def close(self) -> None:
        """Let it go, when there are no workers any more."""
        self._closed.set()
        self.tell("bye")
        self._thread.join(CLOSE_SECONDS)
        if self._thread.is_alive():
            self._process.kill()
            self._thread.join(CLOSE_SECONDS)

    def disown(self) -> None:
        """Forget it, in a fork of the hub: it is the hub's and hears the hub's end."""
        self._closed.set()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.returncode = 0  # not a child of ours: there is nothing to wait for

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [
                sys.executable, "-I", "-S", "-c", PROGRAM, PACKAGE, TITLE,
                str(os.getpid()), self._directory.path, str(self._directory.lock),
            ],
            env={"PATH": os.defpath},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # What holds the hub's standard error open would hold up whoever reads it to the end.
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # Ctrl-C in the hub's terminal is not for it.
            start_new_session=True,
            pass_fds=(self._directory.lock,),
        )  # fmt: skip
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
        return process

    def _write(self, line: str) -> None:
        if self._process.stdin is None or self._process.stdin.closed:
            return
        try:
            written = self._process.stdin.write(f"{line}\n".encode())
        except BrokenPipeError:
            return  # it has ended, which the thread is about to notice
        if written is None:  # thousands of lines unread
            self._process.kill()

    def _supervise(self) -> None:
        pause = 0.0
        while True:
            begun = time.monotonic()
            self._listen()
            status = self._end()
            if time.monotonic() - begun > LONGEST_PAUSE_SECONDS:
                pause = 0.0
            if self._closed.is_set():
                return
            log.warning("reaper.ended", status=status)
            while not self._closed.wait(pause):
                pause = min(max(2 * pause, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
                if self._restart():
                    break
            else:
                return

    def _listen(self) -> None:
        stdout = self._process.stdout
        rest = b""
        while stdout is not None and (data := stdout.read(65536)):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self._hear(line.decode())

    def _end(self) -> int:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(CLOSE_SECONDS)
        self._process.kill()
        status = self._process.wait()
        with self._lock:
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
        return status

    def _restart(self) -> bool:
        with self._lock:
            try:
                self._process = self._start()
            except OSError as error:
                log.warning("reaper.start_failed", error=str(error))
                return False
            for line in self._tell_all():
                self._write(line)
        return True
