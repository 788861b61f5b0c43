"""The reaper: a small program beside each hub that outlives it; standard library only.

Guarantees: when the hub is gone, however it went, everything that carries its marker or descends
from what does is ended within two seconds, whatever it ignores and wherever it hides, and the
hub's directory is deleted; then the reaper ends. While the hub lives it ends what a worker leaves
behind, tells what each worker takes, and deletes the directories of hubs that died with their
reaper.

Hub to reaper, lines on standard input: `worker NUMBER PID STARTED [CONTROL_GROUP]`, `signal NUMBER`
for one that the end of its input does not end, and whose input therefore stays open until it was
signalled (where there is /proc), `end NUMBER`, `bye`.
Reaper to hub, lines on standard output: `usage` with `NUMBER:RSS_BYTES:CPU_SECONDS:PROCESSES` for
each worker, and `ended NUMBER` once nothing of a worker runs any more.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

from llm_mcp_hub.workers.directories import HubDirectory, abandoned
from llm_mcp_hub.workers.family import Family
from llm_mcp_hub.workers.process_table import Process, find, marker, processes, send

SAMPLE_SECONDS = 0.5
"""Between two looks at what the workers take."""
SHARE = 50
"""The reaper looks for at most one part in so many of its time, however much runs here."""
INPUT_GRACE_SECONDS = 0.3
"""How long the workers of a dead hub may take to end by the end of their input: what they are
writing, a renewed login for example, should be whole. A start that was under way shows up in it."""
TERM_GRACE_SECONDS = 0.4
"""How long they may then take after SIGTERM, before SIGKILL."""
REAP_SECONDS = 30.0
"""When to give up on what even SIGKILL does not end: the kernel holds it."""
PAUSE_SECONDS = 0.02
"""Between two looks at what is being ended."""


class Reaper:
    """Serves one hub until that is gone.

    Args:
        hub_pid: The hub.
        directory: The hub's directory, with the lock inherited from it.
    """

    def __init__(self, hub_pid: int, directory: HubDirectory) -> None:
        self._directory = directory
        self._family = Family(directory.name, hub_pid, marker)
        self._workers: set[str] = set()
        self._ending: set[str] = set()
        self._leaders: dict[str, Process] = {}
        self._signalled: set[str] = set()
        self._inputs: dict[str, int] = {}
        self._groups: dict[str, str] = {}
        self._heard = b""
        self._poll = select.poll()
        self._poll.register(0, select.POLLIN)
        self._hub = -1
        with suppress(AttributeError, OSError):  # no Linux, an old kernel, or the hub is gone
            self._hub = os.pidfd_open(hub_pid)
            self._poll.register(self._hub, select.POLLIN)
        self._orphaned = os.getppid() != hub_pid

    def run(self) -> None:
        """Serve, and clean up in the end."""
        next_look = time.monotonic() + SAMPLE_SECONDS
        while not self._orphaned:
            wait = PAUSE_SECONDS if self._ending else max(0.0, next_look - time.monotonic())
            ready = [descriptor for descriptor, _ in self._poll.poll(wait * 1000)]
            if 0 in ready and not self._hear():
                return
            if self._hub in ready:
                self._orphaned = True
            if self._ending or time.monotonic() >= next_look:
                begun = time.monotonic()
                self._look()
                now = time.monotonic()
                next_look = now + max(SAMPLE_SECONDS, SHARE * (now - begun))
        self._hear_the_rest()
        # Before their input ends: to some that is a reason to go on, at somebody's cost.
        _send_all([self._leaders[n] for n in self._signalled & set(self._leaders)], signal.SIGTERM)
        self._reap()
        _kill_groups(self._groups.values())
        for group in filter(None, self._groups.values()):
            with suppress(OSError):
                os.rmdir(group)  # noqa: PTH106
        self._directory.remove()

    def _hear(self) -> bool:
        """Take what the hub says; False when it has no more use for a reaper."""
        data = os.read(0, 65536)
        self._orphaned = not data
        return self._take(data)

    def _hear_the_rest(self) -> None:
        # Not to its end: something that is no worker may hold the pipe open.
        os.set_blocking(0, False)
        with suppress(BlockingIOError):
            while data := os.read(0, 65536):
                self._take(data)

    def _take(self, data: bytes) -> bool:
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            match line.decode().split():
                case ["worker", number, pid, started, *group]:
                    self._groups[number] = "".join(group)
                    self._workers.add(number)
                    self._ending.discard(number)
                    self._tell(number, int(pid), started)
                case ["signal", number]:
                    self._signalled.add(number)
                    self._keep_open(number)
                case ["end", number]:
                    self._workers.discard(number)
                    self._signalled.discard(number)
                    self._close_input(number)
                    self._leaders.pop(number, None)
                    self._groups.pop(number, None)
                    self._ending.add(number)
                case ["bye"]:
                    return False
        return True

    def _tell(self, number: str, pid: int, started: str) -> None:
        # Without /proc the hub can't tell a start, and only what runs now can be that worker.
        seen = find(pid)
        if seen is not None and started in ("?", seen.started):
            self._leaders[number] = seen
            self._family.tell(number, pid, seen.started)

    def _keep_open(self, number: str) -> None:
        """Be one more that could write to a worker, so that its input does not end with the hub."""
        leader = self._leaders.get(number)
        if leader is not None:
            self._close_input(number)
            with suppress(OSError):  # no /proc, or it has ended
                path = f"/proc/{leader.pid}/fd/0"
                self._inputs[number] = os.open(path, os.O_WRONLY | os.O_NONBLOCK)

    def _close_input(self, number: str) -> None:
        if number in self._inputs:
            os.close(self._inputs.pop(number))

    def _look(self) -> None:
        members = self._family.members(processes())
        living = [(number, found) for number, found in members.items() if number in self._workers]
        self._say("usage", *(_usage(number, found) for number, found in living))
        for number in list(self._ending):
            if number in members:
                _send_all(members[number], signal.SIGKILL)
            else:
                self._ending.discard(number)
                self._say("ended", number)

    def _say(self, *words: str) -> None:
        # A hub that does not read is stopped or gone: what is said of it now would be late anyway.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(1, (" ".join(words) + "\n").encode())

    def _reap(self) -> None:
        begun = time.monotonic()
        terminated = False
        self._family.forget_strangers()
        while (waited := time.monotonic() - begun) < REAP_SECONDS:
            found = [p for group in self._family.members(processes()).values() for p in group]
            if waited > INPUT_GRACE_SECONDS:
                if not found:
                    return
                if waited > INPUT_GRACE_SECONDS + TERM_GRACE_SECONDS:
                    _kill_groups(self._groups.values())
                    _send_all(found, signal.SIGKILL)
                elif not terminated:
                    terminated = True
                    _send_all(found, signal.SIGTERM)
            self._family.forget_strangers()
            time.sleep(PAUSE_SECONDS)


def _usage(number: str, found: list[Process]) -> str:
    rss = sum(process.rss_bytes for process in found)
    cpu = sum(process.cpu_seconds for process in found)
    return f"{number}:{rss}:{cpu:.2f}:{len(found)}"


def _send_all(found: list[Process], number: signal.Signals) -> None:
    for process in found:
        send(process, number)


def _kill_groups(groups: Iterable[str]) -> None:
    for group in filter(None, groups):
        with suppress(OSError), open(f"{group}/cgroup.kill", "w") as file:  # noqa: PTH123
            file.write("1")


def sweep(place: str) -> None:
    """Delete the directories of hubs that died with their reaper, and end what is left of them."""
    for directory in abandoned(place):
        family = Family(directory.name, 0, marker)
        until = time.monotonic() + REAP_SECONDS
        while time.monotonic() < until:
            left = [p for group in family.members(processes()).values() for p in group]
            if not left:
                break
            _send_all(left, signal.SIGKILL)
            time.sleep(PAUSE_SECONDS)
        directory.remove()


def main(hub_pid: str, path: str, lock: str) -> NoReturn:
    """Run as the reaper of a hub."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its hub has ended, and not before
    os.set_blocking(1, False)
    os.chdir("/")
    place = os.path.dirname(path)  # noqa: PTH120
    threading.Thread(target=sweep, args=(place,), daemon=True).start()
    Reaper(int(hub_pid), HubDirectory(path, int(lock))).run()
    sys.stdout.flush()
    os._exit(0)  # a sweep that is not done is done by the next hub
