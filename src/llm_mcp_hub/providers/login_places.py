"""Where a login may be that is named at run time.

Guarantee: a caller with an access token, who need not be allowed to look at this machine, can't
make the hub use a file that is no login of the user it runs as, and learns nothing from a refusal
but that it is one: not even whether a path exists.

    class RuntimeSettings(Struct, frozen=True, forbid_unknown_fields=True):
        config_dir: Annotated[str, login_directory(".credentials.json")] = ""
        oauth_token_file: Annotated[str, login_file()] = ""
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import structlog
from msgspec import Meta, Struct

from llm_mcp_hub.errors import InvalidRequest

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class LoginPlace(Struct, frozen=True):
    """A kind of path.

    Attributes:
        holds: For a directory: the file by which it is known as a login. Empty for a file.
    """

    holds: str = ""

    def resolve(self, text: str, where: str, data_dir: Path) -> str:
        """The real path, links followed.

        Args:
            text: The path, absolute or beginning with `~`.
            where: Which setting it is of, for the message.
            data_dir: The directory of all providers, where `setup` keeps logins.

        Raises:
            InvalidRequest: There is no login there that the hub may use.
        """
        try:
            path = Path(text).expanduser()
            if not path.is_absolute():
                raise PermissionError("not an absolute path")
            real = path.resolve(strict=True)
            self._check(real, data_dir)
        except (OSError, RuntimeError, ValueError) as error:
            log.warning("provider.path_refused", setting=where, reason=str(error))
            raise InvalidRequest(
                f"`{where}` does not name a login that the hub may use. {self.rule}",
                param=f"settings.{where}",
            ) from None
        return str(real)

    @property
    def rule(self) -> str:
        """What such a path must be, for people."""
        if self.holds:
            return (
                "It must be the absolute path of a directory that belongs to the user the hub runs "
                f"as, that only this user can write, and that holds a `{self.holds}` only this "
                "user can read."
            )
        return (
            "It must be the absolute path of a file in the `providers` directory of the hub's data "
            "directory that belongs to the user the hub runs as and that only this user can read. "
            "Any other place is set in the configuration file."
        )

    def _check(self, real: Path, data_dir: Path) -> None:
        if self.holds:
            _check_own(real, stat.S_ISDIR, others_may_not=0o022)
            _check_own(real / self.holds, stat.S_ISREG, others_may_not=0o077)
            return
        if not real.is_relative_to(data_dir.resolve()):
            raise PermissionError("outside of the hub's own directory")
        _check_own(real, stat.S_ISREG, others_may_not=0o077)


def login_directory(holds: str) -> Meta:
    """For `Annotated`: a directory in which the vendor's tool has stored a login."""
    return Meta(extra={"place": LoginPlace(holds)})


def login_file() -> Meta:
    """For `Annotated`: a file that is a login, in the hub's own data directory."""
    return Meta(extra={"place": LoginPlace()})


def _check_own(path: Path, is_kind: Callable[[int], bool], *, others_may_not: int) -> None:
    info = path.lstat()
    if not is_kind(info.st_mode):
        raise PermissionError("another kind of file")
    if info.st_uid != os.geteuid():
        raise PermissionError("of another user")
    if info.st_mode & others_may_not:
        raise PermissionError("open to others")
