"""Many MCP clients start a hub each over stdio, and go as clients go: at any moment, anyhow."""

import os
import random
import re
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from llm_mcp_hub.workers.directories import FRESH

from .mcp_process import LEGACY, MODERN, SECONDS, McpProcess

SEED_VARIABLE = "HUB_TEST_CHAOS_SEED"
CLIENTS = 10
MOMENTS = ("at once", "opened", "asked", "answering", "idle")
LATE = ("answering", "idle")
"""Of these, those at which a hub certainly has a worker, and so a reaper."""
ENDINGS = ("leave", "die", "terminate", "kill the hub")

pytestmark = pytest.mark.chaos


class Household:
    """Where all files of all these hubs are."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clients: list[McpProcess] = []
        self.temporary = directory / "tmp"
        self.home = directory / "home"
        for folder in (self.temporary, self.home):
            folder.mkdir()
        (directory / "hub.toml").write_text("[providers.echo]\nword_seconds = 0.05\n")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "LLM_MCP_HUB_DATA_DIR": str(self.directory / "data"),
            "LLM_MCP_HUB_CONFIG": str(self.directory / "hub.toml"),
        }

    def client(self, version: str) -> McpProcess:
        """One more, and the hub that it starts."""
        words = [sys.executable, "-m", "llm_mcp_hub", "mcp", "--demo"]
        log = self.directory / f"log-{len(self.clients)}"
        self.clients.append(McpProcess(words, self.environment, log, version))
        return self.clients[-1]

    def directories(self) -> list[Path]:
        """Those of hubs, for the private files of their workers; and what else lies there."""
        return [path for path in self.temporary.iterdir() if not is_of_a_start(path)]

    def left(self) -> list[str]:
        """What there is beside the state, which is kept."""
        kept = {"hub.db", "hub.db-wal", "hub.db-shm"}
        files = [path for folder in ("home", "data") for path in self.files(folder)]
        others = [str(path) for path in files if path.name not in kept]
        return others + [str(path) for path in self.directories()]

    def files(self, folder: str) -> list[Path]:
        # What goes while one looks is no error to `walk`.
        return [
            Path(where, name)
            for where, folders, files in os.walk(self.directory / folder)
            for name in (*folders, *files)
        ]

    def processes(self) -> set[int]:
        """Those that carry the directory in their environment, whosever children they are."""
        found = set()
        for entry in Path("/proc").iterdir():
            with suppress(OSError):
                if entry.name.isdigit() and self._mark in (entry / "environ").read_bytes():
                    found.add(int(entry.name))
        return found

    @property
    def _mark(self) -> bytes:
        return str(self.directory).encode()


def is_of_a_start(path: Path) -> bool:
    """Whether it is left by a hub that was killed in the microseconds before it was named.

    Or in those in which Python tries whether it can write there.
    """
    return path.name.startswith(FRESH) or bool(re.fullmatch("[a-z0-9_]{8}", path.name))


@pytest.fixture
def household(tmp_path):
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc to see what is left")
    household = Household(tmp_path)
    yield household
    for client in household.clients:
        client.close()
    for pid in household.processes():
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def seed():
    """The same always, unless told otherwise; printed, so that a failure can be repeated."""
    chosen = int(os.environ.get(SEED_VARIABLE, "1"))
    print(f"{SEED_VARIABLE}={chosen}")  # noqa: T201  # shown when the test fails
    return chosen


def bring_to(client: McpProcess, moment: str) -> None:
    """Have the client do what it does before it goes."""
    if moment == "at once":
        return
    client.open()
    if moment == "idle":
        client.call("chat", message="hello", model="echo/echo")
    elif moment != "opened":
        arguments = {"message": "word " * 1000, "model": "echo/echo"}
        client.begin("tools/call", name="chat", arguments=arguments, _meta={"progressToken": "p"})
        if moment == "answering":
            assert client.next()["method"] == "notifications/progress"


def go(client: McpProcess, ending: str) -> None:
    """Leave as the protocol has it, die with both pipes, or end the hub by a signal."""
    process = client.process
    assert process.stdin is not None
    assert process.stdout is not None
    if ending in {"leave", "die"}:
        process.stdin.close()
    if ending == "die":
        process.stdout.close()
    if ending == "terminate":
        process.send_signal(signal.SIGTERM)
    if ending == "kill the hub":
        process.send_signal(signal.SIGKILL)


@pytest.mark.anyio
async def test_ten_clients_that_come_and_go_leave_nothing_after_the_next_one(
    household, seed, until
):
    chance = random.Random(seed)
    fates = [
        (chance.choice(MOMENTS), chance.choice(ENDINGS), chance.choice([LEGACY, MODERN]))
        for _ in range(CLIENTS)
    ]
    assert len(set(fates)) > CLIENTS / 2
    clients = [household.client(version) for _, _, version in fates]
    for number in chance.sample(range(CLIENTS), CLIENTS):
        moment, ending, _ = fates[number]
        bring_to(clients[number], moment)
        go(clients[number], ending)
    codes = Counter()
    for client, (moment, ending, _) in zip(clients, fates, strict=True):
        code = client.process.wait(SECONDS)
        # A signal may come before the program has begun to listen for it.
        killed = {-signal.SIGTERM} if ending == "terminate" and moment == "at once" else set()
        expected = {-signal.SIGKILL} if ending == "kill the hub" else {0} | killed
        assert code in expected, (moment, ending, code, client.errors)
        codes[code] += 1
    assert len(codes) > 1, "some were killed, and some ended by themselves"
    await until(lambda: not household.processes())
    # A hub that is killed before it has a reaper leaves its directory to the next one's.
    early = [one for one in fates if one[1] == "kill the hub" and one[0] not in LATE]
    assert len(household.directories()) <= len(early)
    last = household.client(MODERN)
    bring_to(last, "idle")
    await until(lambda: len(household.directories()) == 1)
    go(last, "leave")
    assert last.process.wait(SECONDS) == 0
    await until(lambda: not household.processes())
    await until(lambda: not household.left())
    assert not any("Traceback" in client.errors for client in clients)
