"""What the dashboard costs the hub: `python benchmarks/dashboard.py [--tabs 20] [--rounds 3]`.

Each round starts the hub twice, without and with the dashboard, and compares the time until it
serves, by the clock and of the processor, its memory, and the latency of chat requests; with the
dashboard also while so many tabs are open on the Overview. It then tells the bytes of the first
view. Needs the built pages.
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import simple_websocket

REQUESTS = 150
SETTLE_SECONDS = 5.0
HYDRATE = "reflex___state____state.hydrate_and_load"
SERVER = """
import sys
from importlib.metadata import entry_points
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.config import read_config
from llm_mcp_hub.log import configure_logging
from llm_mcp_hub.commands.server import HubServer
from llm_mcp_hub.commands.sockets import bind
config = read_config(None, {}, {
    "log": {"level": "error"}, "data_dir": sys.argv[1], "state": "memory://", "server": {"port": 0},
    "providers": {"echo": {"word_seconds": 0}, "claude": {"enabled": False}},
})
configure_logging(config.log)
left_out = {"dashboard"} if sys.argv[2] == "without" else set()
found = [one for one in entry_points(group="llm_mcp_hub") if one.name not in left_out]
hub = Hub(config, load_plugins(found))
async def announce(port):
    print(port, await hub.access.create_first(), flush=True)
HubServer(hub, announce).serve_until_stopped(bind(config.server))
"""


class Served:
    """A hub in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]", started: float) -> None:
        assert process.stdout is not None
        self._pid = process.pid
        words: list[str] = []
        for line in process.stdout:
            words = line.split()
            if len(words) == 2 and words[0].isdigit():
                break
        self.start_seconds = time.monotonic() - started
        self.start_cpu_seconds = self.cpu_seconds()
        port, self.token = words
        self.address = f"http://127.0.0.1:{port}"

    def cpu_seconds(self) -> float:
        """Of all threads, since the process began; its children's are not in it."""
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_mb(self) -> float:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def latencies(self) -> list[float]:
        """Milliseconds of chat requests, one after the other."""
        body = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}
        headers = {"authorization": f"Bearer {self.token}", "x-session-id": "none"}
        taken = []
        with httpx.Client(base_url=self.address, headers=headers, timeout=30) as http:
            for _ in range(REQUESTS):
                began = time.perf_counter()
                http.post("/v1/chat/completions", json=body).raise_for_status()
                taken.append(1000 * (time.perf_counter() - began))
        return taken[REQUESTS // 10 :]


@contextlib.contextmanager
def serve(kind: str) -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, folder, kind], stdout=subprocess.PIPE, text=True
        )
        try:
            yield Served(process, started)
        finally:
            process.terminate()
            process.wait(30)


class _Socket(simple_websocket.Client):
    def handshake(self) -> None:
        self.host = f"{self.host}:{self.port}"
        super().handshake()


def sign_in(served: Served) -> httpx.Client:
    http = httpx.Client(base_url=served.address, follow_redirects=True, timeout=30)
    headers = {"origin": served.address, "accept": "text/html"}
    http.post("/admin/login", data={"token": served.token}, headers=headers).raise_for_status()
    return http


def open_tab(served: Served, http: httpx.Client) -> simple_websocket.Client:
    """A page's websocket, with the Overview on it."""
    cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    token = uuid.uuid4()
    socket = _Socket(
        f"{served.address.replace('http', 'ws', 1)}/admin/_event/"
        f"?EIO=4&transport=websocket&token={token}",
        headers={"origin": served.address, "cookie": cookie},
    )
    socket.send("40/admin/_event,")
    path = {"pathname": "/", "asPath": "/"}
    event = ["event", {"name": HYDRATE, "payload": {}, "router_data": path}]
    socket.send("42/admin/_event," + json.dumps(event))
    return socket


def first_view(http: httpx.Client) -> tuple[int, int]:
    """Bytes over the wire of the Overview and of all that it loads at once, and how many files."""
    page = http.get("/admin/", headers={"accept": "text/html"})
    files = set(re.findall(r'"(/admin/assets/[^"]+)"', page.text))
    total = int(page.headers["content-length"])
    for file in files:
        total += int(http.get(file).headers["content-length"])
    return total, len(files) + 1


def measure(tabs: int) -> dict[str, Any]:
    with serve("without") as served:
        found: dict[str, Any] = {"start without": served.start_seconds}
        found["cpu without"] = served.start_cpu_seconds
        found["p50 without"] = statistics.median(served.latencies())
        found["rss without"] = served.rss_mb()
    with serve("with") as served:
        found["start with"] = served.start_seconds
        found["cpu with"] = served.start_cpu_seconds
        found["p50 with"] = statistics.median(served.latencies())
        found["rss with"] = served.rss_mb()
        http = sign_in(served)
        found["bytes"], found["files"] = first_view(http)
        sockets = [open_tab(served, http) for _ in range(tabs)]
        time.sleep(SETTLE_SECONDS)
        taken = served.latencies()
        found["p50 with tabs"] = statistics.median(taken)
        found["p95 with tabs"] = sorted(taken)[int(len(taken) * 0.95)]
        found["rss with tabs"] = served.rss_mb()
        for socket in sockets:
            socket.close()
        http.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tabs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds = [measure(options.tabs) for _ in range(options.rounds)]
    units = {
        "start": "s",
        "cpu": "s",
        "rss": "MiB",
        "p50": "ms",
        "p95": "ms",
        "bytes": "B",
        "files": "",
    }
    for name in rounds[0]:
        middle = statistics.median(one[name] for one in rounds)
        print(f"{name:16} {middle:10.2f} {units[name.split()[0]]}")


if __name__ == "__main__":
    main()
