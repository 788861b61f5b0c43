"""What `llm-mcp-hub setup gemini` does: install the Gemini CLI for the hub, and log it in.

Guarantee: both are done by the vendor's own programs on the user's terminal; the hub sees neither
password nor token.
"""

import json

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.providers.npm_setup import NpmSetup
from llm_mcp_hub.providers.setup import Command, Finding
from llm_mcp_hub_gemini.command import DIRECTORY, SETTINGS, TOOL
from llm_mcp_hub_gemini.credentials import LOGIN_DIRECTORY
from llm_mcp_hub_gemini.settings import GeminiSettings

WORKER_MEGABYTES = 10
"""Of one conversation, of which the default pool has 32: their process takes 170 to 250 in all."""


class Setup(NpmSetup[GeminiSettings]):
    """The steps for one provider; see `NpmSetup`."""

    tool = TOOL
    settings_type = GeminiSettings
    title = "Gemini CLI"
    worker_megabytes = WORKER_MEGABYTES

    def login_command(self) -> Command:
        """Log in with the browser, or with a link and a code where there is none.

        The Gemini CLI has no command for that alone; listing the sessions of an empty directory
        asks for the login first, and does nothing else (0.61.0). The login is stored in the data
        directory.

        Raises:
            ConfigError: The settings name another directory, so the login would not be used.
            ProviderUnavailable: The Gemini CLI is not installed.
        """
        if self._settings.config_dir:
            raise ConfigError(
                "`config_dir` is set, so a login made here would not be used: log in with the "
                "Gemini CLI itself, or remove the setting",
                param="config_dir",
            )
        home = self._data_dir.absolute() / LOGIN_DIRECTORY
        (home / DIRECTORY).mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / DIRECTORY / "settings.json").write_text(json.dumps(SETTINGS), "utf-8")
        own = {
            "GEMINI_CLI_HOME": str(home),
            "GEMINI_CLI_NO_RELAUNCH": "true",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            **self._settings.environment,
        }
        if not self._has_display:
            own["NO_BROWSER"] = "true"
        return self._run(own, "--list-sessions", "--extensions=none")

    def login_finished(self) -> None:
        """Nothing else goes before a login that was made here."""

    def setup_token_command(self) -> Command | None:
        """The Gemini CLI makes no tokens."""
        return None

    def store_token(self, token: bytes, issued_at: float) -> None:  # noqa: ARG002  # refused
        """No token is taken.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(
            "The Gemini CLI makes no long-lived tokens, and the hub takes no API keys. Log in with "
            "`llm-mcp-hub setup gemini`."
        )

    def findings(self) -> list[Finding]:
        """Which Gemini CLI is used, and for whom it is."""
        found = super().findings()
        if found[0].ok:
            whom = "Google serves Code Assist Standard and Enterprise logins through it"
            found.append(Finding(True, whom))
        return found

    @property
    def _has_display(self) -> bool:
        return any(name in self._environment for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
