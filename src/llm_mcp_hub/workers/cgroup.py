"""Control groups for workers, where a part of the tree has been handed to this process.

Guarantees: nothing is touched but a group that is ours to divide (cgroup v2 with the memory
controller; systemd's `Delegate=`, or the root of a container's own namespace) and that holds no
process but this one; otherwise there are no control groups, and samples have to do. A worker's
group is gone when its worker is.

Sources: the kernel's "Control Group v2", systemd's "Control Group APIs and Delegation".
"""

import os
import time
from contextlib import suppress
from pathlib import Path

import structlog

from llm_mcp_hub.workers.worker_limits import MIB, WorkerLimits

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
LEAF = "hub"
"""Where this process goes, for a group that is divided may hold no process itself."""
CONTROLLERS = ("memory", "pids", "cpu")
CPU_PERIOD_US = 100_000
TASKS_PER_PROCESS = 32
"""The kernel counts threads: a JavaScript engine has about twenty. This only stops a fork bomb;
the processes themselves are counted by the samples, which can name the limit."""
REMOVE_SECONDS = 1.0
"""How long the kernel may take to empty a group whose processes were killed."""
PAUSE_SECONDS = 0.01


class WorkerGroup:
    """The control group of one worker.

    Attributes:
        path: Its directory.
    """

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        self.path = path

    def limit(self, limits: WorkerLimits) -> None:
        """Set what may be used in it.

        Raises:
            OSError: The kernel refuses.
        """
        wanted = {"memory.oom.group": "1", "memory.swap.max": "0"}
        if limits.memory_mb:
            wanted["memory.max"] = str(limits.memory_mb * MIB)
        if limits.processes:
            wanted["pids.max"] = str(limits.processes * TASKS_PER_PROCESS)
        if limits.cpus:
            wanted["cpu.max"] = f"{max(1000, int(limits.cpus * CPU_PERIOD_US))} {CPU_PERIOD_US}"
        for name, value in wanted.items():
            # Without swap, or without a controller that is not essential, there is no such file.
            with suppress(FileNotFoundError):
                _write(self.path / name, value)

    def add(self, pid: int) -> None:
        """Put a process in it, with all children it will have.

        Raises:
            OSError: The kernel refuses.
        """
        with suppress(ProcessLookupError):  # it has ended already
            _write(self.path / "cgroup.procs", str(pid))

    def out_of_memory(self) -> bool:
        """Whether something in it was killed because it used more memory than it may."""
        with suppress(OSError):
            for line in (self.path / "memory.events").read_text().splitlines():
                name, _, count = line.partition(" ")
                if name == "oom_kill":
                    return int(count) > 0
        return False

    def remove(self) -> None:
        """Kill what is in it, wherever it hides, and delete it. Blocks."""
        with suppress(OSError):  # a kernel older than 5.14
            _write(self.path / "cgroup.kill", "1")
        until = time.monotonic() + REMOVE_SECONDS
        while self.path.exists():
            try:
                self.path.rmdir()
            except OSError as error:
                if time.monotonic() > until:
                    log.warning("worker.group_left", path=str(self.path), error=str(error))
                    return
                time.sleep(PAUSE_SECONDS)


class GroupTree:
    """The part of the tree that is ours. Made by `find`.

    Attributes:
        base: Its directory; workers' groups are in it.
    """

    __slots__ = ("base",)

    def __init__(self, base: Path) -> None:
        self.base = base

    @classmethod
    def find(cls, root: Path = ROOT, own: Path = OWN) -> "GroupTree | None":
        """Take over the part of the tree that is ours, if there is one."""
        try:
            base = _delegated(root, own)
            if base is None:
                return None
            _divide(base)
        except OSError as error:
            log.info("worker.no_groups", error=str(error))
            return None
        return cls(base)

    def make(self, name: str, limits: WorkerLimits) -> WorkerGroup | None:
        """Make a worker's group; None if the kernel will not have it."""
        group = WorkerGroup(self.base / name)
        try:
            group.path.mkdir()
            group.limit(limits)
        except OSError as error:
            log.warning("worker.group_refused", path=str(group.path), error=str(error))
            group.remove()
            return None
        return group


def _delegated(root: Path, own: Path) -> Path | None:
    names = [line[3:] for line in own.read_text().splitlines() if line.startswith("0::")]
    if not names:
        return None
    here = root / names[0].lstrip("/")
    # Only below the real root is there a `cgroup.events`.
    namespace_root = here == root and (here / "cgroup.events").exists()
    if namespace_root or _handed_over(here):
        base = here
    elif here != root and _handed_over(here.parent):  # systemd's DelegateSubgroup=
        base = here.parent
    else:
        return None
    present = (base / "cgroup.procs").read_text().split()
    has_memory = "memory" in (base / "cgroup.controllers").read_text().split()
    return base if has_memory and set(present) <= {str(os.getpid())} else None


def _handed_over(group: Path) -> bool:
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError, AttributeError):  # no such attribute; no Linux
            if os.getxattr(group, name) == b"1":
                return True
    return False


def _divide(base: Path) -> None:
    if (base / "cgroup.procs").read_text().split():
        leaf = base / LEAF
        leaf.mkdir(exist_ok=True)
        _write(leaf / "cgroup.procs", str(os.getpid()))
    present = (base / "cgroup.controllers").read_text().split()
    wanted = [f"+{name}" for name in CONTROLLERS if name in present]
    _write(base / "cgroup.subtree_control", " ".join(wanted))


def _write(path: Path, text: str) -> None:
    # Not created: that would only succeed where these are no control groups at all.
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
