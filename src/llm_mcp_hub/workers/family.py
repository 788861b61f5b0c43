"""Which worker each process descends from; standard library only.

Guarantee: a process counts as a worker's only if it is that worker, carries its marker, is a child
of one that counts, or is in the process group or session of a worker that still runs. Once
recognised it stays recognised, even when its parent has ended or it has replaced its environment.
"""

import os
from collections.abc import Callable, Iterable

from llm_mcp_hub.workers.process_table import Process

Name = tuple[int, str]
"""A pid and its start: a process, and no other one ever."""


class Family:
    """All workers of one hub with their descendants.

    Args:
        hub: The hub's name in the markers.
        hub_pid: The hub itself, whose children may be about to become workers.
        read_marker: Tells a process's marker, by its pid.
    """

    def __init__(self, hub: str, hub_pid: int, read_marker: Callable[[int], str]) -> None:
        self._prefix = f"{hub}/"
        self._hub_pid = hub_pid
        self._read_marker = read_marker
        self._leaders: dict[str, Name] = {}
        self._known: dict[Name, str] = {}
        self._strangers: set[Name] = set()

    def tell(self, worker: str, pid: int, started: str) -> None:
        """Name a worker's own process."""
        self._leaders[worker] = (pid, started)
        self._known[pid, started] = worker

    def forget_strangers(self) -> None:
        """Look at everything anew."""
        self._strangers.clear()

    def members(self, table: Iterable[Process]) -> dict[str, list[Process]]:
        """What runs of each worker. A worker of which nothing runs is not in it."""
        present = {process.pid: process for process in table}
        names = {(process.pid, process.started) for process in present.values()}
        self._known = {name: worker for name, worker in self._known.items() if name in names}
        self._leaders = {who: name for who, name in self._leaders.items() if name in names}
        self._strangers &= names
        # Parents come first, but for a clock too coarse to tell: those are found by the next look.
        for process in sorted(present.values(), key=_age):
            name = process.pid, process.started
            if name not in self._known and (worker := self._worker_of(process, present)):
                self._known[name] = worker
        found: dict[str, list[Process]] = {}
        for process in present.values():
            owner = self._known.get((process.pid, process.started))
            if owner is not None:
                found.setdefault(owner, []).append(process)
        return found

    def _worker_of(self, process: Process, present: dict[int, Process]) -> str:
        parent = present.get(process.parent)
        if parent is not None and (inherited := self._known.get((parent.pid, parent.started))):
            return inherited
        for worker, (pid, _) in self._leaders.items():
            if pid in (process.group, process.session):
                return worker
        name = process.pid, process.started
        if name in self._strangers or process.pid == os.getpid():
            return ""
        marker = self._read_marker(process.pid)
        if marker.startswith(self._prefix):
            return marker.removeprefix(self._prefix)
        # Between its fork and its exec a new worker still has the hub's environment.
        if process.parent != self._hub_pid:
            self._strangers.add(name)
        return ""


def _age(process: Process) -> tuple[int, str, int]:
    # Ticks are compared as numbers: of two, the shorter is the smaller.
    return len(process.started), process.started, process.pid
