"""What the hub adds to an MCP tool call: `make bench-mcp`.

In one run, on the same machine: `tools/call` of `list_providers` at the SDK's own bare server,
which answers from memory, and at the whole hub (access tokens, Host and Origin checks, limits, the
echo provider's real state), in both eras of the protocol: 2026-07-28, where each call stands for
itself, and 2025-11-25, inside a session. The server has one core, the clients the other. Two
servers started alike differ by a fifth, so each is started several times, and of each row the run
with the median p50 is shown.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path

import msgspec
import uvloop
from client import Caller
from overhead import Server

MODERN, HANDSHAKE = "2026-07-28", "2025-11-25"
CALL = {"name": "list_providers", "arguments": {}}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "benchmark", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Figures(msgspec.Struct):
    """One row. Times are milliseconds, CPU time microseconds a call."""

    server: str
    era: str
    clients: int
    p50: float
    p99: float
    per_second: float
    cpu_us: float


def request(server: Server, method: str, params: object, *headers: str, number: int = 1) -> bytes:
    """The bytes of one message."""
    message = {"jsonrpc": "2.0", "method": method, "params": params}
    if not method.startswith("notifications/"):
        message["id"] = number
    body = json.dumps(message).encode()
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        f"Authorization: Bearer {server.token}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def modern_call(server: Server) -> bytes:
    """A call that stands for itself."""
    return request(
        server,
        "tools/call",
        CALL | {"_meta": ENVELOPE},
        f"MCP-Protocol-Version: {MODERN}",
        "Mcp-Method: tools/call",
        "Mcp-Name: list_providers",
    )


def handshake_call(server: Server) -> bytes:
    """A call inside a session, which is opened for it."""
    hello = {
        "protocolVersion": HANDSHAKE,
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    }
    version = f"MCP-Protocol-Version: {HANDSHAKE}"
    head, _, body = request(server, "initialize", hello).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    url = f"http://127.0.0.1:{server.port}/mcp"
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        session = f"Mcp-Session-Id: {answer.headers['mcp-session-id']}"
        answer.read()
    head, _, body = request(server, "notifications/initialized", {}, version, session).partition(
        b"\r\n\r\n"
    )
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    urllib.request.urlopen(urllib.request.Request(url, body, headers)).close()
    return request(server, "tools/call", CALL, version, session)


async def measure(name: str, server: Server, era: str, clients: int, calls: int) -> Figures:
    """So many calls by so many clients at once."""
    make, streamed = (modern_call, False) if era == MODERN else (handshake_call, True)
    callers = [await Caller.connect(server.port) for _ in range(clients)]
    requests = [await asyncio.to_thread(make, server) for _ in callers]
    times: list[float] = []

    async def call(caller: Caller, data: bytes, count: int) -> None:
        for _ in range(count):
            _, seconds, _ = await caller.ask(data, streamed=streamed)
            times.append(seconds)

    async with asyncio.TaskGroup() as warming:
        for caller, data in zip(callers, requests, strict=True):
            warming.create_task(call(caller, data, 5))
    times.clear()
    cpu, began = server.cpu_seconds(), time.perf_counter()
    async with asyncio.TaskGroup() as timed:
        for caller, data in zip(callers, requests, strict=True):
            timed.create_task(call(caller, data, calls // clients))
    took, used = time.perf_counter() - began, server.cpu_seconds() - cpu
    for caller in callers:
        caller.close()
    cuts = statistics.quantiles(times, n=100)
    return Figures(
        name,
        era,
        clients,
        statistics.median(times) * 1000,
        cuts[98] * 1000,
        len(times) / took,
        used / len(times) * 1e6,
    )


def run(arguments: argparse.Namespace, directory: Path) -> list[Figures]:
    """Every row of every start."""
    rows = []
    for number in range(arguments.starts):
        for name in ("bare", "hub"):
            log = str(directory / f"{name}-{number}.log")
            words = ["bare-mcp", log]
            if name == "hub":
                words = ["hub", log, "memory://", str(directory / f"data-{number}"), "2"]
            server = Server(*words)
            try:
                for era in (MODERN, HANDSHAKE):
                    for clients in arguments.clients:
                        work = measure(name, server, era, clients, arguments.calls)
                        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                            rows.append(runner.run(work))
            finally:
                server.close()
    return rows


def median_rows(rows: list[Figures]) -> list[Figures]:
    """Of each row the start with the median p50."""
    groups: dict[tuple[str, str, int], list[Figures]] = {}
    for row in rows:
        groups.setdefault((row.era, row.server, row.clients), []).append(row)
    chosen = [sorted(group, key=lambda row: row.p50)[len(group) // 2] for group in groups.values()]
    return sorted(chosen, key=lambda row: (row.era, row.clients, row.server))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as directory:
        rows = median_rows(run(arguments, Path(directory)))
    bare = {(row.era, row.clients): row for row in rows if row.server == "bare"}
    print("| era | clients | server | p50 ms | p99 ms | calls/s | CPU µs | CPU beside bare |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        ratio = row.cpu_us / bare[row.era, row.clients].cpu_us
        print(
            f"| {row.era} | {row.clients} | {row.server} | {row.p50:.2f} | {row.p99:.2f} "
            f"| {row.per_second:.0f} | {row.cpu_us:.0f} | {ratio:.2f} |"
        )


if __name__ == "__main__":
    main()
