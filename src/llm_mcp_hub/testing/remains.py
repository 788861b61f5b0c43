"""What a process has at a moment: children, tasks, threads, descriptors and temporary files.

Guarantee: whatever is new in a later look is named. Children are all descendants, those that have
ended and were not reaped included where the system tells.
"""

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llm_mcp_hub.workers.process_table import processes

_DESCRIPTORS = ("/proc/self/fd", "/dev/fd")


class Remains:
    """A look at what there is; `new` tells what has come since."""

    def __init__(self) -> None:
        self._before = set(_now())

    def new(self) -> list[str]:
        """What there is now and was not before, in words."""
        return sorted(set(_now()) - self._before)


@contextmanager
def own_temporary_files() -> Iterator[Path]:
    """Have temporary files made in a directory of the block's own, so that others' are not seen."""
    before = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="check-") as directory:
        tempfile.tempdir = directory
        try:
            yield Path(directory)
        finally:
            tempfile.tempdir = before


def _now() -> Iterator[str]:
    parents = {process.pid: process.parent for process in processes()}
    for pid in parents:
        if _descends(pid, os.getpid(), parents):
            yield f"process {pid} ({_command(pid)})"
    for task in asyncio.all_tasks():
        yield f"task {task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})"
    for thread in threading.enumerate():
        # Those of `asyncio.to_thread` belong to the event loop and end with it.
        if not thread.name.startswith("asyncio_"):
            yield f"thread {thread.name}"
    yield from _descriptors()
    for path in Path(tempfile.gettempdir()).iterdir():
        yield f"file {path}"


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents and pid != ancestor:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()[:80].strip()
    return "?"


def _descriptors() -> Iterator[str]:
    directory = next((name for name in _DESCRIPTORS if Path(name).is_dir()), None)
    if directory is None:
        return
    for name in os.listdir(directory):  # noqa: PTH208  # the listing's own is among them
        with suppress(OSError):
            yield f"descriptor {name} ({os.readlink(f'{directory}/{name}')})"  # noqa: PTH115
