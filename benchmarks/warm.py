"""What warm workers are worth: `python benchmarks/warm.py`, with the real Claude Code.

In one run, against a fake of the vendor's back end on loopback: seconds from the request to the
first streamed text for (a) a process started for the request, as a naive wrapper does it, (b) the
first turn of a conversation, on a blank that waits ready, (c) a further turn, on the worker that
was parked for it, (d) a conversation of 20 exchanges whose worker is gone, replayed on a blank.
(c') is (c) without the hub: the same line written to the tool's own pipe. The hub's share of a
continuation is the difference.
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

import llm_mcp_hub_claude
from llm_mcp_hub.config import LogConfig
from llm_mcp_hub.log import configure_logging
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub.workers.spawn import Spawned, spawn
from llm_mcp_hub_claude.command import worker_spec
from llm_mcp_hub_claude.credentials import Login
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi

MODEL = "sonnet"
EXCHANGES = 20


def line(text: str) -> bytes:
    """A user's message in the tool's own protocol."""
    message = {"role": "user", "content": text}
    return (
        json.dumps({"type": "user", "message": message, "client_composed": True}).encode() + b"\n"
    )


def read_answer(stdout: Any) -> float:
    """Read one answer from the tool; return when its first text came."""
    first = 0.0
    for raw in stdout:
        if not first and b'"text_delta"' in raw:
            first = time.perf_counter()
        if b'"type":"result"' in raw.replace(b'": "', b'":"'):
            return first
    raise RuntimeError("the tool ended")


class Direct:
    """The tool without the hub, started exactly as the hub starts it."""

    def __init__(self, spawned: Spawned) -> None:
        self._spawned = spawned
        self._stdin, self._stdout, _ = spawned.pipes
        self._lines = io.BufferedReader(self._stdout)  # type: ignore[arg-type]  # a raw pipe

    def ask(self, text: str) -> float:
        """Seconds to the first text."""
        started = time.perf_counter()
        self._stdin.write(line(text))
        return read_answer(self._lines) - started

    def close(self) -> None:
        self._spawned.destroy(10)


def ask_hub(client: httpx.Client, messages: list[dict[str, str]]) -> tuple[float, str]:
    """Seconds to the first streamed text, and the answer."""
    body = {"model": f"claude/{MODEL}", "stream": True, "messages": messages}
    first, text = 0.0, ""
    started = time.perf_counter()
    with client.stream("POST", "/v1/chat/completions", json=body) as reply:
        for raw in reply.iter_lines():
            if not raw.startswith("data: {"):
                continue
            choices = json.loads(raw[6:])["choices"]
            piece = choices[0]["delta"].get("content") if choices else None
            if piece:
                first = first or time.perf_counter()
                text += piece
    return first - started, text


def wait_for_blank(hub: TestHub) -> None:
    """Let the pool have its blank ready, as it has when requests do not come back to back."""
    while hub.hub.registry.get("claude").status().pool.blank == 0:
        time.sleep(0.02)


def conversation(client: httpx.Client, hub: TestHub, number: int) -> tuple[float, float]:
    """The first turn on a blank, and the second on the parked worker."""
    wait_for_blank(hub)
    messages = [{"role": "user", "content": f"conversation {number}"}]
    first, answer = ask_hub(client, messages)
    wait_for_blank(hub)
    messages += [{"role": "assistant", "content": answer}, {"role": "user", "content": "go on"}]
    second, _ = ask_hub(client, messages)
    return first, second


def rebuilt(client: httpx.Client, hub: TestHub, number: int) -> float:
    """A long conversation that no worker knows."""
    wait_for_blank(hub)
    messages: list[dict[str, str]] = []
    for exchange in range(EXCHANGES):
        messages.append({"role": "user", "content": f"question {number} {exchange}"})
        messages.append({"role": "assistant", "content": f"answer {exchange}"})
    return ask_hub(client, [*messages, {"role": "user", "content": "now"}])[0]


def show(rows: dict[str, list[float]]) -> None:
    """A table for `docs/benchmarks.md`."""
    write = sys.stdout.write
    naive = statistics.median(rows["a: a process per request"])
    write("| case | p50 ms | p95 ms | of (a) |\n|---|---|---|---|\n")
    for name, times in rows.items():
        times.sort()
        p50, p95 = statistics.median(times), times[int(len(times) * 0.95)]
        write(f"| {name} | {p50 * 1000:.0f} | {p95 * 1000:.0f} | {p50 / naive:.2f} |\n")
    share = statistics.median(rows["c: continued"]) - statistics.median(rows["c': c, no hub"])
    write(f"\nThe hub's own share of a continuation: {share * 1000:.1f} ms (p50).\n")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claude", default=".tools/claude/node_modules/.bin/claude")
    parser.add_argument("--turns", type=int, default=20)
    options = parser.parse_args()
    configure_logging(LogConfig(level="error"))
    executable = str(Path(options.claude).absolute())
    with tempfile.TemporaryDirectory() as folder, FakeMessagesApi() as vendor:
        token = Path(folder) / "token"
        token.write_text("sk-ant-oat01-test-benchmark\n")
        token.chmod(0o600)
        environment = {"ANTHROPIC_BASE_URL": vendor.url}
        login = Login(token, is_token=True)
        spec = worker_spec(executable, login, Path(folder), environment, Deadlines())
        settings = {
            "executable": executable,
            "oauth_token_file": str(token),
            "environment": environment,
        }
        rows: dict[str, list[float]] = {
            "a: a process per request": [],
            "b: first turn, blank": [],
            "c: continued": [],
            "c': c, no hub": [],
            f"d: rebuilt, {EXCHANGES} exchanges": [],
        }
        for _ in range(options.turns):
            started = time.perf_counter()
            direct = Direct(spawn(spec))
            spawned = time.perf_counter() - started
            rows["a: a process per request"].append(spawned + direct.ask("hello"))
            rows["c': c, no hub"].append(direct.ask("go on"))
            direct.close()
        with (
            create_test_hub(
                {"providers": {"claude": settings}, "mcp": {"enabled": False}},
                plugins=[("claude", llm_mcp_hub_claude)],
            ) as hub,
            httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=60) as client,
        ):
            for number in range(options.turns):
                first, second = conversation(client, hub, number)
                rows["b: first turn, blank"].append(first)
                rows["c: continued"].append(second)
                rows[f"d: rebuilt, {EXCHANGES} exchanges"].append(rebuilt(client, hub, number))
        show(rows)


if __name__ == "__main__":
    main()
