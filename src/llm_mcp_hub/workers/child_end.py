"""Noticing the end of a child process on an event loop.

Guarantee: the callback runs on the loop once the child has ended; no signal handler is installed
and no other child is reaped. On Linux through a pidfd, elsewhere by a waiting thread.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress


class ChildEnd:
    """Watches one child, from `open` to `close`.

    Args:
        process: The child.
        callback: Called when it has ended, perhaps more than once.
    """

    __slots__ = ("_callback", "_loop", "_pidfd", "_process")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        process: "subprocess.Popen[bytes]",
        callback: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._process = process
        self._callback = callback
        self._pidfd = -1

    def open(self) -> None:
        """Begin."""
        if sys.platform == "linux":
            with suppress(OSError):  # an old kernel, or a sandbox that knows no such call
                self._pidfd = os.pidfd_open(self._process.pid)
        if self._pidfd >= 0:
            self._loop.add_reader(self._pidfd, self._callback)
        else:
            threading.Thread(target=self._wait, name="hub-wait", daemon=True).start()

    def close(self) -> None:
        """Watch no more."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _wait(self) -> None:
        if hasattr(os, "waitid"):
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()
        with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            self._loop.call_soon_threadsafe(self._callback)
