"""A served hub whose Claude provider runs the vendor's real tool against a fake of its back end."""

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from openai import OpenAI

import llm_mcp_hub_claude
import llm_mcp_hub_gemini
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist
from llm_mcp_hub_gemini.testing.login import environment_for, write_login

ROOT = Path(__file__).parents[2]
TOKEN = "sk-ant-oat01-test-not-a-real-token"
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="session")
def claude() -> str:
    """The real Claude Code."""
    found = (
        os.environ.get("HUB_TEST_CLAUDE")
        or shutil.which(str(ROOT / ".tools/claude/node_modules/.bin/claude"))
        or shutil.which("claude")
    )
    if found is None:
        pytest.skip(
            "CLAUDE CODE IS NOT INSTALLED: `make tools` says why; the real tool is untested"
        )
    return found


@pytest.fixture(scope="module")
def vendor() -> Iterator[FakeMessagesApi]:
    with FakeMessagesApi() as api:
        yield api


@pytest.fixture(autouse=True)
def fresh_vendor(vendor: FakeMessagesApi) -> None:
    vendor.reset()


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("login") / "token"
    file.write_text(TOKEN + "\n")
    file.chmod(0o600)
    return file


HubMaker = Callable[..., TestHub]


@pytest.fixture(scope="module")
def make_hub(claude: str, vendor: FakeMessagesApi, token_file: Path) -> HubMaker:
    """Makes hubs with the Claude provider, which may share a state store or have more settings."""

    def make(state: str = "memory://", **further: object) -> TestHub:
        settings = {
            "executable": claude,
            "oauth_token_file": str(token_file),
            "environment": {"ANTHROPIC_BASE_URL": vendor.url},
            "pool": {"min_spare": 1, "max_workers": 4},
        } | further
        return create_test_hub(
            {"providers": {"claude": settings}},
            state=state,
            plugins=[("claude", llm_mcp_hub_claude)],
        )

    return make


@pytest.fixture(scope="module")
def hub(make_hub: HubMaker) -> Iterator[TestHub]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ANTHROPIC_API_KEY", "sk-ant-api03-must-never-be-used")
        patch.setenv("ANTHROPIC_AUTH_TOKEN", "must-never-be-used")
        # A refused login is shown for a moment before it is tried again: not here, where another
        # test follows at once.
        patch.setattr("llm_mcp_hub.providers.self_test.RETEST_SECONDS", 0.0)
        with make_hub() as served:
            yield served


@pytest.fixture(scope="module")
def client(hub: TestHub) -> Iterator[OpenAI]:
    with sdk(hub) as made:
        yield made


@pytest.fixture(scope="module")
def google() -> Iterator[FakeCodeAssist]:
    with FakeCodeAssist() as api:
        yield api


@pytest.fixture
def fresh_google(google: FakeCodeAssist) -> None:
    google.reset()


@pytest.fixture(scope="module")
def two_vendors(
    claude: str,
    vendor: FakeMessagesApi,
    google: FakeCodeAssist,
    token_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TestHub]:
    """A hub with both real tools."""
    gemini = ROOT / ".tools/gemini/node_modules/.bin/gemini"
    if not gemini.exists():
        pytest.skip("THE GEMINI CLI IS NOT INSTALLED: `make tools` says why; it is untested")
    providers = {
        "claude": {
            "executable": claude,
            "oauth_token_file": str(token_file),
            "environment": {"ANTHROPIC_BASE_URL": vendor.url},
            "pool": {"min_spare": 1, "max_workers": 4},
        },
        "gemini": {
            "executable": str(gemini),
            "config_dir": str(write_login(tmp_path_factory.mktemp("gemini-login"))),
            "environment": environment_for(google.url),
        },
    }
    plugins = [("claude", llm_mcp_hub_claude), ("gemini", llm_mcp_hub_gemini)]
    with create_test_hub({"providers": providers}, state="memory://", plugins=plugins) as served:
        yield served


def sdk(hub: TestHub, token: str | None = None) -> OpenAI:
    """The official client, which does not repeat anything by itself here."""
    return OpenAI(
        base_url=f"{hub.base_url}/v1",
        api_key=token or hub.admin_token,
        max_retries=0,
        timeout=PATIENCE_SECONDS,
    )


def until(condition: Callable[[], object], what: str) -> None:
    """Wait for what another thread or process brings about."""
    tick = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.02)):
        if condition():
            return
        tick.wait(0.02)
    pytest.fail(f"{what} did not come true within {PATIENCE_SECONDS:g} s")


def workers() -> set[int]:
    """Process ids of the children that are running, zombies aside."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        for pid in (task / "children").read_text().split():
            try:
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state != "Z" and b"--input-format=stream-json" in command:
                found.add(int(pid))
    return found


def kill_workers(hub: TestHub) -> None:
    """SIGKILL every worker of this process, once none is just being started."""
    status = hub.hub.registry.get("claude").status
    until(lambda: not status().pool.starting, "the start of the spare worker")
    for pid in workers():
        os.killpg(pid, signal.SIGKILL)
    until(lambda: not workers(), "the end of the killed workers")


def figures(hub: TestHub) -> tuple[int, int]:
    """How many of Claude's workers are claimed and parked."""
    pool = hub.hub.registry.get("claude").status().pool
    return pool.claimed, pool.parked
