"""What one worker may take, and the error that names what it took too much of.

Guarantee: a limit that was hit is named in the error, together with the setting that raises it,
for all but `open_files`, which only the program itself notices.
"""

import resource
import signal
from contextlib import suppress
from typing import Annotated

import structlog
from msgspec import Meta, Struct

from llm_mcp_hub.errors import WorkerLimitExceeded

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

MIB = 1024 * 1024

Limit = Annotated[int, Meta(ge=0)]


class WorkerLimits(Struct, frozen=True, forbid_unknown_fields=True):
    """What one worker may take, its descendants included. 0 is no limit.

    Attributes:
        memory_mb: MiB of memory. There is no limit on address space: a JavaScript engine reserves
            many times of what it uses.
        cpus: Cores it may use on average; slows it down and never stops it. Needs a control group.
        cpu_seconds: CPU time since it was last told something, after which it counts as running
            wild: such a program waits for the network nearly all of the time.
        processes: How many processes it may be.
        open_files: Descriptors that each of its processes may have open.
        file_size_mb: MiB of the largest file it may write.
        output_mb: MiB it may write to its standard output since it was last told something.
    """

    memory_mb: Limit = 2048
    cpus: Annotated[float, Meta(ge=0)] = 0.0
    cpu_seconds: Limit = 600
    processes: Limit = 64
    open_files: Limit = 4096
    file_size_mb: Limit = 1024
    output_mb: Limit = 256


class WorkerUsage(Struct, frozen=True):
    """What a worker takes, its descendants included, as last seen.

    Attributes:
        rss_bytes: Memory present. What several processes share counts once for each.
        cpu_seconds: CPU time since its start.
        processes: How many it is.
    """

    rss_bytes: int
    cpu_seconds: float
    processes: int


class Meter:
    """Compares what a worker takes with what it may.

    Args:
        limits: What it may.
        sampled: Whether its memory is limited by samples, for want of a control group.
    """

    __slots__ = ("_cpu_from", "_limits", "_output", "_sampled")

    def __init__(self, limits: WorkerLimits, *, sampled: bool = True) -> None:
        self._limits = limits
        self._sampled = sampled
        self._output = 0
        self._cpu_from: float | None = 0.0

    def told(self) -> None:
        """It was told something, and has a reason to work."""
        self._output = 0
        self._cpu_from = None

    def wrote(self, size: int) -> WorkerLimitExceeded | None:
        """It wrote so many bytes to its standard output."""
        self._output += size
        if 0 < self._limits.output_mb * MIB < self._output:
            return _exceeded(f"wrote more than {self._limits.output_mb} MiB at once", "output_mb")
        return None

    def uses(self, usage: WorkerUsage) -> WorkerLimitExceeded | None:
        """It takes so much."""
        limits = self._limits
        if self._sampled and 0 < limits.memory_mb * MIB < usage.rss_bytes:
            return self._memory()
        if 0 < limits.processes < usage.processes:
            return _exceeded(f"became more than {limits.processes} processes", "processes")
        if self._cpu_from is None or usage.cpu_seconds < self._cpu_from:
            self._cpu_from = usage.cpu_seconds
        if 0 < limits.cpu_seconds < usage.cpu_seconds - self._cpu_from:
            return _exceeded(
                f"used more than {limits.cpu_seconds} s of CPU time on one task", "cpu_seconds"
            )
        return None

    def ended(self, status: int, *, out_of_memory: bool) -> WorkerLimitExceeded | None:
        """It ended with such a status; perhaps the kernel says that it had no more memory."""
        if out_of_memory:
            return self._memory()
        if status == -signal.SIGXFSZ:
            return _exceeded(
                f"wrote a file of more than {self._limits.file_size_mb} MiB", "file_size_mb"
            )
        return None

    def _memory(self) -> WorkerLimitExceeded:
        """It takes more memory than it may."""
        return _exceeded(f"used more than {self._limits.memory_mb} MiB of memory", "memory_mb")


def set_resource_limits(pid: int, limits: WorkerLimits) -> None:
    """Set what the kernel itself enforces for each process, on Linux: prlimit(2). No core files."""
    if not hasattr(resource, "prlimit"):
        return
    wanted = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: limits.open_files or resource.RLIM_INFINITY,
        resource.RLIMIT_FSIZE: limits.file_size_mb * MIB or resource.RLIM_INFINITY,
    }
    try:
        for kind, most in wanted.items():
            with suppress(ProcessLookupError):  # it has ended already
                _, hard = resource.prlimit(pid, kind)
                if most != resource.RLIM_INFINITY and (
                    hard == resource.RLIM_INFINITY or most < hard
                ):
                    resource.prlimit(pid, kind, (most, most))
    except PermissionError as error:  # a program that runs as somebody else
        log.warning("worker.limits_not_set", pid=pid, error=str(error))


def _exceeded(what: str, setting: str) -> WorkerLimitExceeded:
    return WorkerLimitExceeded(
        f"The provider's program {what} and was stopped. "
        f"Ask for less at once, or raise `limits.{setting}` of the provider."
    )
