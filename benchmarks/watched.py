"""A hub in a process of its own, looked at from outside: its memory, and the processes below it."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

REST_SECONDS = 60.0


class Look(msgspec.Struct):
    """The hub at one moment. `children` are all processes below it."""

    seconds: float
    rss_kib: int
    children: int
    descriptors: int
    threads: int


class Watched:
    """The hub in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", address: str, token: str) -> None:
        self.process = process
        self.port = int(address.rpartition(":")[2])
        self.token = token
        self._address = address
        self._started = time.monotonic()

    def look(self) -> Look:
        """Count."""
        proc = Path(f"/proc/{self.process.pid}")
        status = dict(
            line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line
        )
        return Look(
            seconds=time.monotonic() - self._started,
            rss_kib=int(status["VmRSS"].split()[0]),
            children=len(below(self.process.pid)),
            descriptors=len(list((proc / "fd").iterdir())),
            threads=int(status["Threads"]),
        )

    def pool(self) -> dict[str, Any]:
        """The figures of the pool."""
        request = urllib.request.Request(
            f"{self._address}/v1/providers/echo", headers={"Authorization": f"Bearer {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            pool: dict[str, Any] = json.load(reply)["pool"]
        return pool

    def workers(self) -> list[int]:
        """The echo workers below it."""
        found = []
        for child in below(self.process.pid):
            with suppress(OSError):
                if b"echo_worker.py" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
        return sorted(found)

    def at_rest(self) -> Look:
        """Count once no used worker is left and the spare one is there."""
        until = time.monotonic() + REST_SECONDS
        while time.monotonic() < until:
            pool = self.pool()
            busy = ("claimed", "parked", "starting", "ending", "queued")
            if not any(pool[name] for name in busy) and pool["blank"]:
                return self.look()
            time.sleep(0.5)
        raise RuntimeError(f"the hub has not come to rest within {REST_SECONDS:g} s: {pool}")


@contextmanager
def serve(folder: Path, config: str) -> Iterator[Watched]:
    """A hub with a fresh data directory."""
    (folder / "hub.toml").write_text(config)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "llm_mcp_hub", "serve", "--port", "0"),
                *("--config", str(folder / "hub.toml"), "--data-dir", str(folder / "data")),
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline().rstrip().rpartition(" ")[2] for _ in range(2)]
        yield Watched(process, *lines)
    finally:
        process.terminate()
        process.wait(60)
        process.stdout.close()


def below(pid: int) -> set[int]:
    """All processes that descend from one."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
    found, border = set[int](), {pid}
    while border:
        border = {child for child, parent in parents.items() if parent in border}
        found |= border
    return found
