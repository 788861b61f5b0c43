"""What a process holds: descriptors, tasks, threads, other processes and files."""

import asyncio
import os
import threading
from collections import Counter
from pathlib import Path

from . import processes

EXECUTORS = ("asyncio_", "uvloop_")
"""Names of the threads of an event loop's executor, which keeps those that it once needed."""


Census = dict[str, int]
"""How many there are at one moment, by kind."""


def take(temporary: Path, tasks: Census | None = None) -> Census:
    """Count.

    Args:
        temporary: The directory of temporary files, which is also in every child's environment.
        tasks: Those of the event loop, from `running_tasks`.
    """
    children = processes.children_of(os.getpid())
    return {
        **_descriptors(),
        **_threads(),
        **(tasks or {}),
        "processes": len(processes.running(str(temporary))),
        "zombies": sum(processes.state_of(pid) == "Z" for pid in children),
        "temporary files": sum(1 for _ in temporary.rglob("*")),
    }


def changes(before: Census, now: Census) -> dict[str, tuple[int, int]]:
    """Of what there is another number now: how many there were, and how many there are."""
    kinds = sorted({*before, *now})
    numbers = {kind: (before.get(kind, 0), now.get(kind, 0)) for kind in kinds}
    return {kind: pair for kind, pair in numbers.items() if pair[0] != pair[1]}


async def running_tasks() -> Census:
    """The tasks of this event loop, by the name of their coroutine."""
    mine = asyncio.current_task()
    coroutines = [task.get_coro() for task in asyncio.all_tasks() if task is not mine]
    return Counter(f"task {getattr(one, '__qualname__', repr(one))}" for one in coroutines)


def _descriptors() -> Census:
    kinds: Counter[str] = Counter()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue  # the one that this listing needs
        # The numbers of pipes and sockets, and the names of directories, are never the same twice.
        kinds[f"descriptor {Path(target.partition('[')[0]).name}"] += 1
    return kinds


def _threads() -> Census:
    """By name without the number."""
    names = (thread.name.rstrip("0123456789") for thread in threading.enumerate())
    return Counter(f"thread {name}" for name in names if not name.startswith(EXECUTORS))
