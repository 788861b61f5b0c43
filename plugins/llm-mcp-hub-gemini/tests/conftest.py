"""Fixtures of the Gemini plugin's tests: the fake back end, and the real Gemini CLI."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llm_mcp_hub.config import convert_settings
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub_gemini.provider import GeminiProvider
from llm_mcp_hub_gemini.settings import GeminiSettings
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist
from llm_mcp_hub_gemini.testing.login import environment_for, write_login

REPOSITORY = Path(__file__).parents[3]

MakeProvider = Callable[..., GeminiProvider]


def find_real_cli() -> str | None:
    """The real Gemini CLI: `HUB_TEST_GEMINI`, or the repository's own, or the one on the PATH."""
    named = os.environ.get("HUB_TEST_GEMINI")
    if named:
        return shutil.which(named)
    own = REPOSITORY / ".tools" / "gemini" / "node_modules" / ".bin" / "gemini"
    return shutil.which(str(own)) or shutil.which("gemini")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip here and not in a fixture: so all of them share one line of the summary."""
    if item.get_closest_marker("real_cli") is not None and find_real_cli() is None:
        pytest.skip(
            "THE GEMINI CLI IS NOT INSTALLED: the tests with the real tool did not run. Install it "
            "under .tools/gemini or name it in HUB_TEST_GEMINI."
        )


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def no_way_out() -> Iterator[None]:
    """Whatever the tool tries to reach beside loopback fails at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="session")
def executable() -> str:
    found = find_real_cli()
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
