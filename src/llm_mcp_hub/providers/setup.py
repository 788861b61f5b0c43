"""How a provider's tool is installed and logged in, and what can be wrong with it.

A plugin whose provider needs either gives its `ProviderFactory` a `setup`. The command line does
the rest alike for all of them: it runs the commands on the user's terminal, asks for a token
where one is pasted, and shows the findings. Whatever these objects do, they tell no secret.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct


class Command(Struct, frozen=True):
    """A program to run on the user's terminal, with its whole environment."""

    argv: tuple[str, ...]
    environment: dict[str, str]


class Finding(Struct, frozen=True):
    """Something that was looked at.

    Attributes:
        title: What was found, in a sentence without a full stop.
        detail: More about it, such as a path.
        remedy: What to do; empty if there is nothing to do.
    """

    ok: bool
    title: str
    detail: str = ""
    remedy: str = ""


class ProviderSetup(Protocol):
    """The steps for one provider."""

    @property
    def title(self) -> str:
        """The tool's name, as its vendor writes it."""
        ...

    @property
    def worker_megabytes(self) -> int:
        """What a worker needs at most, for judging the size of a pool."""
        ...

    def needs_install(self) -> bool:
        """Whether the tool is still to be installed in the data directory."""
        ...

    def install_command(self) -> Command:
        """Install the tool, in the version the plugin was tested with."""
        ...

    def login_command(self) -> Command:
        """Have the vendor's own login done.

        Raises:
            HubError: There is no program to do it, or the settings exclude it.
        """
        ...

    def login_finished(self) -> None:
        """Let the login that was just made count from now on, before any other."""
        ...

    def setup_token_command(self) -> Command | None:
        """Have the vendor's tool make a long-lived token; None if it can't.

        Raises:
            HubError: There is no program to do it, or the settings exclude it.
        """
        ...

    def store_token(self, token: bytes, issued_at: float) -> None:
        """Keep a token, for its owner's eyes only; `issued_at` in Unix seconds.

        Raises:
            ConfigError: It is not one of a subscription.
        """
        ...

    def findings(self) -> Sequence[Finding]:
        """What there is to say about the installation beside the login and the self-test."""
        ...
