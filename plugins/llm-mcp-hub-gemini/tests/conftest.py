"""Fixtures of the Gemini plugin's tests: the fake back end, and the real Gemini CLI."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from llm_mcp_hub.config import convert_settings
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.testing.vendor_tool import VendorTool, loopback_only
from llm_mcp_hub_gemini.provider import GeminiProvider
from llm_mcp_hub_gemini.settings import GeminiSettings
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist
from llm_mcp_hub_gemini.testing.login import environment_for, write_login

TOOL = VendorTool(
    "The Gemini CLI",
    "gemini",
    "HUB_TEST_GEMINI",
    Path(__file__).parents[3] / ".tools/gemini/node_modules/.bin/gemini",
)

MakeProvider = Callable[..., GeminiProvider]


def pytest_runtest_setup(item: pytest.Item) -> None:
    TOOL.skip_without(item)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def no_way_out() -> Iterator[None]:
    """Whatever the tool tries to reach beside loopback fails at once."""
    with loopback_only():
        yield


@pytest.fixture(scope="session")
def executable() -> str:
    found = TOOL.find()
    assert found is not None
    return found


@pytest.fixture(scope="module")
def running_api() -> Iterator[FakeCodeAssist]:
    with FakeCodeAssist() as api:
        yield api


@pytest.fixture
def api(running_api: FakeCodeAssist) -> FakeCodeAssist:
    running_api.reset()
    return running_api


@pytest.fixture(scope="module")
def make_provider(
    running_api: FakeCodeAssist, executable: str, tmp_path_factory: pytest.TempPathFactory
) -> MakeProvider:
    """Makes providers that talk to the fake back end; the test closes them."""

    def make(login: Path | None = None, **settings: object) -> GeminiProvider:
        login = login or write_login(tmp_path_factory.mktemp("login"))
        values = {
            "executable": executable,
            "config_dir": str(login),
            "environment": environment_for(running_api.url),
            "pool": {"min_spare": 1, "max_workers": 12, "max_turns": 8, "recycle_turns": 0},
            **settings,
        }
        data_dir = tmp_path_factory.mktemp("data")
        home = {"HOME": str(data_dir), "PATH": os.environ["PATH"]}
        made = convert_settings(values, GeminiSettings, "providers.gemini")
        return GeminiProvider(ProviderContext("gemini", made, data_dir, home))

    return make


@pytest.fixture(scope="module")
async def shared_provider(make_provider: MakeProvider) -> AsyncIterator[GeminiProvider]:
    made = make_provider()
    await made.start()
    yield made
    await made.aclose()


@pytest.fixture
async def provider(shared_provider: GeminiProvider) -> AsyncIterator[GeminiProvider]:
    """One that a module's tests share; each finds its workers at rest."""
    yield shared_provider
    await shared_provider._pool.settled()


@pytest.fixture
async def own_provider(
    make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GeminiProvider]:
    """One whose state the test may spoil."""
    monkeypatch.setattr("llm_mcp_hub.providers.self_test.RETEST_SECONDS", 0.0)
    made = make_provider()
    yield made
    await made.aclose()
