"""Where the login is and what can be said of it, from files alone.

Guarantee: no token is ever decoded, kept or shown. Of the stored login only the date of the
short-lived access token is read, and whether there is a refresh token at all.

How long the refresh token lasts stands nowhere, so a login has no end that could be shown. What can
be: whose it is, when the Gemini CLI last renewed it, whether it has worked, and why it last failed.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.status import CredentialState, CredentialStatus, masked
from llm_mcp_hub_gemini.command import CREDENTIALS_FILE, DIRECTORY
from llm_mcp_hub_gemini.settings import GeminiSettings

ACCOUNTS_FILE = "google_accounts.json"
LOGIN_DIRECTORY = "login"
METHOD = "oauth_file"
REMEDY = "Run `llm-mcp-hub setup gemini`."


def find_config_dir(
    settings: GeminiSettings, data_dir: Path, environment: Mapping[str, str]
) -> Path:
    """The directory of the login: a configured one, else one made by setup, else the user's own."""
    if settings.config_dir:
        return Path(settings.config_dir).expanduser()
    made = data_dir / LOGIN_DIRECTORY / DIRECTORY
    if (made / CREDENTIALS_FILE).exists():
        return made
    home = environment.get("HOME")
    return (Path(home) if home else Path.home()) / DIRECTORY


def credential_status(config_dir: Path, now: float) -> CredentialStatus:
    """What the files say; `now` in Unix seconds."""
    file = config_dir / CREDENTIALS_FILE
    try:
        stored = msgspec.json.decode(file.read_bytes(), type=_Stored)
        refreshed_at = file.stat().st_mtime
    except FileNotFoundError:
        return _missing("The Gemini CLI is not logged in.")
    except OSError as error:
        return _missing(f"The stored login can't be read: {error.strerror}.")
    except msgspec.DecodeError:
        return _missing("The stored login is damaged.")
    account = active_account(config_dir)
    if bytes(stored.refresh_token) in (b"null", b'""') and (stored.expiry_date or 0) / 1000 <= now:
        return CredentialStatus(
            CredentialState.EXPIRED,
            method=METHOD,
            message="The login has expired and can't be renewed.",
            remedy=REMEDY,
            account=masked(account) if account else None,
            refreshed_at=refreshed_at,
        )
    return CredentialStatus(
        CredentialState.UNKNOWN,
        method=METHOD,
        message="Logged in; how long the login lasts is not known.",
        account=masked(account) if account else None,
        refreshed_at=refreshed_at,
    )


def active_account(config_dir: Path) -> str | None:
    """Whose login it is, if the Gemini CLI has found that out."""
    try:
        raw = (config_dir / ACCOUNTS_FILE).read_bytes()
        return msgspec.json.decode(raw, type=_Accounts).active
    except (OSError, msgspec.DecodeError):
        return None


class _Stored(Struct, frozen=True):
    """`expiry_date` is in milliseconds and the access token's. Of the rest nothing is decoded."""

    refresh_token: msgspec.Raw = msgspec.Raw(b"null")
    expiry_date: float | None = None


class _Accounts(Struct):
    active: str | None = None


def _missing(message: str) -> CredentialStatus:
    return CredentialStatus(CredentialState.MISSING, method=METHOD, message=message, remedy=REMEDY)
