"""Fixtures of the Claude plugin's tests: the fake back end, the fake tool and the real one."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.testing.vendor_tool import VendorTool, loopback_only
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub_claude.provider import ClaudeProvider
from llm_mcp_hub_claude.settings import ClaudeSettings
from llm_mcp_hub_claude.testing import fake_cli
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi

TOOL = VendorTool(
    "Claude Code",
    "claude",
    "HUB_TEST_CLAUDE",
    Path(__file__).parents[3] / ".tools/claude/node_modules/.bin/claude",
)
TOKEN = "sk-ant-oat01-test"

MakeProvider = Callable[..., ClaudeProvider]


def pytest_runtest_setup(item: pytest.Item) -> None:
    TOOL.skip_without(item)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def no_way_out() -> Iterator[None]:
    """Whatever a tool tries to reach beside loopback fails at once."""
    with loopback_only():
        yield


@pytest.fixture(scope="session")
def real_executable() -> str:
    found = TOOL.find()
    assert found is not None
    return found


@pytest.fixture(scope="session")
def fake_executable(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(fake_cli.install(tmp_path_factory.mktemp("fake-cli")))


@pytest.fixture(scope="module", params=["fake", pytest.param("real", marks=pytest.mark.real_cli)])
def executable(request: pytest.FixtureRequest) -> str:
    """The fake tool, then the real one: what holds for one holds for the other."""
    return str(request.getfixturevalue(f"{request.param}_executable"))


@pytest.fixture(scope="module")
def running_api() -> Iterator[FakeMessagesApi]:
    with FakeMessagesApi() as api:
        yield api


@pytest.fixture
def api(running_api: FakeMessagesApi) -> FakeMessagesApi:
    running_api.reset()
    return running_api


@pytest.fixture(scope="module")
def token_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("login") / "token"
    path.write_text(f"{TOKEN}\n")
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def make_provider(
    running_api: FakeMessagesApi, token_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> MakeProvider:
    """Makes providers that talk to the fake back end; the test closes them."""

    def make(executable: str, **settings: object) -> ClaudeProvider:
        values: dict[str, object] = {
            "executable": executable,
            "oauth_token_file": str(token_file),
            "environment": {"ANTHROPIC_BASE_URL": running_api.url},
            "pool": PoolLimits(min_spare=1, max_workers=4),
        }
        data_dir = tmp_path_factory.mktemp("data")
        home = {"HOME": str(data_dir), "PATH": os.environ["PATH"]}
        made = ClaudeSettings(**{**values, **settings})  # type: ignore[arg-type]  # by name
        return ClaudeProvider(ProviderContext("claude", made, data_dir, home))

    return make


@pytest.fixture(scope="module")
async def shared_provider(
    make_provider: Callable[..., ClaudeProvider], executable: str
) -> AsyncIterator[ClaudeProvider]:
    made = make_provider(executable)
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def provider(shared_provider: ClaudeProvider) -> AsyncIterator[ClaudeProvider]:
    yield shared_provider
    # A worker that starts or ends may still ask the back end.
    await shared_provider._pool.settled()


@pytest.fixture
async def own_provider(
    make_provider: Callable[..., ClaudeProvider], executable: str
) -> AsyncIterator[ClaudeProvider]:
    """One whose state the test may spoil."""
    made = make_provider(executable)
    yield made
    await made.aclose()
