"""For how many more members there is memory.

Guarantee: it asks what Linux says is available to this process, on the machine and in each control
group (version 1 or 2) that it is in, and takes the least; where nothing can be learnt, there is
room. Reading takes some tens of microseconds and never waits; a `MemoryGauge` reads rarely.

Sources: proc(5) for `MemAvailable`; the kernel's `admin-guide/cgroup-v2` and `cgroup-v1/memory`.
Page cache that is not in use counts as available, for the kernel takes it back by itself.
"""

import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import NamedTuple

RESERVE_BYTES = 128 * 1024 * 1024
"""Is left for everything else on the machine."""
ASSUMED_BYTES = 160 * 1024 * 1024
"""What a member needs, as long as none has told: about one Claude Code process."""
PLENTY = 1_000_000
READ_SECONDS = 0.5


class _Files(NamedTuple):
    """Where one control group says what it may use and uses."""

    limit: Path
    usage: Path
    stat: Path
    cache: str


class MemoryGauge:
    """Remembers what it has read for `READ_SECONDS`: starts come in bursts.

    Args:
        root: Where `proc` and `sys` are.
        clock: The time in seconds.
    """

    def __init__(self, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._read_at = -inf
        self._available: int | None = None

    def room_for(self, member_bytes: int) -> int:
        """For how many more members there is memory, if one needs so much; 0: not known yet."""
        now = self._clock()
        if now - self._read_at >= READ_SECONDS:
            self._read_at = now
            self._available = available_bytes(self._root)
        if self._available is None:
            return PLENTY
        return max(0, self._available - RESERVE_BYTES) // (member_bytes or ASSUMED_BYTES)


def available_bytes(root: Path = Path("/")) -> int | None:
    """Memory that this process could still get; None where nothing says."""
    found = [_machine(root), *(_left(files) for files in _groups(root))]
    return min((left for left in found if left is not None), default=None)


def _machine(root: Path) -> int | None:
    kilobytes = _figure(root / "proc/meminfo", "MemAvailable:")
    return None if kilobytes is None else kilobytes * 1024


def _left(files: _Files) -> int | None:
    limit, usage = _number(files.limit), _number(files.usage)
    if limit is None or usage is None:
        return None
    return max(0, limit - usage + (_figure(files.stat, files.cache) or 0))


@lru_cache(maxsize=4)
def _groups(root: Path) -> tuple[_Files, ...]:
    return tuple(_find_groups(root))


def _find_groups(root: Path) -> Iterator[_Files]:
    """The control groups of this process that may limit its memory, innermost first."""
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            for group in _upwards(base, path):
                yield _Files(
                    group / "memory.max",
                    group / "memory.current",
                    group / "memory.stat",
                    "inactive_file ",
                )
        elif "memory" in controllers.split(","):
            for group in _upwards(base / "memory", path):
                yield _Files(
                    group / "memory.limit_in_bytes",
                    group / "memory.usage_in_bytes",
                    group / "memory.stat",
                    "total_inactive_file ",
                )


def _upwards(base: Path, path: str) -> Iterator[Path]:
    group = base / path.strip("/")
    while True:
        # In a container the path may be the host's, of which only the root is to be seen.
        if group.is_dir():
            yield group
        if group == base:
            return
        group = group.parent


def _number(path: Path) -> int | None:
    """A file's one number; None for `max`, or without such a file."""
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _figure(path: Path, name: str) -> int | None:
    for line in _text(path).splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
