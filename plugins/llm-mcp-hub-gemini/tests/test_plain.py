"""What needs no Gemini CLI: settings, files of the login, its errors, and histories as files."""

import json
import os
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.config import convert_settings
from llm_mcp_hub.domain.chat import (
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_mcp_hub.domain.status import CredentialState
from llm_mcp_hub.errors import ConfigError, LoginRequired, ProviderUnavailable
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.testing.turns import message, turn_request
from llm_mcp_hub_acp.client_tools.names import alias
from llm_mcp_hub_acp.errors import Failure
from llm_mcp_hub_acp.lines import RpcError
from llm_mcp_hub_acp.prompt import SHIELD
from llm_mcp_hub_gemini.command import ENVIRONMENT, worker_spec
from llm_mcp_hub_gemini.credentials import credential_status, find_config_dir
from llm_mcp_hub_gemini.errors import reset_seconds, to_hub_error
from llm_mcp_hub_gemini.history import leftovers, restoration
from llm_mcp_hub_gemini.provider import GeminiProvider
from llm_mcp_hub_gemini.settings import OWN_VARIABLES, GeminiSettings
from llm_mcp_hub_gemini.testing.login import REFRESH_TOKEN, write_login


def make(**values: object) -> GeminiProvider:
    settings = convert_settings(values, GeminiSettings, "providers.mine")
    return GeminiProvider(ProviderContext("mine", settings, Path("nowhere"), {}))


@pytest.mark.parametrize(
    "name",
    [
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "google_api_key",
        "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_GENAI_USE_GCA",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_ACCESS_TOKEN",
        "GOOGLE_GEMINI_BASE_URL",
        "GEMINI_SYSTEM_MD",
        "GEMINI_CLI_HOME",
        "CLOUD_SHELL",
        "HOME",
        "PATH",
    ],
)
def test_a_variable_that_could_change_the_login_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(environment={name: "x"})
    assert caught.value.param == f"providers.mine.environment.{name}"


def test_another_back_end_is_refused_unless_it_is_loopback() -> None:
    with pytest.raises(ConfigError):
        make(environment={"CODE_ASSIST_ENDPOINT": "https://example.com"})
    make(environment={"CODE_ASSIST_ENDPOINT": "http://127.0.0.1:1"})


@pytest.mark.parametrize("key", ["api_key", "token", "argv", "command"])
def test_a_setting_that_does_not_exist_is_refused(key: str) -> None:
    with pytest.raises(ConfigError):
        make(**{key: "x"})


def test_every_variable_that_the_hub_sets_is_the_hubs_alone() -> None:
    assert set(ENVIRONMENT) <= OWN_VARIABLES


def test_the_login_is_linked_and_its_project_told(tmp_path: Path) -> None:
    login = write_login(tmp_path / "login")
    spec = worker_spec("/bin/gemini", login, GeminiSettings(project="mine"))
    [link] = [one for one in spec.furnishings if one.kind == "link"]
    assert link.content == str(login / "oauth_creds.json")
    assert ("GOOGLE_CLOUD_PROJECT", "mine") in spec.environment
    assert REFRESH_TOKEN not in repr(spec)
    assert not any("yolo" in word for word in spec.argv)


def test_a_login_of_the_hubs_own_goes_before_the_users(tmp_path: Path) -> None:
    user = {"HOME": str(tmp_path)}
    settings = GeminiSettings()
    assert find_config_dir(settings, tmp_path / "data", user) == tmp_path / ".gemini"
    made = write_login(tmp_path / "data" / "login" / ".gemini")
    assert find_config_dir(settings, tmp_path / "data", user) == made
    mine = GeminiSettings(config_dir=str(tmp_path / "mine"))
    assert find_config_dir(mine, tmp_path / "data", user) == tmp_path / "mine"


def test_a_login_shows_whose_it_is_and_never_a_date_of_the_access_token(tmp_path: Path) -> None:
    login = write_login(tmp_path, expires_in=-10)
    (login / "google_accounts.json").write_text(json.dumps({"active": "zoe@example.com"}))
    os.utime(login / "oauth_creds.json", (1000.0, 1000.0))
    status = credential_status(login, 2_000_000_000.0)
    assert status.state is CredentialState.UNKNOWN
    assert status.account == "zo…@example.com"
    assert status.refreshed_at == 1000.0
    assert status.expires_at is None


def test_a_login_that_can_not_be_renewed_has_an_end(tmp_path: Path) -> None:
    write_login(tmp_path, expires_in=-10, refresh=False)
    assert credential_status(tmp_path, 4e9).state is CredentialState.EXPIRED
    (tmp_path / "oauth_creds.json").write_text("{")
    assert credential_status(tmp_path, 4e9).state is CredentialState.MISSING


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Your quota will reset after 11h22m.", 40_920.0),
        ("Your quota will reset after 59s.", 59.0),
        ("Your quota will reset after 1d2h.", 93_600.0),
        ("It resets soon.", None),
    ],
)
def test_the_time_of_a_reset_is_read(text: str, seconds: float | None) -> None:
    assert reset_seconds(text) == seconds


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        (400, "invalid_grant", LoginRequired),
        (-32000, "Permission denied on resource", LoginRequired),
        (-32000, "Internal error", ProviderUnavailable),
        (-32000, "This client is no longer supported for … individuals.", ProviderUnavailable),
    ],
)
def test_the_words_decide_where_the_code_does_not(code: int, text: str, kind: type) -> None:
    error = to_hub_error(Failure(RpcError(code, text), "session/new"))
    assert type(error) is kind
    assert text not in error.message
    assert text in (error.detail or "")


def test_after_text_nothing_is_retryable() -> None:
    for code in (400, 401, 403, 404, 413, 429, 500, 503):
        error = to_hub_error(Failure(RpcError(code, "x"), "session/prompt", said=True))
        assert not error.retryable


texts = st.text(min_size=1, max_size=20).filter(str.strip)
messages = st.lists(st.tuples(st.sampled_from(["user", "assistant"]), texts), max_size=8)


@given(st.text(max_size=10), messages)
def test_a_history_as_a_file_holds_every_word_under_its_role(
    system: str, said: list[tuple[Role, str]]
) -> None:
    history = [Message(role, (TextPart(words),)) for role, words in said]
    made = restoration("0123456789abcdef", system, history)
    records = [msgspec.json.decode(line) for line in made.content.splitlines()]
    assert len(records) == made.echoes + 1
    told = [
        ({"gemini": "assistant"}.get(record["type"], record["type"]), part["text"])
        for record in records[1:]
        for part in record["content"]
    ]
    if system:
        told = told[1:]
    assert [(role, words.removeprefix("\u200b")) for role, words in told] == [
        (role, words.removeprefix("\u200b")) for role, words in said
    ]
    kinds = [record["type"] for record in records[1:]]
    assert all(one != other for one, other in pairwise(kinds))


def test_calls_and_results_are_native_in_a_history() -> None:
    long = "a" * 64
    history = [
        message("user", "q"),
        message(
            "assistant",
            "hm",
            ToolCallPart("c1", "look", '{"at": [1]}'),
            ToolCallPart("c2", long, "not json"),
        ),
        message("tool", ToolResultPart("c1", "seen", (ImagePart("image/png", "AA"),))),
        message("tool", ToolResultPart("c2", "gone", is_error=True), ToolResultPart("c9", "lost")),
    ]
    made = restoration("0123456789abcdef", "", history)
    records = [msgspec.json.decode(line) for line in made.content.splitlines()][1:]
    assert len(records) == made.echoes
    assert [record["type"] for record in records] == ["user", "gemini", "user", "user"]
    name = f"mcp_client_{alias(long)}"
    assert len(name) <= 63
    assert records[1]["content"] == [
        {"text": "hm"},
        {"functionCall": {"id": "c1", "name": "mcp_client_look", "args": {"at": [1]}}},
        {"functionCall": {"id": "c2", "name": name, "args": {"arguments": "not json"}}},
    ]
    response = {"id": "c1", "name": "mcp_client_look", "response": {"output": "seen"}}
    failed = {"id": "c2", "name": name, "response": {"error": "gone"}}
    assert records[2]["content"] == [
        {"functionResponse": response},
        {"inlineData": {"mimeType": "image/png", "data": "AA"}},
        {"functionResponse": failed},
        {"text": "[the tool answered: lost]"},
    ]
    # Or the Gemini CLI would add that an answer was interrupted.
    assert records[3]["content"] == [{"text": SHIELD}]
    answered = restoration("0123456789abcdef", "", [*history, message("assistant", "so")])
    assert b'"type":"gemini","content":[{"text":"so"}]' in answered.content
    assert answered.echoes == 4


def test_the_files_of_a_session_are_found_again() -> None:
    made = restoration("0123456789abcdef", "", [message("user", "x")])
    [pattern] = leftovers("0123456789abcdef")
    assert Path(made.path).match(pattern)


def test_an_empty_turn_is_refused_before_anything_is_started() -> None:
    provider = make(models=["gemini-x"])
    with pytest.raises(Exception, match="say something"):
        provider.check_request(turn_request(" ", model="gemini-x"))
