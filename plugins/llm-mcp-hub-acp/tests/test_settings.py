"""Settings of an agent: what runs is checked, and nothing in them can change who pays."""

from pathlib import Path

import httpx
import pytest

import llm_mcp_hub_acp
from llm_mcp_hub.config import convert_settings, read_config
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.testing.hub import create_test_hub
from llm_mcp_hub_acp.presets import PRESETS
from llm_mcp_hub_acp.provider import AcpProvider
from llm_mcp_hub_acp.settings import AcpSettings
from llm_mcp_hub_acp.setup import setup_of


def context(**values: object) -> ProviderContext:
    settings = convert_settings(values, AcpSettings, "providers.mine")
    return ProviderContext("mine", settings, Path("nowhere"), {"PATH": "/bin"})


def make(**values: object) -> AcpProvider:
    return AcpProvider(context(**values))


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ({}, "command"),
        ({"command": [""]}, "command"),
        ({"preset": "nobody"}, "preset"),
        ({"command": ["a"], "session_mode": "yolo"}, "session_mode"),
        ({"command": ["a"], "session_mode": "bypassPermissions"}, "session_mode"),
        ({"command": ["a"], "usage": "somewhere"}, "usage"),
        ({"command": ["a"], "home": "/x", "home_files": {"a": "b"}}, "home"),
        ({"command": ["a"], "aliases": {"x": ""}}, "aliases"),
        ({"command": ["a"], "environment": {"OPENAI_API_KEY": "x"}}, "environment.OPENAI_API_KEY"),
        (
            {"command": ["a"], "environment": {"ANTHROPIC_MODEL": "x"}},
            "environment.ANTHROPIC_MODEL",
        ),
        ({"command": ["a"], "environment": {"X_BASE_URL": "http://x.y"}}, "environment.X_BASE_URL"),
        ({"command": ["a"], "environment": {"HOME": "/"}}, "environment.HOME"),
    ],
)
def test_what_makes_no_sense_or_does_harm_is_refused_with_its_path(
    values: dict[str, object], path: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        make(**values)
    assert caught.value.param == f"providers.mine.{path}"


@pytest.mark.parametrize("name", ["command", "environment", "home", "home_files", "home_links"])
def test_what_decides_what_runs_is_never_taken_from_the_environment(name: str) -> None:
    with pytest.raises(ConfigError, match="configuration file only"):
        read_config(None, {f"LLM_MCP_HUB_PROVIDERS__MINE__{name.upper()}": "[]"})


def test_a_preset_is_where_the_settings_begin() -> None:
    provider = make(preset="antigravity", command=["my-antigravity"])
    assert provider._settings.command == ("my-antigravity",)
    assert provider._settings.noise == "login"
    assert make(preset="antigravity")._settings.command == ("antigravity-acp",)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_makes_a_provider_and_an_unverified_one_says_so(name: str) -> None:
    made = setup_of(context(preset=name))
    assert make(preset=name).name == "mine"
    titles = [finding.title for finding in made.findings()]
    assert any("unverified" in title for title in titles) is not PRESETS[name].verified


def test_the_hub_neither_installs_nor_logs_in_an_agent() -> None:
    made = setup_of(context(command=["/no/such/agent"], login_remedy="Run `agent login`."))
    assert not made.needs_install()
    assert made.setup_token_command() is None
    with pytest.raises(ConfigError, match="agent login"):
        made.login_command()
    assert not made.findings()[0].ok


def test_no_agent_is_added_at_run_time_for_only_the_file_says_what_is_run() -> None:
    with (
        create_test_hub(plugins=[("acp", llm_mcp_hub_acp)]) as hub,
        httpx.Client(base_url=hub.base_url, headers=hub.headers()) as admin,
    ):
        kinds = [one["kind"] for one in admin.get("/v1/provider-kinds").json()["data"]]
        assert kinds == ["echo"]
        refused = admin.post("/v1/providers", json={"name": "mine", "kind": "acp"})
        assert refused.status_code == 400
        error = refused.json()["error"]
        assert error["param"] == "kind"
        assert "[providers.NAME]" in error["message"]
        assert admin.get("/v1/providers/mine").status_code == 404
