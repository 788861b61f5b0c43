"""What `llm-mcp-hub setup claude` does: install Claude Code for the hub, and log it in.

Guarantee: both are done by the vendor's own programs on the user's terminal; the hub sees no
password, and of a token only what the user pastes, which it stores for its owner alone.
"""

from collections.abc import Mapping
from pathlib import Path

from llm_mcp_hub.errors import ConfigError, ProviderUnavailable
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.npm import NpmTool, terminal_environment
from llm_mcp_hub.providers.setup import Command, Finding
from llm_mcp_hub_claude.command import cli_directory, find_executable
from llm_mcp_hub_claude.credentials import CONFIG_DIR, TOKEN_FILE, remove_token, store_token
from llm_mcp_hub_claude.settings import ClaudeSettings

CLI_VERSION = "2.1.329"
"""The Claude Code that the hub was tested with."""
PACKAGE = "@anthropic-ai/claude-code"
WORKER_MEGABYTES = 150
"""Of a single worker; several share about half of it."""


class Setup:
    """The steps for one provider.

    Args:
        data_dir: The provider's directory.
        environment: The user's environment, of which the programs see an allow-list.
        settings: The provider's settings.
        kind_dir: The directory of the provider named `claude`, whose Claude Code serves all.
    """

    title = "Claude Code"
    worker_megabytes = WORKER_MEGABYTES

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str],
        settings: ClaudeSettings | None = None,
        kind_dir: Path | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._cli_directory = cli_directory(data_dir, kind_dir)
        self._kind_dir = kind_dir
        self._environment = environment
        self._settings = settings or ClaudeSettings()

    @property
    def executable(self) -> Path:
        """Claude Code, once installed."""
        return self._tool.executable

    @property
    def token_file(self) -> Path:
        """Where a token is kept."""
        if self._settings.oauth_token_file:
            return Path(self._settings.oauth_token_file).expanduser()
        return self._data_dir / TOKEN_FILE

    @property
    def _tool(self) -> NpmTool:
        return NpmTool(PACKAGE, CLI_VERSION, "claude", self._cli_directory)

    @property
    def _login_dir(self) -> Path:
        if self._settings.config_dir:
            return Path(self._settings.config_dir).expanduser()
        return self._data_dir / CONFIG_DIR

    def needs_install(self) -> bool:
        """Whether the pinned version is missing; a configured `executable` is left alone."""
        return not self._settings.executable and self._tool.needs_install()

    def install_command(self) -> Command:
        """Install the pinned version with npm, into the data directory, which is made for it."""
        return self._tool.install_command(self._environment)

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
        return self._run("auth", "login")

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
        return self._run("setup-token")

    def store_token(self, token: bytes, issued_at: float) -> None:
        """Keep a pasted token; `issued_at` in Unix seconds.

        Raises:
            ConfigError: It is not a token of a subscription, or would not be used.
        """
        self._check_token_is_used()
        store_token(self.token_file, token, issued_at)

    def findings(self) -> list[Finding]:
        """Which Claude Code is used."""
        try:
            program = self._program()
        except ProviderUnavailable as error:
            problem, _, remedy = error.message.partition(". ")
            return [Finding(False, problem, error.detail or "", remedy)]
        return [Finding(True, "Claude Code is installed", program)]

    def _check_token_is_used(self) -> None:
        if self._settings.config_dir:
            raise ConfigError(
                "`config_dir` is set, so a token would not be used: log in with "
                "`llm-mcp-hub setup claude`, or remove the setting",
                param="config_dir",
            )

    def _run(self, *arguments: str) -> Command:
        own = {"CLAUDE_CONFIG_DIR": str(self._login_dir)}
        return Command((self._program(), *arguments), terminal_environment(self._environment, own))

    def _program(self) -> str:
        return str(
            find_executable(self._settings, self._data_dir, self._environment, self._kind_dir)
        )


def setup_of(context: ProviderContext) -> Setup:
    """The steps for a configured provider."""
    return Setup(context.data_dir, context.environment, context.settings, context.kind_dir)
