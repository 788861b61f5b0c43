"""Only allowed variables reach a child, and no key ever does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.workers.environment import (
    FORBIDDEN_MARKS,
    INHERITED,
    NO_PROXIES,
    PROXIES,
    child_environment,
    is_forbidden,
    refuse_forbidden,
)

KEYS = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_SECRET_ACCESS_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "OPENAI_API_KEY",
    "anthropic_api_key",
    "LLM_MCP_HUB_STATE",
]


@pytest.mark.parametrize("name", KEYS)
def test_a_key_in_the_hubs_own_environment_never_reaches_a_child(name: str) -> None:
    assert name not in child_environment({name: "sk-1", "PATH": "/bin"}, {})


@pytest.mark.parametrize("name", [name for name in KEYS if name != "LLM_MCP_HUB_STATE"])
def test_a_variable_for_key_billing_or_a_secret_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=f"providers.x.environment.{name}") as refusal:
        refuse_forbidden(["LANG", name], "providers.x.environment")
    assert refusal.value.param == f"providers.x.environment.{name}"


def test_harmless_variables_are_not_refused() -> None:
    refuse_forbidden([*INHERITED, "NODE_OPTIONS", "ANTHROPIC_BASE_URL", "TERM"], "environment")


def test_what_is_inherited_is_not_forbidden() -> None:
    assert not any(is_forbidden(name) for name in INHERITED)


@given(st.sampled_from(FORBIDDEN_MARKS), st.text("abcXYZ_", max_size=4))
def test_a_mark_anywhere_in_a_name_forbids_it_in_any_case(mark: str, around: str) -> None:
    assert is_forbidden(around + mark.lower() + around)


@given(
    st.dictionaries(st.sampled_from([*INHERITED, *KEYS, "USER", "EDITOR"]), st.text(max_size=3)),
    st.dictionaries(st.sampled_from(["HOME", "LANG", "EXTRA"]), st.text(max_size=3)),
)
def test_a_child_sees_what_is_set_for_it_and_what_is_allowed(
    parent: dict[str, str], extra: dict[str, str]
) -> None:
    seen = child_environment(parent, extra)
    allowed = {name: value for name, value in parent.items() if name in INHERITED}
    shown = {name: value for name, value in seen.items() if name not in NO_PROXIES}
    expected = {"LANG": "C.UTF-8", **allowed, **extra}
    assert shown == {name: value for name, value in expected.items() if name not in NO_PROXIES}


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({}, None),
        ({"NO_PROXY": "a"}, "a"),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": "http://p"}, "127.0.0.1"),
        ({"http_proxy": "http://p", "NO_PROXY": "a, .b"}, "a,.b,127.0.0.1"),
        ({"HTTP_PROXY": "http://p", "no_proxy": "127.0.0.1"}, "127.0.0.1"),
        ({"HTTP_PROXY": "http://p", "no_proxy": "*"}, "*"),
    ],
)
def test_what_a_child_asks_of_this_machine_goes_through_no_proxy(
    given: dict[str, str], shown: str | None
) -> None:
    seen = child_environment(given, {})
    proxied = any(given.get(name) for name in PROXIES)
    told = {seen.get(name) for name in NO_PROXIES}
    assert told == ({shown} if proxied else {given.get(name) for name in NO_PROXIES})
