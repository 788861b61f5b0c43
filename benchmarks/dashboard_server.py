"""A hub in a process of its own, with the dashboard or without, and tabs without a browser."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import simple_websocket

HYDRATE = "reflex___state____state.hydrate_and_load"
READY_SECONDS = 30.0
TURNS = 20
"""Timed turns of one conversation."""
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
    "providers": {
        "echo": {"word_seconds": 0},
        "claude": {"enabled": False},
        "gemini": {"enabled": False},
    },
})
configure_logging(config.log)
left_out = {"dashboard"} if sys.argv[2] == "without" else set()
found = [one for one in entry_points(group="llm_mcp_hub") if one.name not in left_out]
hub = Hub(config, load_plugins(found))
async def announce(port):
    print(port, await hub.access.create_first(), flush=True)
HubServer(hub, announce).serve_until_stopped(bind(config.server))
"""
"""The echo provider does not wait between words here, so what is left of a request is the hub's."""


class Served:
    """A hub that serves.

    Attributes:
        start_seconds: From the start of its process until it served.
        start_cpu_seconds: Processor time in that.
    """

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

    def cpu_share(self, seconds: float) -> float:
        """How much of a core it takes while so long passes."""
        before, began = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return (self.cpu_seconds() - before) / (time.monotonic() - began)

    def rss_mb(self) -> float:
        """Resident memory in MiB."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def latencies(self, requests: int) -> list[float]:
        """Milliseconds of chat requests, one after the other, sorted.

        They are further turns of conversations, on their parked workers. The first turn of each is
        not timed: it waits for a fresh process of the echo provider's, which takes longer than
        all else.
        """
        body = {"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]}
        headers = {"authorization": f"Bearer {self.token}"}
        taken: list[float] = []
        with httpx.Client(base_url=self.address, headers=headers, timeout=30) as http:
            while len(taken) < requests:
                session = {"x-session-id": str(uuid.uuid4())}
                for turn in range(TURNS + 1):
                    began = time.perf_counter()
                    http.post("/v1/chat/completions", json=body, headers=session).raise_for_status()
                    if turn:
                        taken.append(1000 * (time.perf_counter() - began))
        return sorted(taken)


@contextlib.contextmanager
def serve(kind: str) -> Iterator[Served]:
    """A hub `with` or `without` the dashboard."""
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
    """With the port in its Host header, as browsers send it."""

    def handshake(self) -> None:
        self.host = f"{self.host}:{self.port}"
        super().handshake()


def sign_in(served: Served) -> httpx.Client:
    """Somebody who is signed in."""
    http = httpx.Client(base_url=served.address, follow_redirects=True, timeout=30)
    headers = {"origin": served.address, "accept": "text/html"}
    http.post("/admin/login", data={"token": served.token}, headers=headers).raise_for_status()
    return http


@contextlib.contextmanager
def open_tabs(served: Served, http: httpx.Client, count: int) -> Iterator[None]:
    """So many pages' websockets, each with the Overview on it and its first figures there."""
    with contextlib.ExitStack() as stack:
        sockets = [_open_tab(served, http) for _ in range(count)]
        for socket in sockets:
            stack.callback(socket.close)
        for socket in sockets:
            _wait_until_ready(socket)
        yield


def _open_tab(served: Served, http: httpx.Client) -> simple_websocket.Client:
    cookie = "; ".join(f"{name}={value}" for name, value in http.cookies.items())
    socket = _Socket(
        f"{served.address.replace('http', 'ws', 1)}/admin/_event/"
        f"?EIO=4&transport=websocket&token={uuid.uuid4()}",
        headers={"origin": served.address, "cookie": cookie},
    )
    socket.send("40/admin/_event,")
    path = {"pathname": "/", "asPath": "/"}
    event = ["event", {"name": HYDRATE, "payload": {}, "router_data": path}]
    socket.send("42/admin/_event," + json.dumps(event))
    return socket


def _wait_until_ready(socket: simple_websocket.Client) -> None:
    said = ""
    while "overview" not in said or '"ready"' not in said:
        text = socket.receive(READY_SECONDS)
        if text is None:
            raise TimeoutError("a tab got no figures")
        said = str(text)
