"""What `llm-mcp-hub setup claude` does: install Claude Code for the hub, and log it in.

Guarantee: both are done by the vendor's own programs on the user's terminal; the hub sees no
password, and of a token only what the user pastes, which it stores for its owner alone.
"""

from pathlib import Path

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.providers.npm_setup import NpmSetup
from llm_mcp_hub.providers.setup import Command
from llm_mcp_hub_claude.command import TOOL
from llm_mcp_hub_claude.credentials import CONFIG_DIR, TOKEN_FILE, remove_token, store_token
from llm_mcp_hub_claude.settings import ClaudeSettings

WORKER_MEGABYTES = 150
"""Of a single worker; several share about half of it."""


class Setup(NpmSetup[ClaudeSettings]):
    """The steps for one provider; see `NpmSetup`."""

    tool = TOOL
    settings_type = ClaudeSettings
    title = "Claude Code"
    worker_megabytes = WORKER_MEGABYTES

    @property
    def token_file(self) -> Path:
        """Where a token is kept."""
        if self._settings.oauth_token_file:
            return Path(self._settings.oauth_token_file).expanduser()
        return self._data_dir / TOKEN_FILE

    @property
    def _login_dir(self) -> Path:
        if self._settings.config_dir:
            return Path(self._settings.config_dir).expanduser()
        return self._data_dir / CONFIG_DIR

    def login_command(self) -> Command:
        """Log in with the browser; the login is stored in the data directory and renews itself.

        Raises:
            ConfigError: The settings name a token file, which would go before it.
            ProviderUnavailable: Claude Code is not installed.
        """
        if self._settings.oauth_token_file:
            raise ConfigError(
                "`oauth_token_file` is set, so a login would not be used: renew the token with "
                "`llm-mcp-hub setup claude --token`, or remove the setting",
                param="oauth_token_file",
            )
        return self._run(self._own, "auth", "login")

    def login_finished(self) -> None:
        """Remove an older token, which would be used before the login."""
        remove_token(self._data_dir / TOKEN_FILE)

    def setup_token_command(self) -> Command:
        """Have a token made that is valid for a year; the better choice for several workers.

        The program shows the token; the user pastes it, and `store_token` keeps it.

        Raises:
            ConfigError: The settings name the directory of a login, which would go before it.
            ProviderUnavailable: Claude Code is not installed.
        """
        self._check_token_is_used()
        return self._run(self._own, "setup-token")

    def store_token(self, token: bytes, issued_at: float) -> None:
        """Keep a pasted token; `issued_at` in Unix seconds.

        Raises:
            ConfigError: It is not a token of a subscription, or would not be used.
        """
        self._check_token_is_used()
        store_token(self.token_file, token, issued_at)

    def _check_token_is_used(self) -> None:
        if self._settings.config_dir:
            raise ConfigError(
                "`config_dir` is set, so a token would not be used: log in with "
                "`llm-mcp-hub setup claude`, or remove the setting",
                param="config_dir",
            )

    @property
    def _own(self) -> dict[str, str]:
        return {"CLAUDE_CONFIG_DIR": str(self._login_dir)}
