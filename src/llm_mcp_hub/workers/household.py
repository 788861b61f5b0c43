"""What all workers of this process share: one directory and one reaper.

Guarantee: both exist before the first worker is started and are gone when the last one has left,
so nothing needs to be closed besides the workers. There is one household for each process, for
any number of hubs, pools and event loops; a fork of the process has an empty one of its own.
"""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from llm_mcp_hub.workers.cgroup import GroupTree, WorkerGroup
from llm_mcp_hub.workers.directories import HubDirectory, delete
from llm_mcp_hub.workers.process_table import started
from llm_mcp_hub.workers.reaper import Reaper
from llm_mcp_hub.workers.worker_limits import WorkerLimits, WorkerUsage

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

ENDED_SECONDS = 3.0
"""How long the reaper may take to see that nothing of a worker runs any more."""


class Member:
    """A worker's place in the household. Made by `Household.join`, given up by `leave`.

    Attributes:
        marker: Value of the variable that names the worker.
        directory: For its private files; deleted with the place.
        group: Its control group, where there are any.
        usage: What it took when last seen.
        watch: Called with each new `usage`, in the reaper's thread.
        ended: Set by the reaper once nothing of a worker that leaves runs any more.
    """

    __slots__ = (
        "_ends_on_eof",
        "_household",
        "_lock",
        "_process",
        "_started",
        "directory",
        "ended",
        "group",
        "leaving",
        "marker",
        "number",
        "usage",
        "watch",
    )

    def __init__(
        self,
        household: "Household",
        number: int,
        marker: str,
        directory: Path,
        *,
        ends_on_eof: bool = True,
    ) -> None:
        self._household = household
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._started = "?"
        self.number = number
        self.marker = marker
        self.directory = directory
        self._ends_on_eof = ends_on_eof
        self.group: WorkerGroup | None = None
        self.leaving = False
        self.ended = threading.Event()
        self.usage: WorkerUsage | None = None
        self.watch: Callable[[WorkerUsage], None] | None = None

    def runs(self, process: "subprocess.Popen[bytes]") -> None:
        """Say which process it is, before anybody can have reaped that.

        Raises:
            OSError: Its control group does not take it.
        """
        self._process = process
        self._started = started(process.pid) or "?"
        if self.group is not None:
            self.group.add(process.pid)
        self._household.tell(*self.told())

    def told(self) -> Iterator[str]:
        """What a reaper must be told of it."""
        process = self._process
        # The number of one that is reaped may be another's.
        if process is not None and process.returncode is None:
            group = self.group.path if self.group is not None else ""
            yield f"worker {self.number} {process.pid} {self._started} {group}"
            if not self._ends_on_eof:
                yield f"signal {self.number}"
        if self.leaving:
            yield f"end {self.number}"

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel killed something of it for using too much."""
        return self.group is not None and self.group.out_of_memory()

    def leave(self) -> None:
        """End what is left of the worker and delete its files. Blocks; again, it is a no-op."""
        with self._lock:
            if not self.leaving:
                self.leaving = True
                self.watch = None
                self._household.leave(self, ran=self._process is not None)


class Household:
    """The workers of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: dict[int, Member] = {}
        self._count = 0
        self._directory: HubDirectory | None = None
        self._reaper: Reaper | None = None
        self._groups: GroupTree | None = None
        self._looked_for_groups = False
        self._warned = False

    @property
    def reaper(self) -> Reaper | None:
        """There while a worker is."""
        return self._reaper

    @property
    def directory(self) -> HubDirectory | None:
        """There while a worker is."""
        return self._directory

    def join(self, limits: WorkerLimits, *, ends_on_eof: bool = True) -> Member:
        """Make room for a worker. Blocks, for about a millisecond if it is the first.

        `ends_on_eof`: see `WorkerSpec`.

        Raises:
            OSError: There is no place for its files, or the reaper can't be started.
        """
        with self._lock:
            directory = self._directory
            if directory is None or self._reaper is None:
                directory = self._open()
            self._count += 1
            try:
                path = directory.make(str(self._count))
            except BaseException:
                self._close_if_empty()
                raise
            marker = f"{directory.name}/{self._count}"
            member = Member(self, self._count, marker, Path(path), ends_on_eof=ends_on_eof)
            self._members[member.number] = member
            if self._groups is not None:
                member.group = self._groups.make(member.marker.replace("/", "-"), limits)
            if limits.cpus and member.group is None and not self._warned:
                self._warned = True
                log.warning("worker.cpus_not_limited", reason="there are no control groups")
            return member

    def tell(self, *lines: str) -> None:
        """Tell the reaper."""
        if self._reaper is not None:
            for line in lines:
                self._reaper.tell(line)

    def leave(self, member: Member, *, ran: bool) -> None:
        """Give up a worker's place; see `Member.leave`. In a fork of the hub, a no-op."""
        if self._members.get(member.number) is not member:
            return
        if member.group is not None:
            member.group.remove()
        if ran:
            self._end(member)
        delete(str(member.directory))
        with self._lock:
            del self._members[member.number]
            self._close_if_empty()

    def forget(self) -> None:
        """Begin anew, in a fork of the process: its workers are not ours."""
        if self._reaper is not None:
            self._reaper.disown()
        if self._directory is not None:
            self._directory.close()
        self._lock = threading.Lock()  # perhaps held by a thread that is not here
        self._members = {}
        self._reaper = self._directory = None

    def _open(self) -> HubDirectory:
        if not self._looked_for_groups:
            # Before the reaper is started, for that is to be where this process is.
            self._looked_for_groups = True
            self._groups = GroupTree.find()
        directory = HubDirectory.create()
        try:
            self._reaper = Reaper(directory, self._hear, self._tell_all)
        except BaseException:
            directory.remove()
            raise
        self._directory = directory
        return directory

    def _close_if_empty(self) -> None:
        if self._members or self._reaper is None or self._directory is None:
            return
        self._reaper.close()
        self._directory.remove()
        self._reaper = self._directory = None

    def _end(self, member: Member) -> None:
        self.tell(f"end {member.number}")
        if member.ended.wait(ENDED_SECONDS):
            return
        log.warning("reaper.silent", worker=member.marker)
        if self._reaper is not None:
            self._reaper.replace()
            member.ended.wait(ENDED_SECONDS)

    def _tell_all(self) -> Iterator[str]:
        for member in list(self._members.values()):
            yield from member.told()

    def _hear(self, line: str) -> None:
        words = line.split()
        if words and words[0] == "ended":
            member = self._members.get(int(words[1]))
            if member is not None:
                member.ended.set()
            return
        for word in words[1:]:
            number, rss, cpu, processes = word.split(":")
            member = self._members.get(int(number))
            if member is not None:
                member.usage = WorkerUsage(int(rss), float(cpu), int(processes))
                if member.watch is not None:
                    member.watch(member.usage)


HOUSEHOLD = Household()
"""That of this process."""

os.register_at_fork(after_in_child=HOUSEHOLD.forget)
