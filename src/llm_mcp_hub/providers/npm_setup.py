"""What `llm-mcp-hub setup` does for a tool that comes from npm; the login is the plugin's to add.

Guarantee: the tool is installed by npm, in the version the plugin was tested with, and a program
that the settings name is left alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Generic, Protocol, Self, TypeVar

from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.npm import NpmInstallation, NpmTool, terminal_environment
from llm_mcp_hub.providers.setup import Command, Finding


class NamesExecutable(Protocol):
    """Settings that may name a program; empty: they name none."""

    @property
    def executable(self) -> str:
        """A path or a name."""
        ...


SettingsT = TypeVar("SettingsT", bound=NamesExecutable)


class NpmSetup(Generic[SettingsT]):
    """See the module.

    Args:
        data_dir: The provider's directory.
        environment: The user's environment, of which the programs see an allow-list.
        settings: The provider's settings; None: the defaults.
        kind_dir: The directory of the provider named like the kind, whose tool serves all.

    Attributes:
        tool: The tool.
        settings_type: The settings, which have a default for everything.
    """

    tool: ClassVar[NpmTool]
    settings_type: type[SettingsT]

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str],
        settings: SettingsT | None = None,
        kind_dir: Path | None = None,
    ) -> None:
        self._data_dir = data_dir
        self._kind_dir = kind_dir
        self._environment = environment
        self._settings = settings if settings is not None else self.settings_type()

    @classmethod
    def of(cls, context: ProviderContext) -> Self:
        """The steps for a configured provider."""
        return cls(context.data_dir, context.environment, context.settings, context.kind_dir)

    @property
    def executable(self) -> Path:
        """The program, once installed."""
        return self._installation.executable

    def needs_install(self) -> bool:
        """Whether the pinned version is missing; a configured `executable` is left alone."""
        return not self._settings.executable and self._installation.needs_install()

    def install_command(self) -> Command:
        """Install the pinned version with npm, into the data directory, which is made for it."""
        return self._installation.install_command(self._environment)

    def findings(self) -> list[Finding]:
        """Which program is used."""
        try:
            program = self._program()
        except ProviderUnavailable as error:
            problem, _, remedy = error.message.partition(". ")
            return [Finding(False, problem, error.detail or "", remedy)]
        return [Finding(True, f"{self.tool.sentence} is installed", program)]

    def _run(self, own: Mapping[str, str], *arguments: str) -> Command:
        """Run the tool on the user's terminal, with these variables of its own."""
        return Command((self._program(), *arguments), terminal_environment(self._environment, own))

    def _program(self) -> str:
        return self._installation.find(self._settings.executable, self._environment)

    @property
    def _installation(self) -> NpmInstallation:
        return self.tool.at(self._data_dir, self._kind_dir)
