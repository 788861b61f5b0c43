"""What `llm-mcp-hub setup gemini` does: install the Gemini CLI for the hub, and log it in.

Guarantee: both are done by the vendor's own programs on the user's terminal; the hub sees neither
password nor token.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from llm_mcp_hub.errors import ConfigError, ProviderUnavailable
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.npm import NpmTool, terminal_environment
from llm_mcp_hub.providers.setup import Command, Finding
from llm_mcp_hub_gemini.command import DIRECTORY, SETTINGS, find_executable, tool_of
from llm_mcp_hub_gemini.credentials import LOGIN_DIRECTORY
from llm_mcp_hub_gemini.settings import GeminiSettings

WORKER_MEGABYTES = 10
"""Of one conversation, of which the default pool has 32: their process takes 170 to 250 in all."""


class Setup:
    """The steps for one provider.

    Args:
        data_dir: The provider's directory.
        environment: The user's environment, of which the programs see an allow-list.
        settings: The provider's settings.
        kind_dir: The directory of the provider named `gemini`, whose Gemini CLI serves all.
    """

    title = "Gemini CLI"
    worker_megabytes = WORKER_MEGABYTES

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str],
        settings: GeminiSettings | None = None,
        kind_dir: Path | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._kind_dir = kind_dir
        self._environment = environment
        self._settings = settings or GeminiSettings()

    def needs_install(self) -> bool:
        """Whether the pinned version is missing; a configured `executable` is left alone."""
        return not self._settings.executable and self._tool.needs_install()

    def install_command(self) -> Command:
        """Install the pinned version with npm, into the data directory, which is made for it."""
        return self._tool.install_command(self._environment)

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
        program = self._program()
        argv = (program, "--list-sessions", "--extensions=none")
        return Command(argv, terminal_environment(self._environment, own))

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
        try:
            program = self._program()
        except ProviderUnavailable as error:
            problem, _, remedy = error.message.partition(". ")
            return [Finding(False, problem, error.detail or "", remedy)]
        return [
            Finding(True, "The Gemini CLI is installed", program),
            Finding(True, "Google serves Code Assist Standard and Enterprise logins through it"),
        ]

    @property
    def _tool(self) -> NpmTool:
        return tool_of(self._data_dir, self._kind_dir)

    def _program(self) -> str:
        return find_executable(self._settings, self._data_dir, self._environment, self._kind_dir)

    @property
    def _has_display(self) -> bool:
        return any(name in self._environment for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))


def setup_of(context: ProviderContext) -> Setup:
    """The steps for a configured provider."""
    return Setup(context.data_dir, context.environment, context.settings, context.kind_dir)
