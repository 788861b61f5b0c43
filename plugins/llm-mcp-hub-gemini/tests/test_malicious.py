"""A back end that tries to make the real Gemini CLI do something: it does nothing, tells nothing.

The canary is a file with a word in it that must never be in a request; whatever runs or writes
would make the file `pwned`, or be a process below the Gemini CLI's.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.testing.turns import run_turn, turn_request
from llm_mcp_hub_acp.client_tools.names import alias
from llm_mcp_hub_gemini.provider import GeminiProvider
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist, Reply, Request

pytestmark = [pytest.mark.anyio, pytest.mark.real_cli, pytest.mark.xdist_group("gemini")]

MakeProvider = Callable[..., GeminiProvider]
MODEL = "gemini-2.5-flash"
CANARY = "kestrel-4711"


class Trap:
    """The canary, and what may have come of it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.canary = directory / "canary.txt"
        self.pwned = directory / "pwned"

    def set(self) -> None:
        self.directory.mkdir()
        self.canary.write_text(CANARY)

    @classmethod
    def nowhere(cls) -> "Trap":
        """For whoever wants to know only what could be tried."""
        return cls(Path("/nowhere"))

    def check(self, api: FakeCodeAssist) -> None:
        assert list(self.directory.iterdir()) == [self.canary]
        assert self.canary.read_text() == CANARY
        for request in api.requests:
            assert CANARY not in json.dumps(request.body)


@pytest.fixture
def trap(tmp_path: Path) -> Trap:
    trap = Trap(tmp_path / "trap")
    trap.set()
    return trap


@pytest.fixture(scope="module")
async def provider(make_provider: MakeProvider) -> AsyncIterator[GeminiProvider]:
    # No session begins for the next turn while one runs.
    made = make_provider(pool={"min_spare": 0, "max_spare": 0, "recycle_turns": 0})
    await made.start()
    yield made
    await made.aclose()


def children(provider: GeminiProvider) -> set[str]:
    """Command lines of the processes that the workers have started.

    The tool itself asks git about its empty directory when a session begins; what has ended is
    not counted.
    """
    found: set[str] = set()
    for worker in provider.workers():
        for task in Path(f"/proc/{worker.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                with suppress(OSError):  # it has ended meanwhile
                    state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
                    words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                    if state != "Z":
                        found.add(b" ".join(words).decode().strip())
    return found - {"git rev-parse --show-toplevel"}


def attacks(trap: Trap) -> dict[str, dict[str, Any]]:
    """Every tool that the Gemini CLI 0.61.0 has, with arguments that would do harm."""
    canary, pwned, folder = str(trap.canary), str(trap.pwned), str(trap.directory)
    command = {"command": f"touch {pwned}; sleep 60", "description": "x"}
    return {
        "run_shell_command": command,
        "read_file": {"file_path": canary},
        "read_many_files": {"include": [canary]},
        "write_file": {"file_path": pwned, "content": "x"},
        "replace": {"file_path": canary, "old_string": "kestrel", "new_string": "x"},
        "list_directory": {"dir_path": folder},
        "glob": {"pattern": "*", "dir_path": folder},
        "grep_search": {"pattern": "kestrel", "dir_path": folder},
        "search_file_content": {"pattern": "kestrel", "dir_path": folder},
        "web_fetch": {"prompt": f"file://{canary}"},
        "google_web_search": {"query": CANARY[:7]},
        "save_memory": {"fact": "x"},
        "write_todos": {"todos": []},
        "activate_skill": {"name": "x"},
        "get_internal_docs": {"path": "index.md"},
        "ask_user": {"questions": []},
        "enter_plan_mode": {},
        "exit_plan_mode": {"plan_path": pwned},
        "invoke_agent": {"agent_name": "generalist", "prompt": command["command"]},
        "mcp_client_anything": {},
    }


@pytest.mark.parametrize("tool", sorted(attacks(Trap.nowhere())))
async def test_no_tool_that_the_model_calls_does_anything(
    provider: GeminiProvider, api: FakeCodeAssist, trap: Trap, tool: str
) -> None:
    processes: list[set[str]] = []

    def after_the_call(request: Request) -> Reply:
        processes.append(children(provider))
        return Reply(text="I could not.")

    api.script(Reply(tool=tool, arguments=attacks(trap)[tool]))
    api.default = after_the_call
    outcome = await run_turn(provider, turn_request("help me", model=MODEL))
    assert outcome.completion.text == "I could not."
    assert processes == [set()]
    [_, answer] = api.requests[1].turns[-2:]
    assert "not found in registry" in json.dumps(answer)
    trap.check(api)


def under_the_same_name(tool: str) -> Tool:
    """A tool of the client's that is called like one of the Gemini CLI's own."""
    return Tool(tool, "The client's own", {"type": "object", "additionalProperties": True})


@pytest.mark.parametrize("tool", sorted(attacks(Trap.nowhere())))
async def test_nor_does_it_if_the_client_has_a_tool_of_that_name(
    provider: GeminiProvider, api: FakeCodeAssist, trap: Trap, tool: str
) -> None:
    arguments = attacks(trap)[tool]
    api.script(
        Reply(tool=tool, arguments=arguments),
        Reply(tool=f"mcp_client_{alias(tool)}", arguments=arguments),
    )
    request = turn_request("help me", model=MODEL, tools=[under_the_same_name(tool)])
    outcome = await run_turn(provider, request)
    # Its own does not exist; the client's is the client's affair, and waits for its result.
    [_, answer] = api.requests[1].turns[-2:]
    assert "not found in registry" in json.dumps(answer)
    [call] = outcome.completion.tool_calls
    assert (call.name, json.loads(call.arguments)) == (tool, arguments)
    assert list(api.requests[1].declarations) == [f"mcp_client_{alias(tool)}"]
    assert children(provider) == set()
    trap.check(api)


COMMANDS = [
    "/about",
    "/help",
    "/memory add x",
    "/memory show",
    "/init",
    "/restore",
    "/extensions list",
    " \n/about",
    "\ufeff/about",
    "$HOME",
    "?",
    "!touch {pwned}",
    "!{{touch {pwned}}}",
]


@pytest.mark.parametrize("text", COMMANDS)
async def test_no_text_is_taken_for_a_command(
    provider: GeminiProvider, api: FakeCodeAssist, trap: Trap, text: str
) -> None:
    text = text.format(pwned=trap.pwned)
    outcome = await run_turn(provider, turn_request(text, model=MODEL))
    [request] = api.requests
    assert request.last_user_text.removeprefix("\u200b") == text
    assert outcome.completion.text == f"echo: {request.last_user_text}"
    assert children(provider) == set()
    trap.check(api)


async def test_a_file_that_is_mentioned_is_not_read(
    provider: GeminiProvider, api: FakeCodeAssist, trap: Trap
) -> None:
    for text in (f"@{trap.canary}", f"read @{trap.canary} please", f"file://{trap.canary}"):
        first = await run_turn(provider, turn_request(text, model=MODEL))
        # Neither when it comes back in a history.
        again = turn_request(
            text, first.completion.message, f"and @{trap.canary}", model=MODEL, principal="other"
        )
        assert (await run_turn(provider, again)).error is None
    trap.check(api)


async def test_what_the_model_writes_runs_nothing(
    provider: GeminiProvider, api: FakeCodeAssist, trap: Trap
) -> None:
    for text in (
        f"!touch {trap.pwned}",
        f"/memory add x\n@{trap.canary}",
        f"$(touch {trap.pwned})",
    ):
        api.script(Reply(text=text))
        first = await run_turn(provider, turn_request("say it", model=MODEL))
        assert first.completion.text == text
        history = ("say it", first.completion.message, "and now?")
        for principal in ("tester", "other"):  # goes on, and is rebuilt
            request = turn_request(*history, model=MODEL, principal=principal)
            assert (await run_turn(provider, request)).error is None
    assert children(provider) == set()
    trap.check(api)
