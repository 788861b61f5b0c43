"""Seeing what a call does to the outside: files, processes, connections.

Guarantee: what Python's audit events tell (PEP 578) about this thread between the beginning and
the end of the block, and nothing else. C code that does not raise them is not seen.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from llm_mcp_hub.testing.promise import require

SMALL_BYTES = 64 * 1024
"""The size up to which a file counts as small."""

FORBIDDEN = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.kill",
        "os.link",
        "os.mkdir",
        "os.posix_spawn",
        "os.remove",
        "os.rename",
        "os.rmdir",
        "os.symlink",
        "os.system",
        "os.truncate",
        "shutil.copyfile",
        "shutil.rmtree",
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.sendto",
        "sqlite3.connect",
        "subprocess.Popen",
    }
)
"""Audit events that reading a small file has none of."""

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_events: dict[int, list[tuple[str, tuple[Any, ...]]]] = {}
"""By thread: what was seen, while somebody looks."""
_lock = threading.Lock()
_hooked = False


@contextmanager
def only_small_reads(what: str) -> Iterator[None]:
    """In this block nothing may happen beyond reading small local files.

    Raises:
        BrokenPromiseError: Something else did.
    """
    _hook()
    thread = threading.get_ident()
    seen = _events[thread] = []
    try:
        yield
    finally:
        del _events[thread]
    for event, arguments in seen:
        if event == "open":
            _check_open(what, *arguments)
        else:
            require(event not in FORBIDDEN, f"{what} does more than read a file: {event}")


def _check_open(what: str, path: object, _mode: object, flags: object) -> None:
    if not isinstance(path, str | bytes):
        return
    name = os.fsdecode(path)
    writes = isinstance(flags, int) and flags & _WRITING
    require(not writes, f"{what} opens {name} to write")
    with suppress(OSError):
        size = Path(name).stat().st_size
        require(size <= SMALL_BYTES, f"{what} reads {name}, which has {size} bytes")


def _is_module(path: object) -> bool:
    return isinstance(path, str) and ("__pycache__" in path or path.endswith((".py", ".so")))


def _hook() -> None:
    # A hook can't be taken away again: there is one, and it does nothing while nobody looks.
    global _hooked  # noqa: PLW0603
    with _lock:
        if not _hooked:
            sys.addaudithook(_note)
            _hooked = True


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if not _events or (event != "open" and event not in FORBIDDEN):
        return
    seen = _events.get(threading.get_ident())
    # The first call may import something.
    if seen is not None and not (arguments and _is_module(arguments[0])):
        seen.append((event, arguments))
