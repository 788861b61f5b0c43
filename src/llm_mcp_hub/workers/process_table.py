"""The processes of this machine: whose child each is and what it takes; standard library only.

Guarantee: a process is signalled only while it is the one that was seen, never another that got
its number since. On Linux the figures come from `/proc` (proc(5)), elsewhere from `ps`.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

MARKER = "LLM_MCP_HUB_WORKER"
"""The variable that names a worker, as `hub/number`, to itself and to all its descendants."""

PROC = "/proc"
PS_SECONDS = 5.0
"""How long `ps` may take where there is no `/proc`."""
_PS = ("ps", "-axo", "pid=,ppid=,pgid=,stat=,rss=,time=,lstart=")


class Process(NamedTuple):
    """A process that runs.

    Attributes:
        started: When it was started, in the system's own words: with the pid, a name that no
            other process ever has.
        session: Its session's id, 0 where the system does not tell.
        cpu_seconds: What it used, its children that have ended included.
        rss_bytes: Memory present, what it shares with others included.
    """

    pid: int
    parent: int
    group: int
    session: int
    started: str
    cpu_seconds: float
    rss_bytes: int


def has_proc() -> bool:
    """Whether there is a `/proc` as Linux has it."""
    return os.path.exists(f"{PROC}/self/stat")  # noqa: PTH110  # pathlib doubles the start-up


def processes() -> list[Process]:
    """Everything that runs now, without what has ended and is not reaped."""
    return list(_from_proc() if has_proc() else _from_ps())


def find(pid: int) -> Process | None:
    """The process of that number, if it runs."""
    if has_proc():
        return _read_stat(pid)
    return next((process for process in _from_ps() if process.pid == pid), None)


def started(pid: int) -> str:
    """When a child of ours was started, also if it has ended and is not reaped; else empty."""
    fields = _stat_fields(pid)
    return fields[19] if fields else ""


def marker(pid: int) -> str:
    """The marker it was started with; empty if it has none, has ended, or is somebody else's."""
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:  # noqa: PTH123
            variables = file.read()
    except OSError:
        return ""
    name = f"\0{MARKER}=".encode()
    return (b"\0" + variables).partition(name)[2].partition(b"\0")[0].decode("utf-8", "replace")


def send(process: Process, number: signal.Signals) -> None:
    """Signal a process, if it is still the one it was. One that may not be signalled is left."""
    descriptor = -1
    try:
        with suppress(AttributeError, OSError):  # no Linux, an old kernel, or the process is gone
            descriptor = os.pidfd_open(process.pid)
        now = find(process.pid)
        if now is None or now.started != process.started:
            return
        with suppress(ProcessLookupError, PermissionError):
            if descriptor >= 0:
                signal.pidfd_send_signal(descriptor, number)
            else:
                os.kill(process.pid, number)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _from_proc() -> Iterator[Process]:
    for name in os.listdir(PROC):  # noqa: PTH208
        if name.isdecimal() and (process := _read_stat(int(name))):
            yield process


def _stat_fields(pid: int) -> list[str]:
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:  # noqa: PTH123
            # The name, second, is in parentheses and may hold spaces and parentheses.
            return file.read().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return []


def _read_stat(pid: int) -> Process | None:
    fields = _stat_fields(pid)
    if not fields or fields[0] in "ZXx":
        return None
    return Process(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        started=fields[19],
        cpu_seconds=sum(map(int, fields[11:15])) / _TICKS,
        rss_bytes=int(fields[21]) * _PAGE,
    )


def _from_ps() -> Iterator[Process]:
    listed = subprocess.run(  # a constant command
        _PS, stdout=subprocess.PIPE, timeout=PS_SECONDS, check=False, env={"PATH": os.defpath}
    )
    for line in listed.stdout.decode("utf-8", "replace").splitlines():
        pid, parent, group, state, rss, time, when = line.split(None, 6)
        if not state.startswith("Z"):
            yield Process(
                pid=int(pid),
                parent=int(parent),
                group=int(group),
                session=0,
                started="_".join(when.split()),
                cpu_seconds=_seconds(time),
                rss_bytes=int(rss) * 1024,
            )


def _seconds(time: str) -> float:
    days, _, clock = time.rpartition("-")
    total = 0.0
    for part in clock.split(":"):
        total = total * 60 + float(part.replace(",", "."))
    return total + 86400 * int(days or 0)


_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
