"""What a worker that waits for results is worth: `python benchmarks/tools.py`, with the real tools.

In one run, against fakes of the vendors' back ends on loopback, which answer at once: the time from
a request that brings the result of a call to the complete answer to it, (r) resumed, on the worker
that made the call and waits for the result, (p) replayed, the same conversation on a blank because
that worker is gone; and how many requests reached the vendor for it. The answer is the next call of
a chain of five, or the text at its end. (f) is the chain's first request, on a blank, as a
measure. The vendor's own time is nearly nothing here, so all of it is added by the vendor's tool
and the hub.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct

import llm_mcp_hub_claude
import llm_mcp_hub_gemini
from llm_mcp_hub.config import LogConfig
from llm_mcp_hub.log import configure_logging
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi, ToolCall
from llm_mcp_hub_claude.testing.messages_api import Reply as ClaudeReply
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist
from llm_mcp_hub_gemini.testing.login import environment_for, write_login
from llm_mcp_hub_gemini.testing.scripted import Reply as GeminiReply

CALLS = 5
"""How many calls, one after the other, a conversation makes."""

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Looks up a word.",
            "parameters": {"type": "object", "properties": {"word": {"type": "string"}}},
        },
    }
]


class Vendor(Struct):
    """A vendor whose tool is measured.

    Attributes:
        plan: Have the fake answer the next requests with `CALLS` calls and a text.
        asked: How many requests for an answer have reached the fake.
    """

    name: str
    model: str
    plugin: Any
    settings: dict[str, Any]
    plan: Callable[[], None]
    asked: Callable[[], int]


class Case(Struct):
    """Seconds of each request, and requests that it cost the vendor."""

    seconds: list[float]
    asked: list[int]


def claude(executable: str, folder: Path, api: FakeMessagesApi) -> Vendor:
    """The Claude Code with a made-up token."""
    token = folder / "token"
    token.write_text("sk-ant-oat01-test-benchmark\n")
    token.chmod(0o600)
    calls = (ToolCall("mcp__client__look_up", {"word": "sea"}),)
    return Vendor(
        "claude",
        "claude/sonnet",
        llm_mcp_hub_claude,
        {
            "executable": executable,
            "oauth_token_file": str(token),
            "environment": {"ANTHROPIC_BASE_URL": api.url},
        },
        lambda: api.script(*[ClaudeReply(calls=calls)] * CALLS, ClaudeReply(text="done")),
        lambda: len(api.requests),
    )


def gemini(executable: str, folder: Path, api: FakeCodeAssist) -> Vendor:
    """The Gemini CLI with a made-up login."""
    calls = (("mcp_client_look_up", {"word": "sea"}),)
    return Vendor(
        "gemini",
        "gemini/gemini-2.5-flash",
        llm_mcp_hub_gemini,
        {
            "executable": executable,
            "config_dir": str(write_login(folder / "login")),
            "environment": environment_for(api.url),
        },
        lambda: api.script(*[GeminiReply(calls=calls)] * CALLS, GeminiReply(text="done")),
        lambda: len(api.requests),
    )


def wait_for_blank(hub: TestHub, name: str) -> None:
    """Let the pool have its blank ready, as it has when requests do not come back to back."""
    while hub.hub.registry.get(name).status().pool.blank == 0:
        time.sleep(0.02)


def chain(
    client: httpx.Client, hub: TestHub, vendor: Vendor, cases: dict[str, Case], *, replay: bool
) -> None:
    """One conversation of `CALLS` calls.

    Args:
        client: Speaks to the hub.
        hub: The hub.
        vendor: Whom to ask.
        cases: Where the figures go.
        replay: Have each request find no worker: its system prompt is another one.
    """
    vendor.plan()
    said: list[dict[str, Any]] = [{"role": "user", "content": "Look up the sea, again and again."}]
    for step in range(CALLS + 1):
        wait_for_blank(hub, vendor.name)
        system = {"role": "system", "content": f"Step {step}." if replay else "Be brief."}
        body = {"model": vendor.model, "messages": [system, *said], "tools": TOOLS}
        before = vendor.asked()
        started = time.perf_counter()
        reply = client.post("/v1/chat/completions", json=body)
        seconds = time.perf_counter() - started
        message = reply.raise_for_status().json()["choices"][0]["message"]
        case = cases["p: replayed" if replay else "r: resumed"] if step else cases["f: first"]
        case.seconds.append(seconds)
        case.asked.append(vendor.asked() - before)
        calls = message.get("tool_calls", [])
        if bool(calls) != (step < CALLS):
            raise RuntimeError(
                f"{vendor.name}: step {step} of the chain was answered with {message}"
            )
        said.append(message)
        said += [{"role": "tool", "tool_call_id": call["id"], "content": "blue"} for call in calls]


def measure(vendor: Vendor, conversations: int) -> dict[str, Case]:
    """All cases of one vendor, resumed and replayed conversations in turn."""
    cases = {name: Case([], []) for name in ("f: first", "r: resumed", "p: replayed")}
    config = {"providers": {vendor.name: vendor.settings}, "mcp": {"enabled": False}}
    with (
        create_test_hub(config, plugins=[(vendor.name, vendor.plugin)]) as hub,
        httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=60) as client,
    ):
        for _ in range(conversations):
            chain(client, hub, vendor, cases, replay=False)
            chain(client, hub, vendor, cases, replay=True)
    return cases


def show(name: str, cases: dict[str, Case]) -> None:
    """Rows of a table for `docs/benchmarks.md`."""
    resumed = statistics.median(cases["r: resumed"].seconds)
    for case, found in cases.items():
        times = sorted(found.seconds)
        p50, p95 = statistics.median(times), times[int(len(times) * 0.95)]
        asked = sum(found.asked) / len(found.asked)
        sys.stdout.write(
            f"| {name} | {case} | {asked:.2f} | {p50 * 1000:.0f} | {p95 * 1000:.0f} | "
            f"{p50 / resumed:.1f} |\n"
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--claude", default=".tools/claude/node_modules/.bin/claude")
    parser.add_argument("--gemini", default=".tools/gemini/node_modules/.bin/gemini")
    parser.add_argument("--conversations", type=int, default=10)
    options = parser.parse_args()
    configure_logging(LogConfig(level="error"))
    sys.stdout.write("| vendor | case | vendor requests | p50 ms | p95 ms | of (r) |\n")
    sys.stdout.write("|---|---|---|---|---|---|\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with FakeMessagesApi() as messages:
            vendor = claude(str(Path(options.claude).absolute()), folder, messages)
            show(vendor.name, measure(vendor, options.conversations))
        with FakeCodeAssist() as assist:
            vendor = gemini(str(Path(options.gemini).absolute()), folder, assist)
            show(vendor.name, measure(vendor, options.conversations))


if __name__ == "__main__":
    main()
