"""Processes as `/proc` shows them, found by a mark in their command line or environment.

A mark is a text that nothing else on the machine carries. Children inherit the environment, so a
mark in it finds grandchildren too, whichever process group or session they have moved to.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")


def all_pids() -> Iterator[int]:
    return (int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit())


def state_of(pid: int) -> str:
    """The one letter; empty if there is no such process."""
    return (_stat(pid) or [""])[0]


def children_of(pid: int) -> set[int]:
    """Its children, zombies included."""
    return {one for one in all_pids() if (fields := _stat(one)) and int(fields[1]) == pid}


def running(mark: str) -> set[int]:
    """The processes that carry the mark; those that have ended do not, even if nobody reaped them.

    Our own process is left out.
    """
    found = set()
    for pid in all_pids():
        if pid == os.getpid():
            continue
        for what in ("cmdline", "environ"):
            with suppress(OSError):
                if mark.encode() in (PROC / str(pid) / what).read_bytes():
                    found.add(pid)
    return found


def running_program(*words: str) -> set[int]:
    """The processes whose command line has all the words."""
    found = set()
    for pid in all_pids():
        with suppress(OSError):
            arguments = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
            if {word.encode() for word in words} <= set(arguments):
                found.add(pid)
    return found


def kill_all(mark: str) -> None:
    """End what a test that failed has left."""
    for pid in running(mark):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _stat(pid: int) -> list[str]:
    """The fields of `/proc/PID/stat` after the name: state, parent, …"""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
