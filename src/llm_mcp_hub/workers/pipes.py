"""The ends of a child's pipes: writing without blocking, reading what is there, keeping a tail."""

import asyncio
import fcntl
import os
import struct
import termios
from collections import deque
from collections.abc import Callable
from typing import IO

READ_BYTES = 64 * 1024
"""What a pipe holds, unless somebody has enlarged it. More would be memory asked of the system, and
given back, for each read."""


class PipeWriter:
    """Writes to a pipe as fast as its reader takes it.

    Args:
        stream: The pipe, unbuffered; closed with the writer.
        on_broken: Called when nobody reads the pipe any more.
    """

    __slots__ = ("_descriptor", "_loop", "_on_broken", "_outgoing", "_stream", "_waiting")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, stream: IO[bytes], on_broken: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._stream = stream
        self._descriptor = stream.fileno()
        self._on_broken = on_broken
        self._outgoing = bytearray()
        self._waiting = False
        os.set_blocking(self._descriptor, False)

    def write(self, data: bytes) -> None:
        """Queue bytes. To a pipe that is closed, a no-op."""
        if data and not self._stream.closed:
            self._outgoing += data
            if not self._waiting:
                self._flush()

    def close(self) -> None:
        """Close the pipe; what is still queued is dropped."""
        if not self._stream.closed:
            self._wait(False)
            self._outgoing.clear()
            self._stream.close()

    def _flush(self) -> None:
        try:
            written = os.write(self._descriptor, self._outgoing)
        except BlockingIOError:
            written = 0
        except OSError:
            self.close()
            self._on_broken()
            return
        del self._outgoing[:written]
        self._wait(bool(self._outgoing))

    def _wait(self, waiting: bool) -> None:
        if waiting == self._waiting:
            return
        self._waiting = waiting
        if waiting:
            self._loop.add_writer(self._descriptor, self._flush)
        else:
            self._loop.remove_writer(self._descriptor)


class Tail:
    """The last bytes of a stream.

    Args:
        size: How many.
    """

    __slots__ = ("_pieces", "_size", "_total")

    def __init__(self, size: int) -> None:
        self._size = size
        self._pieces: deque[bytes] = deque()
        self._total = 0

    def add(self, data: bytes) -> None:
        """Take more of the stream."""
        self._pieces.append(data[-self._size :])
        self._total += len(self._pieces[-1])
        while self._total - len(self._pieces[0]) >= self._size:
            self._total -= len(self._pieces.popleft())

    @property
    def text(self) -> str:
        """The last bytes as text, without outer white space."""
        return b"".join(self._pieces)[-self._size :].decode("utf-8", "replace").strip()


def read_some(descriptor: int) -> bytes | None:
    """What can be read now; empty at the end, None if there is nothing yet."""
    try:
        return os.read(descriptor, READ_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def has_unread(descriptor: int) -> bool:
    """Whether there is anything in the pipe at this moment."""
    return _unread(descriptor) > 0


def read_present(descriptor: int) -> bytes:
    """What is in the pipe at this moment and not what is written to it meanwhile."""
    left = _unread(descriptor)
    pieces: list[bytes] = []
    while left > 0 and (piece := read_some(descriptor)):
        pieces.append(piece[:left])
        left -= len(piece)
    return b"".join(pieces)


def _unread(descriptor: int) -> int:
    (size,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))
    return int(size)
