"""A login for tests, and how the Gemini CLI finds the fake back end with it."""

import json
import time
from pathlib import Path

from llm_mcp_hub_gemini.command import CREDENTIALS_FILE

REDIRECT = Path(__file__).with_name("redirect.cjs")
ACCESS_TOKEN = "ya29.test-not-a-real-token"  # noqa: S105  # not a real one
REFRESH_TOKEN = "1//test-not-a-real-token"  # noqa: S105  # not a real one
SCOPE = "openid https://www.googleapis.com/auth/cloud-platform"


def write_login(directory: Path, *, expires_in: float = 7200.0, refresh: bool = True) -> Path:
    """Write an `oauth_creds.json` as the Gemini CLI would.

    Args:
        directory: Where to; made if it is missing.
        expires_in: Seconds until the access token ends; negative: it has.
        refresh: Whether there is a refresh token.

    Returns:
        The directory, for `config_dir`.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    login = {
        "access_token": ACCESS_TOKEN,
        "scope": SCOPE,
        "token_type": "Bearer",
        "expiry_date": int((time.time() + expires_in) * 1000),
    }
    if refresh:
        login["refresh_token"] = REFRESH_TOKEN
    file = directory / CREDENTIALS_FILE
    file.write_text(json.dumps(login))
    file.chmod(0o600)
    return directory


def environment_for(url: str) -> dict[str, str]:
    """`environment` of the provider's settings, so that the tool asks a fake back end only."""
    return {"NODE_OPTIONS": f"--require={REDIRECT}", "HUB_FAKE_GOOGLE": url}
