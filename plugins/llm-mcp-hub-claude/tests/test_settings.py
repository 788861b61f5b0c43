"""Settings: nothing in them can change who pays."""

from pathlib import Path

import pytest

from llm_mcp_hub.config import convert_settings
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub_claude.command import ENVIRONMENT, TOKEN_DESCRIPTOR
from llm_mcp_hub_claude.provider import ClaudeProvider
from llm_mcp_hub_claude.settings import OWN_VARIABLES, ClaudeSettings


def make(**values: object) -> ClaudeProvider:
    settings = convert_settings(values, ClaudeSettings, "providers.mine")
    return ClaudeProvider(ProviderContext("mine", settings, Path("nowhere"), {}))


@pytest.mark.parametrize(
    "name",
    [
        "ANTHROPIC_API_KEY",
        "anthropic_api_key",
        "ANTHROPIC_AUTH_TOKEN",
        "CLAUDE_CODE_API_KEY_HELPER_TTL_MS",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
        "CLAUDE_CODE_USE_FOUNDRY",
        "CLAUDE_CODE_USE_GATEWAY",
        "CLAUDE_CODE_SIMPLE",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_DISABLE_FILE_MENTIONS",
        "ANTHROPIC_CUSTOM_HEADERS",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_SECRET_ACCESS_KEY",
        "HOME",
        "PATH",
    ],
)
def test_a_variable_that_could_change_the_login_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(environment={name: "x"})
    assert caught.value.param == f"providers.mine.environment.{name}"
    assert name in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com/",
        "http://127.0.0.1@example.com",
        "http://169.254.169.254",
        "http://[::2]:80",
        "127.0.0.1:80",
        "http://[broken",
        "",
    ],
)
def test_another_back_end_is_refused_unless_it_is_loopback(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(environment={"ANTHROPIC_BASE_URL": url})
    assert caught.value.param == "providers.mine.environment.ANTHROPIC_BASE_URL"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "http://127.8.8.8", "http://[::1]:1", "http://localhost:1"]
)
def test_a_loopback_back_end_is_allowed(url: str) -> None:
    make(environment={"ANTHROPIC_BASE_URL": url, "NODE_OPTIONS": "x"})


@pytest.mark.parametrize("key", ["api_key", "token", "argv", "base_url"])
def test_a_setting_that_does_not_exist_is_refused_with_its_path(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**{key: "x"})
    assert "providers.mine" in caught.value.message


def test_two_logins_at_once_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        make(config_dir="a", oauth_token_file="b")
    assert caught.value.param == "providers.mine.oauth_token_file"


def test_an_alias_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        make(aliases={"fast": ""})
    assert caught.value.param == "providers.mine.aliases"


def test_pool_and_deadlines_are_settings_too() -> None:
    make(pool={"min_spare": 0, "max_workers": 2}, deadlines={"total": 60})


def test_every_variable_that_the_hub_sets_is_the_hubs_alone() -> None:
    assert set(ENVIRONMENT) | {TOKEN_DESCRIPTOR, "CLAUDE_CONFIG_DIR"} <= OWN_VARIABLES
