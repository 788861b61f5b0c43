"""Vendors' tools that come from npm: installed for the hub alone, in one version.

Guarantee: nothing is installed outside of the given directory, and the programs that are run for it
see an allow-list of the user's environment.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from llm_mcp_hub.providers.setup import Command
from llm_mcp_hub.workers.environment import child_environment

FOR_TERMINAL = ("HOME", "TERM", "COLORTERM", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""A program on a terminal needs to know which one, and a browser needs a display."""


class NpmTool(Struct, frozen=True):
    """A package with a program.

    Attributes:
        package: Its name.
        version: The one to install.
        program: The name of the program.
        directory: Where it is installed.
    """

    package: str
    version: str
    program: str
    directory: Path

    @property
    def executable(self) -> Path:
        """The program, once installed."""
        return self.directory / "node_modules" / ".bin" / self.program

    def find(self, environment: Mapping[str, str]) -> str | None:
        """The installed program, else the one on the PATH, if there is any."""
        installed = shutil.which(str(self.executable))
        return installed or shutil.which(self.program, path=environment.get("PATH"))

    def named(self, executable: str, environment: Mapping[str, str]) -> str | None:
        """A program that is configured by path or name, if it can be run."""
        return shutil.which(str(Path(executable).expanduser()), path=environment.get("PATH"))

    def needs_install(self) -> bool:
        """Whether that version is missing."""
        return not self.executable.exists() or self._installed() != self.version

    def install_command(self, environment: Mapping[str, str]) -> Command:
        """Install it. The directory is made for it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = ("npm", "install", f"--prefix={self.directory}", "--no-audit", "--no-fund")
        # How npm reaches its registry is the user's business.
        npm = {n: v for n, v in environment.items() if n.lower().startswith("npm_config_")}
        whole = terminal_environment(environment, npm)
        return Command((*argv, f"{self.package}@{self.version}"), whole)

    def _installed(self) -> str | None:
        file = self.directory / "node_modules" / self.package / "package.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=_Package).version
        except (OSError, msgspec.DecodeError):
            return None


class _Package(Struct):
    version: str


def terminal_environment(
    environment: Mapping[str, str], extra: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of a program that is run on the user's terminal."""
    terminal = {name: environment[name] for name in FOR_TERMINAL if name in environment}
    return child_environment(environment, {**terminal, **extra})
