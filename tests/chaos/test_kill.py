"""`kill -9` of a hub in the middle of its work: nothing that it started lives on."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi, Reply, ToolCall

from . import processes
from .served import ServedHub, until

TURNS = 8
ALLOWED_SECONDS = 2.0
"""How long anything of a killed hub may live on."""
ROOT = Path(__file__).parents[2]
POOL = {"min_spare": 1, "max_workers": TURNS + 1}

Serve = Callable[[Mapping[str, Any]], ServedHub]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    if not Path("/proc/self/environ").exists():
        pytest.skip("needs /proc to find what is left")
    served: list[ServedHub] = []

    def serve_it(provider: Mapping[str, Any]) -> ServedHub:
        served.append(ServedHub(tmp_path, {"providers": provider}))
        return served[-1]

    yield serve_it
    for hub in served:
        hub.close()
    processes.kill_all(str(tmp_path))


@pytest.fixture
def claude() -> str:
    """The real Claude Code."""
    found = os.environ.get("HUB_TEST_CLAUDE") or shutil.which(
        str(ROOT / ".tools/claude/node_modules/.bin/claude")
    )
    if found is None:
        pytest.skip(
            "CLAUDE CODE IS NOT INSTALLED: `make tools` says why; the real tool is untested"
        )
    return found


def kill_while_turns_run(hub: ServedHub, provider: str, model: str, text: str) -> set[int]:
    """Begin the turns, kill the hub, and wait; returns the processes there were."""
    kept = []  # an iterator that is forgotten ends its request
    with ExitStack() as stack:
        for number in range(TURNS):
            body = {
                "model": f"{provider}/{model}",
                "stream": True,
                "messages": [{"role": "user", "content": text.format(number)}],
            }
            request = hub.client.stream("POST", "/v1/chat/completions", json=body)
            response = stack.enter_context(request)
            assert response.status_code == 200, response.read()
            kept.append(response.iter_lines())
            assert next(line for line in kept[-1] if '"content":' in line)
        assert hub.pool(provider)["claimed"] == TURNS
        there = processes.running(hub.mark)
        hub.kill()
        until_all_is_gone(hub)
    return there


def until_all_is_gone(hub: ServedHub) -> None:
    """Wait for the end of everything the hub had started, as long as it may take."""
    until(lambda: not processes.running(hub.mark), "the end of all processes", ALLOWED_SECONDS)
    until(lambda: not [*hub.temporary.iterdir()], "the end of its temporary files")


def text_of(message: Mapping[str, Any]) -> str:
    return "".join(part["text"] for part in message["parts"])


def test_echo_workers_die_with_the_hub(serve: Serve) -> None:
    hub = serve({"echo": {"word_seconds": 0.1, "pool": POOL}})
    there = kill_while_turns_run(hub, "echo", "echo", "word " * 10_000)
    assert len(there) > TURNS


def test_workers_that_ignore_every_sign_of_the_end_die_with_the_hub(serve: Serve) -> None:
    settings = {"marker": "killed", "manner": "stubborn", "pool": POOL}
    hub = serve({"chaos": settings})
    there = kill_while_turns_run(hub, "chaos", "echo", "secret-{} 1 10000")
    # Each with a grandchild in a session of its own.
    assert len(there) > 2 * TURNS


def claude_settings(claude: str, directory: Path, vendor: FakeMessagesApi) -> dict[str, Any]:
    token = directory / "token"
    token.write_text("sk-ant-oat01-test-not-a-real-token\n")
    token.chmod(0o600)
    return {
        "executable": claude,
        "oauth_token_file": str(token),
        "environment": {"ANTHROPIC_BASE_URL": vendor.url},
        "pool": POOL,
    }


@pytest.mark.real_cli
def test_the_real_claude_code_dies_with_the_hub(serve: Serve, claude: str, tmp_path: Path) -> None:
    with FakeMessagesApi() as vendor:
        vendor.default = Reply(hold_after=1)
        hub = serve({"claude": claude_settings(claude, tmp_path, vendor)})
        there = kill_while_turns_run(hub, "claude", "sonnet", "question {}")
    assert len(there) > TURNS


class CountingApi(FakeMessagesApi):
    """Counts the requests that begin, also those whose body never comes."""

    begun = 0

    async def read(self, http: Any) -> Any:
        self.begun += 1
        return await super().read(http)


@pytest.mark.real_cli
def test_the_real_claude_code_asks_nothing_more_when_its_hub_dies_during_a_call(
    serve: Serve, claude: str, tmp_path: Path
) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    with CountingApi() as vendor:
        vendor.default = Reply(text="", calls=(ToolCall("mcp__client__look", {}),))
        hub = serve({"claude": claude_settings(claude, tmp_path, vendor)})
        for number in range(TURNS):
            message = {"role": "user", "content": f"question {number}"}
            body = {"model": "claude/sonnet", "messages": [message], "tools": tools}
            answer = hub.client.post("/v1/chat/completions", json=body).json()
            assert answer["choices"][0]["finish_reason"] == "tool_calls"
        hub.kill()
        until_all_is_gone(hub)
        assert vendor.begun == TURNS


@pytest.mark.parametrize("seen", [1, 2, 4])
def test_a_hub_that_is_killed_while_it_starts_its_workers_leaves_nothing(
    serve: Serve, seen: int
) -> None:
    settings = {"marker": "early", "manner": "stubborn", "pool": POOL | {"min_spare": 4}}
    hub = serve({"chaos": settings})
    until(lambda: len(processes.running(hub.mark)) > seen, "the start of its first processes")
    hub.kill()
    until_all_is_gone(hub)


def test_a_killed_hub_loses_no_answer_that_was_acknowledged(serve: Serve) -> None:
    hub = serve({"echo": {"word_seconds": 0, "pool": POOL}})
    headers = {"x-session-id": "kept"}
    for text in ("one", "two"):
        body = {"model": "echo/echo", "messages": [{"role": "user", "content": text}]}
        hub.client.post("/v1/chat/completions", json=body, headers=headers).raise_for_status()
    hub.kill()
    hub.client.close()
    hub.start()
    found = hub.client.get("/v1/sessions/kept").json()["messages"]
    assert [text_of(entry["message"]) for entry in found] == ["one", "one", "two", "two"]
