"""The state of a login, from dates alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.domain.status import CredentialState
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub_claude.credentials import Login, credential_status, find_login, store_token
from llm_mcp_hub_claude.settings import ClaudeSettings

NOW = 1_800_000_000.0
DAY = 86_400
TOKEN = b"sk-ant-oat01-test"
SECRET = "sk-ant-ort01-test"


def stored(directory: Path, **dates: float | None) -> Login:
    fields = {k: v for k, v in dates.items() if v is not None}
    login = {"accessToken": TOKEN.decode(), "refreshToken": SECRET, "subscriptionType": "max"}
    text = json.dumps({"claudeAiOauth": {**login, **fields}})
    (directory / ".credentials.json").write_text(text)
    return Login(directory)


def token(directory: Path, age_days: float | None = 1) -> Login:
    path = directory / "token"
    store_token(path, TOKEN, NOW - (age_days or 0) * DAY)
    if age_days is None:
        (directory / "token.json").unlink()
    return Login(path, is_token=True)


@pytest.mark.parametrize(
    ("access", "refresh", "state"),
    [
        (1, 30, CredentialState.READY),
        (-1, 30, CredentialState.READY),
        (1, 3, CredentialState.EXPIRING),
        (-2, -1, CredentialState.EXPIRED),
        (1, None, CredentialState.READY),
        (-1, None, CredentialState.UNKNOWN),
        (None, None, CredentialState.UNKNOWN),
    ],
)
def test_a_stored_login_lasts_as_long_as_it_can_be_renewed(
    tmp_path: Path, access: float | None, refresh: float | None, state: CredentialState
) -> None:
    days = {"expiresAt": access, "refreshTokenExpiresAt": refresh}
    dates = {k: None if v is None else (NOW + v * DAY) * 1000 for k, v in days.items()}
    status = credential_status(stored(tmp_path, **dates), NOW)
    assert status.state is state
    assert status.method == "oauth_file"
    assert status.plan == "max"
    if refresh is not None:
        assert status.expires_at == NOW + refresh * DAY
    if state in (CredentialState.EXPIRED, CredentialState.EXPIRING):
        assert "llm-mcp-hub setup claude" in status.remedy
    assert SECRET not in repr(status)


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (1, CredentialState.READY),
        (360, CredentialState.EXPIRING),
        (366, CredentialState.EXPIRED),
        (None, CredentialState.UNKNOWN),
    ],
)
def test_a_token_lasts_a_year_from_its_issue(
    tmp_path: Path, age: float | None, state: CredentialState
) -> None:
    status = credential_status(token(tmp_path, age), NOW)
    assert status.state is state
    assert status.method == "oauth_token"
    if age is None:
        assert "issued_at" in status.remedy
    else:
        assert status.expires_at == NOW + (365 - age) * DAY
    assert TOKEN.decode() not in repr(status)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"claudeAiOauth":{"expiresAt":"x"}}', "{}"])
def test_a_damaged_login_file_is_a_missing_login_with_the_remedy(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / ".credentials.json").write_text(content)
    status = credential_status(Login(tmp_path), NOW)
    assert status.state is CredentialState.MISSING
    assert "llm-mcp-hub setup claude" in status.remedy


def test_no_login_at_all_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert credential_status(Login(tmp_path), NOW).state is CredentialState.MISSING
    no_token = Login(tmp_path / "token", is_token=True)
    assert credential_status(no_token, NOW).state is CredentialState.MISSING
    assert credential_status(Login(tmp_path, is_token=True), NOW).state is CredentialState.MISSING


def test_where_the_login_may_be_in_the_keychain_no_file_proves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert credential_status(Login(tmp_path), NOW).state is CredentialState.UNKNOWN


def test_a_token_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    login = token(tmp_path)
    assert "chmod" not in credential_status(login, NOW).message
    login.path.chmod(0o644)
    assert "chmod 600" in credential_status(login, NOW).message


def test_an_empty_token_file_is_a_missing_login(tmp_path: Path) -> None:
    (tmp_path / "token").touch()
    status = credential_status(Login(tmp_path / "token", is_token=True), NOW)
    assert status.state is CredentialState.MISSING


def test_a_stored_token_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "token"
    store_token(path, b"  sk-ant-oat01-test \n", NOW)
    assert path.read_bytes() == TOKEN + b"\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "deep" / "token.json").read_text()) == {"issued_at": int(NOW)}
    store_token(path, b"sk-ant-oat01-test-newer", NOW)
    assert path.read_bytes() == b"sk-ant-oat01-test-newer\n"
    assert sorted(p.name for p in path.parent.iterdir()) == ["token", "token.json"]


@pytest.mark.parametrize("wrong", [b"sk-ant-api03-test", b"", b"hello", b"sk-ant-oat01-a b"])
def test_what_is_not_a_subscriptions_token_is_not_stored(tmp_path: Path, wrong: bytes) -> None:
    with pytest.raises(ConfigError):
        store_token(tmp_path / "token", wrong, NOW)
    assert list(tmp_path.iterdir()) == []


def test_the_most_explicit_login_wins(tmp_path: Path) -> None:
    data, home = tmp_path / "data", tmp_path / "home"
    environment = {"HOME": str(home)}

    def found(**settings: Any) -> Login:
        return find_login(ClaudeSettings(**settings), data, environment)

    assert found() == Login(home / ".claude")
    (data / "config").mkdir(parents=True)
    (data / "config" / ".credentials.json").touch()
    assert found() == Login(data / "config")
    (data / "oauth_token").touch()
    assert found() == Login(data / "oauth_token", is_token=True)
    assert found(config_dir="/a") == Login(Path("/a"))
    assert found(oauth_token_file="/b") == Login(Path("/b"), is_token=True)
