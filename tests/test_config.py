"""The configuration: a file, the environment over it, the command line over both."""

import string
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.config import (
    HubConfig,
    convert_settings,
    default_config_file,
    read_config,
)
from llm_mcp_hub.config_sources import sources
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.providers.maker import ProviderMaker, configured_providers
from llm_mcp_hub.providers.registry import Registry, build_registry


def toml(tmp_path, text: str):
    file = tmp_path / "config.toml"
    file.write_text(text, "utf-8")
    return file


def test_everything_has_a_default():
    assert read_config(None, {}) == HubConfig()


def test_the_command_line_goes_over_the_environment_and_that_over_the_file(tmp_path):
    file = toml(tmp_path, 'state = "memory://"\n[server]\nport = 1\nhost = "localhost"\n')
    environment = {"LLM_MCP_HUB_SERVER__PORT": "2", "LLM_MCP_HUB_LOG__LEVEL": "debug"}
    config = read_config(file, environment, {"log": {"level": "error"}, "server": {"host": None}})

    assert (config.state, config.server.host) == ("memory://", "localhost")
    assert (config.server.port, config.log.level) == (2, "error")


def test_lists_and_tables_in_the_environment_are_json():
    config = read_config(
        None,
        {
            "LLM_MCP_HUB_SERVER__ALLOWED_HOSTS": '["a.example", "b.example"]',
            "LLM_MCP_HUB_ALIASES": '{"gpt-4o": "echo/echo"}',
            "LLM_MCP_HUB_ACCESS__ENABLED": "false",
            "LLM_MCP_HUB_SERVER": '{"port": 5, "host": "127.0.0.1"}',
            "LLM_MCP_HUB_SERVER__PORT": "6",
            "UNRELATED": "x",
            "LLM_MCP_HUB_CONFIG": "/not/a/setting",
        },
    )

    assert config.server.allowed_hosts == ("a.example", "b.example")
    assert config.aliases == {"gpt-4o": "echo/echo"}
    assert not config.access.enabled
    assert (config.server.port, config.server.host) == (6, "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("surprise = 1", "surprise", "no such setting"),
        ("[server]\nprot = 1", "server.prot", "no such setting"),
        ("[sessions]\nttl = 1", "sessions.ttl", "no such setting"),
        ("api_key = 'x'", "api_key", "takes no API key"),
        ("[server]\nAPI_KEY = 'x'", "server.API_KEY", "takes no API key"),
        ("[server]\nport = 'eighty'", "server.port", "int"),
        ("[server]\nport = 8.5", "server.port", "int"),
        ("server = 1", "server", "object"),
        ("[server]\nallowed_hosts = 'x'", "server.allowed_hosts", "array"),
        ("[server]\nallowed_hosts = [1]", "server.allowed_hosts[0]", "str"),
        ("[aliases]\na = 1", "aliases[...]", "str"),
        ("[aliases]\na = 'b'\nb = ['x', 'a']", "aliases.a", "itself"),
        ("[aliases]\na = []", "aliases.a", "name a model"),
        ("[sessions]\nid_headers = ['a b']", "sessions.id_headers", "a header"),
        ("[sessions]\nid_headers = ['X-Session-ID']", "sessions.id_headers", "of its own"),
        ("[sessions]\ntask_headers = ['']", "sessions.task_headers", "a header"),
        ("[log]\nlevel = 'loud'", "log.level", "loud"),
        ("providers = []", "providers", "object"),
        ("[server]\nport = -1", "server.port", "or 0 for a free one"),
        ("[server]\nport = 65536", "server.port", "65535"),
        ("[server]\nmax_body_bytes = 0", "server.max_body_bytes", "greater"),
        ("[sessions]\nttl_seconds = 0", "sessions.ttl_seconds", "greater"),
        ("[sessions]\nttl_seconds = nan", "sessions.ttl_seconds", "number"),
        ("[sessions]\nttl_seconds = inf", "sessions.ttl_seconds", "number"),
        ("[alerts]\ndays = [0]", "alerts.days", "1 to 365"),
        ("[alerts]\nprovider_seconds = -1", "alerts.provider_seconds", "zero or"),
        ("[access]\nenabled = false\n[server]\nhost = '0.0.0.0'", "access.enabled", "loopback"),
    ],
)
def test_what_is_wrong_in_the_file_is_refused_with_its_path(tmp_path, text, path, says):
    with pytest.raises(ConfigError) as failure:
        read_config(toml(tmp_path, text), {})

    assert failure.value.param == path
    assert failure.value.message.startswith(f"{path}: ")
    assert says in failure.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_MCP_HUB_SURPRISE", "1"),
        ("LLM_MCP_HUB_SERVER__PORT", "eighty"),
        ("LLM_MCP_HUB_SERVER__PORT", ""),
        ("LLM_MCP_HUB_SERVER", "x"),
        ("LLM_MCP_HUB_ALIASES", "{nonsense"),
        ("LLM_MCP_HUB_", "x"),
        ("LLM_MCP_HUB_SESSIONS__TTL_SECONDS", "nan"),
    ],
)
def test_what_is_wrong_in_the_environment_is_refused(name, value):
    with pytest.raises(ConfigError):
        read_config(None, {name: value})


def test_a_value_and_parts_of_its_own_exclude_each_other():
    with pytest.raises(ConfigError):
        read_config(None, {"LLM_MCP_HUB_STATE": "memory://", "LLM_MCP_HUB_STATE__URL": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_MCP_HUB_PROVIDERS__CLAUDE__EXECUTABLE", "/tmp/evil"),
        ("LLM_MCP_HUB_PROVIDERS__CLAUDE__ENVIRONMENT", '{"A": "b"}'),
        ("LLM_MCP_HUB_PROVIDERS__CLAUDE__ENVIRONMENT__PATH", "/tmp"),
        ("LLM_MCP_HUB_PROVIDERS__CLAUDE", '{"executable": "/tmp/evil"}'),
        ("LLM_MCP_HUB_PROVIDERS", '{"claude": {"environment": {"A": "b"}}}'),
    ],
)
def test_what_decides_which_program_runs_comes_from_the_file_only(name, value):
    with pytest.raises(ConfigError, match="file only"):
        read_config(None, {name: value})


@pytest.mark.parametrize("content", [b"port = ", b"\xff\xfe", b"a = 1\na = 2"])
def test_a_file_that_can_not_be_read_is_named(tmp_path, content):
    file = tmp_path / "broken.toml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.toml"):
        read_config(file, {})
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        read_config(tmp_path / "absent.toml", {})
    with pytest.raises(ConfigError, match="can't be read"):
        read_config(tmp_path, {})


def test_the_default_file_is_the_one_named_or_the_users_own(tmp_path):
    named = default_config_file({"LLM_MCP_HUB_CONFIG": "/x/y.toml"})
    assert str(named) == "/x/y.toml"
    environment = {"XDG_CONFIG_HOME": str(tmp_path)}
    assert default_config_file(environment) is None
    own = tmp_path / "llm-mcp-hub" / "config.toml"
    own.parent.mkdir()
    own.touch()
    assert default_config_file(environment) == own


def built(settings, factories, directory) -> Registry:
    maker = ProviderMaker(factories, directory, {})
    return build_registry(configured_providers(settings, factories), maker)


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ({"echo": {"word_seconds": "slow"}}, "providers.echo.word_seconds"),
        ({"echo": {"pool": {"max_workers": "x"}}}, "providers.echo.pool.max_workers"),
        ({"echo": {"api_key": "x"}}, "providers.echo.api_key"),
        ({"echo": {"enabled": "perhaps"}}, "providers.echo.enabled"),
        ({"echo": {"kind": ["echo"]}}, "providers.echo.kind"),
        ({"mine": {"kind": "nobody"}}, "providers.mine"),
        ({"mine": {}}, "providers.mine"),
        ({"a/b": {"kind": "echo"}}, "providers.a/b"),
        ({"../up": {"kind": "echo"}}, "providers.../up"),
        ({"": {"kind": "echo"}}, "providers."),
    ],
)
def test_what_is_wrong_in_a_providers_settings_is_refused_with_its_path(tmp_path, settings, path):
    factories = [one for one in load_plugins().provider_factories() if one.kind == "echo"]
    with pytest.raises(ConfigError) as failure:
        built(settings, factories, tmp_path)

    assert failure.value.param == path
    assert failure.value.message.startswith(f"{path}: ")


def test_a_provider_may_have_another_name_and_be_turned_off(tmp_path):
    factories = [one for one in load_plugins().provider_factories() if one.kind == "echo"]
    settings = {"parrot": {"kind": "echo"}, "echo": {"enabled": False}, "second": {"kind": "echo"}}
    registry = built(settings, factories, tmp_path)

    assert [provider.name for provider in registry] == ["parrot", "second"]


WORD = st.text(string.ascii_lowercase, min_size=1, max_size=5)
VALUE = st.one_of(
    st.text(string.ascii_letters + " .:/-", min_size=1), st.lists(st.integers(0, 9), max_size=3)
)


@given(st.dictionaries(WORD, st.dictionaries(WORD, VALUE, max_size=3), max_size=3))
def test_nested_settings_are_the_same_from_the_environment_and_from_a_table(providers):
    environment = {
        f"LLM_MCP_HUB_PROVIDERS__{name.upper()}__{key.upper()}": (
            value if isinstance(value, str) else msgspec.json.encode(value).decode()
        )
        for name, table in providers.items()
        for key, value in table.items()
    }
    table = {"providers": {name: inner for name, inner in providers.items() if inner}}

    assert read_config(None, environment) == read_config(None, {}, table)


@given(st.recursive(st.one_of(st.integers(), st.text()), lambda inner: st.dictionaries(
    st.text(max_size=8), inner, max_size=3), max_leaves=8))  # fmt: skip
def test_any_tables_are_understood_or_refused(settings: Any):
    table = settings if isinstance(settings, dict) else {"server": settings}
    with suppress(ConfigError):
        assert isinstance(read_config(None, {}, table), HubConfig)


def test_settings_of_the_right_shape_are_converted():
    server = convert_settings({"port": "9"}, type(HubConfig().server), "server")

    assert server.port == 9


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://hooks.example/T000/secret",
        "https://10.0.0.7:8443/hook",
        "http://127.0.0.1:9000/hook",
        "http://localhost/hook",
        "http://[::1]/hook",
    ],
)
def test_a_webhook_is_anywhere_over_https_and_here_over_http(url):
    read_config(None, {}, {"alerts": {"webhook_url": url}})


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/secret-part",
        "http://169.254.169.254/secret-part",
        "http://127.0.0.1.evil.example/secret-part",
        "http://localhost@evil.example/secret-part",
        "https://user:secret-part@hooks.example/",
        "https:///secret-part",
        "https://hooks.example:99999/secret-part",
        "ftp://hooks.example/secret-part",
        "hooks.example/secret-part",
        "https://hooks.example/secret-part here",
    ],
)
def test_any_other_webhook_is_refused_without_repeating_it(url):
    with pytest.raises(ConfigError) as failure:
        read_config(None, {}, {"alerts": {"webhook_url": url}})
    assert failure.value.param == "alerts.webhook_url"
    assert "secret-part" not in failure.value.message


def test_where_each_setting_comes_from_is_known(tmp_path):
    file = toml(tmp_path, "[server]\nport = 1\nhost = '::1'\n[aliases]\nfast = 'echo/echo'")
    environment = {"LLM_MCP_HUB_SERVER__PORT": "2", "LLM_MCP_HUB_LOG__LEVEL": "error"}
    found = sources(file, environment, {"log": {"level": "info", "format": None}})
    assert found.file == str(file)
    assert found.origins == {
        "server.port": "environment",
        "server.host": "file",
        "aliases.fast": "file",
        "log.level": "command line",
    }
