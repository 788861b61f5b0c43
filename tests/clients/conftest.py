"""A served hub, with the echo provider and the real Claude Code on a stand-in of its back end."""

import secrets
import tomllib
from collections.abc import Iterator

import pytest
from tests.clients.clients import Access, JavaScriptClients, PythonClients
from tests.clients.model import answer
from tests.docs.conftest import Page
from tests.e2e.conftest import TOKEN, claude

import llm_mcp_hub_claude
from llm_mcp_hub.testing import TestHub, create_test_hub
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi

__all__ = ["claude"]


@pytest.fixture(scope="session")
def vendor() -> Iterator[FakeMessagesApi]:
    with FakeMessagesApi() as api:
        api.default = answer
        yield api


@pytest.fixture(scope="session")
def hub(
    claude: str, vendor: FakeMessagesApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TestHub]:
    login = tmp_path_factory.mktemp("login") / "token"
    login.write_text(TOKEN + "\n")
    login.chmod(0o600)
    settings = {
        "executable": claude,
        "oauth_token_file": str(login),
        "environment": {"ANTHROPIC_BASE_URL": vendor.url},
        "pool": {"min_spare": 1, "max_workers": 6},
    }
    sessions = {"id_headers": ["X-OpenWebUI-Chat-Id", *configured_headers()]}
    with create_test_hub(
        {"providers": {"claude": settings}, "sessions": sessions},
        plugins=[("claude", llm_mcp_hub_claude)],
    ) as served:
        yield served


def configured_headers() -> list[str]:
    """What LibreChat's page has the hub know."""
    (block,) = Page("docs/clients/librechat.md").blocks("toml")
    headers: list[str] = tomllib.loads(block)["sessions"]["id_headers"]
    return headers


@pytest.fixture(scope="module")
def access(hub: TestHub, request: pytest.FixtureRequest) -> Access:
    """An access token for each client: sessions of one are not seen by another."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    # A test process that gives some of a module's tests away may be given others of them later.
    return Access(hub.base_url, hub.token(f"{name}-{secrets.token_hex(4)}"))


@pytest.fixture(scope="module")
def python_clients(access: Access, tmp_path_factory: pytest.TempPathFactory) -> PythonClients:
    return PythonClients(access, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def javascript_clients(
    access: Access, tmp_path_factory: pytest.TempPathFactory
) -> JavaScriptClients:
    return JavaScriptClients(access, tmp_path_factory.mktemp("home"))
