"""What the hub adds to a request: `make bench`.

In one run, on the same machine: the echo worker spoken to directly over its pipe, a bare Litestar
handler that returns the same bytes, and the whole hub (access tokens, sessions, leases, deadlines,
logs: everything on) on each state store. Whole and streamed answers of 20 words, at 1, 16 and 64
clients. *Added* is what the hub takes beyond the worker itself. The server has one core, clients
and workers the other. The worker alone is spoken to from the server's core, too: where both are on
one, nobody has to be woken on another, which is half of what an answer takes there. Two servers
started alike differ by a fifth, so each is started several times, and of each row the run with the
median p50 is shown. Every conversation's first turn, which claims a fresh worker, is untimed;
`benchmarks/warm.py` is about those.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import msgspec
import uvloop
from client import Caller, post

from llm_mcp_hub.providers.echo import WORKER
from llm_mcp_hub.testing.redis_server import RedisServer

HERE = Path(__file__).parent
TEXT = "".join(f" word{number}" for number in range(20))
RUN = "{run}"
"""Stands for the number of the run in a server's arguments."""
TURNS = 10
"""Timed turns of one conversation: up to 20 stored messages."""


class Figures(msgspec.Struct):
    """One row. Times are milliseconds."""

    case: str
    clients: int
    streamed: bool
    p50: float
    p99: float
    per_second: float
    chunks_per_second: float
    cpu_us: float


class Server:
    """A server process on the first core; its children are on the last."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(HERE / "servers.py"), *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        port, self.token = self.process.stdout.readline().split()
        self.port = int(port)

    def settle(self) -> None:
        """Wait until no worker is being started or ended beside what is measured."""
        if self.token == "none":  # the bare handler has no workers
            return
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/providers/echo",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        while True:
            with urllib.request.urlopen(request, timeout=10) as reply:
                pool = json.load(reply)["pool"]
            if pool["blank"] > 0 and not pool["starting"] and not pool["ending"]:
                return
            time.sleep(0.01)

    def cpu_seconds(self) -> float:
        """CPU time the server itself has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()


def to_first_core() -> None:
    """Pin this process to the server's core."""
    os.sched_setaffinity(0, {0})


def to_last_core(pid: int = 0) -> None:
    """Pin a process, or this one, to the core of the clients and the workers."""
    os.sched_setaffinity(pid, {(os.cpu_count() or 1) - 1})


def body(*, streamed: bool) -> bytes:
    """A chat request of 20 words."""
    request = {
        "model": "echo/echo",
        "stream": streamed,
        "messages": [{"role": "user", "content": TEXT}],
    }
    return json.dumps(request).encode()


async def measure(
    case: str, server: Server, clients: int, *, streamed: bool, rounds: int
) -> Figures:
    """Rounds of conversations: an untimed first turn, then `TURNS` timed ones, all at once."""
    callers = [await Caller.connect(server.port) for _ in range(clients)]
    times: list[float] = []
    chunks = 0
    spent = cpu = 0.0

    async def first(caller: Caller, session: str) -> None:
        request = post(server.port, server.token, body(streamed=streamed), session)
        await caller.ask(request, streamed=streamed)

    async def rest(caller: Caller, session: str) -> int:
        request = post(server.port, server.token, body(streamed=streamed), session)
        seen = 0
        for _ in range(TURNS):
            _, last, events = await caller.ask(request, streamed=streamed)
            times.append(last)
            seen += events
        return seen

    for number in range(rounds):
        sessions = [f"{clients}-{streamed}-{number}-{index}" for index in range(clients)]
        pairs = list(zip(callers, sessions, strict=True))
        await asyncio.gather(*(first(*pair) for pair in pairs))
        server.settle()
        cpu -= server.cpu_seconds()
        spent -= time.perf_counter()
        chunks += sum(await asyncio.gather(*(rest(*pair) for pair in pairs)))
        spent += time.perf_counter()
        cpu += server.cpu_seconds()
    for caller in callers:
        caller.close()
    return figures(case, clients, streamed, times, spent, chunks, cpu)


def figures(
    case: str,
    clients: int,
    streamed: bool,
    times: list[float],
    spent: float,
    chunks: int,
    cpu: float,
) -> Figures:
    """Sum up."""
    times.sort()
    return Figures(
        case=case,
        clients=clients,
        streamed=streamed,
        p50=statistics.median(times) * 1000,
        p99=times[int(len(times) * 0.99)] * 1000,
        per_second=len(times) / spent,
        chunks_per_second=chunks / spent if streamed else 0.0,
        cpu_us=cpu / len(times) * 1e6,
    )


def measure_worker(turns: int) -> Figures:
    """The echo worker alone, over its pipe, spoken to from the server's core."""
    line = json.dumps({"type": "say", "text": TEXT, "limit": None, "calls": []}).encode() + b"\n"
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(WORKER), "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    to_last_core(process.pid)
    to_first_core()
    times = []
    for _ in range(turns):
        started = time.perf_counter()
        process.stdin.write(line)
        seen = b""
        while b'"end"' not in seen:
            seen += os.read(process.stdout.fileno(), 1 << 16)
        times.append(time.perf_counter() - started)
    process.stdin.close()
    process.wait(10)
    process.stdout.close()
    to_last_core()
    return figures("worker alone", 1, False, times[10:], sum(times), 0, 0.0)


def middle(runs: list[Figures]) -> Figures:
    """The run with the median p50."""
    return sorted(runs, key=lambda row: row.p50)[len(runs) // 2]


def show(rows: list[Figures], worker: Figures) -> None:
    """A table for `docs/benchmarks.md`."""
    write = sys.stdout.write
    write(f"worker alone, over its pipe: p50 {worker.p50:.3f} ms, p99 {worker.p99:.3f} ms\n\n")
    write(
        "| case | clients | answer | p50 ms | p99 ms | added p50 | added p99 | × bare "
        "| requests/s | chunks/s | CPU µs |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    bare = {(row.clients, row.streamed): row.p50 for row in rows if row.case == "bare"}
    for row in rows:
        own = 0.0 if row.case == "bare" else worker.p50
        write(
            f"| {row.case} | {row.clients} | {'streamed' if row.streamed else 'whole'} "
            f"| {row.p50:.3f} | {row.p99:.3f} | {row.p50 - own:.3f} | {row.p99 - own:.3f} "
            f"| {row.p50 / bare[row.clients, row.streamed]:.2f} | {row.per_second:,.0f} "
            f"| {row.chunks_per_second:,.0f} | {row.cpu_us:.0f} |\n"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--turns", type=int, default=1500, help="timed turns per run, at least")
    parser.add_argument("--runs", type=int, default=5, help="servers started for each case")
    parser.add_argument("--states", nargs="+", default=["memory", "sqlite", "redis"])
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    to_last_core()
    rows: list[Figures] = []
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        worker = measure_worker(2000)
        cases = [("bare", ["bare", str(folder / "log")])]
        redis = None
        for state in options.states:
            # Each run begins with nothing stored.
            url = {"memory": "memory://", "sqlite": f"sqlite:///{folder}/hub-{RUN}.db"}.get(state)
            if url is None:
                redis = RedisServer(folder)
                redis.start()
                url = f"{redis.url.rpartition('/')[0]}/{RUN}"
            workers = str(max(options.clients) + 4)
            cases.append(
                (
                    f"hub, {state}",
                    ["hub", str(folder / "log"), url, str(folder / f"{state}-{RUN}"), workers],
                )
            )
        runs: dict[tuple[str, int, bool], list[Figures]] = {}
        for run in range(options.runs):
            for case, arguments in cases:
                server = Server(*(word.replace(RUN, str(run)) for word in arguments))
                try:
                    for clients in options.clients:
                        rounds = max(3, options.turns // (clients * TURNS))
                        for streamed in (False, True):
                            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                                row = runner.run(
                                    measure(case, server, clients, streamed=streamed, rounds=rounds)
                                )
                            runs.setdefault((case, clients, streamed), []).append(row)
                finally:
                    server.close()
        order = {case: place for place, (case, _) in enumerate(cases)}
        rows += [middle(runs[key]) for key in sorted(runs, key=lambda key: (order[key[0]], *key))]
        if redis is not None:
            redis.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(rows, worker)
    if options.json:
        options.json.write_bytes(msgspec.json.encode(rows))


if __name__ == "__main__":
    main()
