"""Vendors' tools that come from npm: installed for the hub alone, in one version.

Guarantee: nothing is installed outside of the given directory, and the programs that are run for it
see an allow-list of the user's environment.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.providers.setup import Command
from llm_mcp_hub.workers.environment import child_environment

FOR_TERMINAL = ("HOME", "TERM", "COLORTERM", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
"""A program on a terminal needs to know which one, and a browser needs a display."""
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class NpmTool(Struct, frozen=True):
    """A vendor's tool, in the version that the hub was tested with.

    Attributes:
        title: Its name within a sentence, with its article if it has one.
        kind: The kind of provider that it is for, which `llm-mcp-hub setup` knows it by.
        package: The name of its package.
        version: The one to install.
        minimum: The oldest one to be used.
        program: The name of its program.
    """

    title: str
    kind: str
    package: str
    version: str
    minimum: tuple[int, int, int]
    program: str

    @property
    def sentence(self) -> str:
        """Its name at the beginning of a sentence."""
        return self.title[:1].upper() + self.title[1:]

    def at(self, data_dir: Path, kind_dir: Path | None = None) -> "NpmInstallation":
        """Where `llm-mcp-hub setup` installs it: once, for all providers of the kind.

        Args:
            data_dir: The provider's directory, which counts if it has a tool of its own.
            kind_dir: That of the provider named like the kind; None if there is only the one.
        """
        directory = data_dir / "cli"
        if kind_dir is not None and not directory.exists():
            directory = kind_dir / "cli"
        return NpmInstallation(self, directory)

    def check_version(self, version: str | None) -> None:
        """Refuse one that is older than `minimum`, or that tells no version.

        Raises:
            ProviderUnavailable: It is; the message says how to get another.
        """
        match = _VERSION.match(version or "")
        if match is None or tuple(map(int, match.groups())) < self.minimum:
            wanted = ".".join(map(str, self.minimum))
            raise ProviderUnavailable(
                f"{self.sentence} {version or 'of unknown version'} is too old: the hub needs "
                f"{wanted} or newer. Run `llm-mcp-hub setup {self.kind}` to install it for the hub "
                "alone."
            )


class NpmInstallation(Struct, frozen=True):
    """A tool in the directory that it is, or will be, installed in."""

    tool: NpmTool
    directory: Path

    @property
    def executable(self) -> Path:
        """The program, once installed."""
        return self.directory / "node_modules" / ".bin" / self.tool.program

    def find(self, configured: str, environment: Mapping[str, str]) -> str:
        """The program: the configured one, else the installed one, else the one on the PATH.

        Args:
            configured: A path or a name; empty: there is none.
            environment: The user's environment.

        Raises:
            ProviderUnavailable: There is none.
        """
        path = environment.get("PATH")
        if configured:
            found = shutil.which(str(Path(configured).expanduser()), path=path)
            if found is None:
                raise ProviderUnavailable(
                    f"The configured `executable` of {self.tool.title} does not exist or can't be "
                    "run. Correct it, or remove the setting and run "
                    f"`llm-mcp-hub setup {self.tool.kind}`.",
                    detail=configured,
                )
            return found
        installed = shutil.which(str(self.executable))
        found = installed or shutil.which(self.tool.program, path=path)
        if found is None:
            raise ProviderUnavailable(
                f"{self.tool.sentence} is not installed. Run `llm-mcp-hub setup {self.tool.kind}`.",
                detail=f"looked for {self.executable} and on the PATH",
            )
        return found

    def needs_install(self) -> bool:
        """Whether that version is missing."""
        return not self.executable.exists() or self._installed() != self.tool.version

    def install_command(self, environment: Mapping[str, str]) -> Command:
        """Install it. The directory is made for it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        argv = ("npm", "install", f"--prefix={self.directory}", "--no-audit", "--no-fund")
        # How npm reaches its registry is the user's business.
        npm = {n: v for n, v in environment.items() if n.lower().startswith("npm_config_")}
        whole = terminal_environment(environment, npm)
        return Command((*argv, f"{self.tool.package}@{self.tool.version}"), whole)

    def _installed(self) -> str | None:
        file = self.directory / "node_modules" / self.tool.package / "package.json"
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
