"""What `llm-mcp-hub setup` and `doctor` can say about an agent that only its settings describe.

Guarantee: nothing is installed and nobody is logged in by the hub: it says who does that.
"""

from collections.abc import Mapping

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.setup import Command, Finding
from llm_mcp_hub_acp.presets import Preset
from llm_mcp_hub_acp.provider import find_program
from llm_mcp_hub_acp.settings import AcpSettings, with_preset

WORKER_MEGABYTES = 15
"""What a conversation adds. The process they share comes once, and is of unknown size."""


class Setup:
    """The steps for one provider.

    Args:
        name: The provider's.
        settings: Its settings, those of the preset included.
        preset: The preset, if it names one.
        environment: The user's environment.
    """

    worker_megabytes = WORKER_MEGABYTES

    def __init__(
        self,
        name: str,
        settings: AcpSettings,
        preset: Preset | None,
        environment: Mapping[str, str],
    ) -> None:
        self.title = preset.title if preset is not None else name
        self._settings = settings
        self._preset = preset
        self._environment = environment

    def needs_install(self) -> bool:
        """Never: the agent is installed as its makers say."""
        return False

    def install_command(self) -> Command:
        """There is none.

        Raises:
            ConfigError: Always.
        """
        raise self._not_ours()

    def login_command(self) -> Command:
        """There is none.

        Raises:
            ConfigError: Always; it says what to do instead.
        """
        raise self._not_ours()

    def login_finished(self) -> None:
        """Nothing is left to do."""

    def setup_token_command(self) -> Command | None:
        """There is none."""
        return None

    def store_token(self, token: bytes, issued_at: float) -> None:  # noqa: ARG002  # refused
        """No agent is given a token by the hub.

        Raises:
            ConfigError: Always.
        """
        raise self._not_ours()

    def findings(self) -> list[Finding]:
        """Whether the program is there, and whether the hub was ever tried with it."""
        program = find_program(self._settings, self._environment)
        found = [
            Finding(True, f"{self.title} is installed", program)
            if program is not None
            else Finding(
                False,
                f"The program of {self.title} does not exist or can't be run",
                self._settings.command[0],
                "Install it as its makers say, or correct `command`.",
            )
        ]
        if self._preset is not None and not self._preset.verified:
            found.append(
                Finding(
                    True,
                    f"The preset {self._settings.preset!r} is unverified",
                    self._preset.notice,
                )
            )
        return found

    def _not_ours(self) -> ConfigError:
        return ConfigError(
            f"The hub neither installs {self.title} nor logs it in. {self._settings.login_remedy}"
        )


def setup_of(context: ProviderContext) -> Setup:
    """The steps for a configured provider.

    Raises:
        ConfigError: Its settings make no sense.
    """
    settings, preset = with_preset(context.settings, f"providers.{context.name}")
    return Setup(context.name, settings, preset, context.environment)
