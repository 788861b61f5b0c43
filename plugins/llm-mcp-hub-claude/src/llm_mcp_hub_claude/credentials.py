"""Where the login is and how long it lasts, from files alone.

Guarantee: no token is ever decoded, kept or shown. Of a stored login only dates and the plan are
read; of a token file not even a byte.
"""

import json
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.status import CredentialState, CredentialStatus, credential_state
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub_claude.account import REMEDY
from llm_mcp_hub_claude.settings import ClaudeSettings

TOKEN_DAYS = 365
"""How long a token of `claude setup-token` is valid; the token itself does not say."""
TOKEN_PREFIX = b"sk-ant-oat"
TOKEN_FILE = "oauth_token"  # noqa: S105  # a file name
CONFIG_DIR = "config"
CREDENTIALS_FILE = ".credentials.json"
DAY_SECONDS = 86_400
RENEW = "Run `llm-mcp-hub setup claude` to log in again."


class Login(Struct, frozen=True):
    """Where the login is.

    Attributes:
        path: The file with a long-lived token, or the directory of a stored login.
        is_token: Which of the two.
    """

    path: Path
    is_token: bool = False


def find_login(settings: ClaudeSettings, data_dir: Path, environment: Mapping[str, str]) -> Login:
    """The login to use: a configured one, else one made by setup, else the user's own."""
    if settings.oauth_token_file:
        return Login(Path(settings.oauth_token_file).expanduser(), is_token=True)
    if settings.config_dir:
        return Login(Path(settings.config_dir).expanduser())
    if (data_dir / TOKEN_FILE).exists():
        return Login(data_dir / TOKEN_FILE, is_token=True)
    if (data_dir / CONFIG_DIR / CREDENTIALS_FILE).exists():
        return Login(data_dir / CONFIG_DIR)
    home = environment.get("HOME")
    return Login((Path(home) if home else Path.home()) / ".claude")


def credential_status(login: Login, now: float) -> CredentialStatus:
    """The state of a login; `now` in Unix seconds."""
    if login.is_token:
        return _token_status(login.path, now)
    return _stored_status(login.path / CREDENTIALS_FILE, now)


def store_token(path: Path, token: bytes, issued_at: float) -> None:
    """Write a token of `claude setup-token` where the provider finds it, for its owner only.

    Args:
        path: The token file; its date goes to `<path>.json`.
        token: What the tool printed.
        issued_at: Unix seconds.

    Raises:
        ConfigError: It is not a token of a subscription.
    """
    token = token.strip()
    if not token.startswith(TOKEN_PREFIX) or len(token.split()) != 1:
        raise ConfigError(
            "That is not a token of `claude setup-token`, which begins with "
            f"{TOKEN_PREFIX.decode()}. The hub takes no API keys."
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_private(_sidecar(path), json.dumps({"issued_at": int(issued_at)}).encode())
    _write_private(path, token + b"\n")


def remove_token(path: Path) -> None:
    """Forget a stored token."""
    path.unlink(missing_ok=True)
    _sidecar(path).unlink(missing_ok=True)


class _Issued(Struct):
    issued_at: float


class _Dates(Struct, rename="camel"):
    """Milliseconds. There is no field for a token here."""

    expires_at: float | None = None
    refresh_token_expires_at: float | None = None
    subscription_type: str | None = None


class _Stored(Struct):
    login: _Dates | None = msgspec.field(name="claudeAiOauth", default=None)


def _token_status(path: Path, now: float) -> CredentialStatus:
    try:
        info = path.stat()
    except OSError as error:
        return _missing("oauth_token", f"The token file can't be read: {error.strerror}.")
    if not stat.S_ISREG(info.st_mode) or not info.st_size or not os.access(path, os.R_OK):
        return _missing("oauth_token", "The token file is empty or can't be read.")
    warning = ""
    if info.st_mode & 0o077:
        warning = " Others than its owner can read the token file: `chmod 600` it."
    try:
        issued_at = msgspec.json.decode(_sidecar(path).read_bytes(), type=_Issued).issued_at
    except (OSError, msgspec.DecodeError):
        return CredentialStatus(
            CredentialState.UNKNOWN,
            method="oauth_token",
            message="When the token was issued is not known, nor therefore its end." + warning,
            remedy=f'Write {{"issued_at": UNIX_SECONDS}} to {path.name}.json beside it, or make a '
            "new token with `llm-mcp-hub setup claude`.",
        )
    expires_at = issued_at + TOKEN_DAYS * DAY_SECONDS
    return _dated("oauth_token", expires_at, now, None, warning)


def _stored_status(path: Path, now: float) -> CredentialStatus:
    try:
        stored = msgspec.json.decode(path.read_bytes(), type=_Stored)
    except FileNotFoundError:
        return _no_file()
    except OSError as error:
        return _missing("oauth_file", f"The stored login can't be read: {error.strerror}.")
    except msgspec.DecodeError:
        return _missing("oauth_file", "The stored login is damaged.")
    login = stored.login
    if login is None:
        return _missing("oauth_file", "Claude Code is logged in without a subscription.")
    if login.refresh_token_expires_at is not None:
        # Before that, Claude Code renews the short-lived access token by itself.
        end = login.refresh_token_expires_at / 1000
        return _dated("oauth_file", end, now, login.subscription_type, "")
    if login.expires_at is not None and login.expires_at / 1000 > now:
        return CredentialStatus(
            CredentialState.READY,
            method="oauth_file",
            plan=login.subscription_type,
            message="Logged in; how long the login can be renewed is not known.",
        )
    return CredentialStatus(
        CredentialState.UNKNOWN,
        method="oauth_file",
        plan=login.subscription_type,
        message="The access token has expired; whether Claude Code can renew it is not known.",
        remedy=f"If requests are refused: {RENEW}",
    )


def _dated(
    method: str, expires_at: float, now: float, plan: str | None, warning: str
) -> CredentialStatus:
    state = credential_state(expires_at, now)
    days = int((expires_at - now) // DAY_SECONDS)
    if state is CredentialState.EXPIRED:
        message = "The login has expired."
    elif days >= 1:
        message = f"The login is valid for {days} more {'day' if days == 1 else 'days'}."
    else:
        message = "The login ends within a day."
    remedy = "" if state is CredentialState.READY else RENEW
    return CredentialStatus(
        state,
        method=method,
        expires_at=expires_at,
        plan=plan,
        message=message + warning,
        remedy=remedy,
    )


def _no_file() -> CredentialStatus:
    if sys.platform == "darwin":
        # There Claude Code keeps its login in the keychain, which the hub does not open.
        return CredentialStatus(
            CredentialState.UNKNOWN,
            method="oauth_file",
            message="There is no login file; the login may be in the keychain.",
            remedy=f"If requests are refused: {REMEDY}",
        )
    return _missing("oauth_file", "Claude Code is not logged in.")


def _missing(method: str, message: str) -> CredentialStatus:
    return CredentialStatus(CredentialState.MISSING, method=method, message=message, remedy=REMEDY)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _write_private(path: Path, data: bytes) -> None:
    """Written beside and moved over, so a reader never sees half a file."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    beside.replace(path)
