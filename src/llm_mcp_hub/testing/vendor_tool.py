"""A vendor's real tool for tests: where it is, and no way out of this machine for it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Struct

NOWHERE = "http://127.0.0.1:9"
"""A proxy that is not there: nothing listens on the port of `discard`."""


class VendorTool(Struct, frozen=True):
    """A tool that may be installed.

    Attributes:
        title: Its name, as its vendor writes it.
        program: The name of its program.
        variable: The environment variable that may name another one.
        own: Where the tests have one of their own, before any on the PATH.
    """

    title: str
    program: str
    variable: str
    own: Path

    def find(self) -> str | None:
        """The one that the variable names, or the tests' own, or the one on the PATH."""
        named = os.environ.get(self.variable)
        if named:
            return shutil.which(named)
        return shutil.which(str(self.own)) or shutil.which(self.program)

    def skip_without(self, item: pytest.Item) -> None:
        """Skip a test that is marked `real_cli` if it is not installed.

        For `pytest_runtest_setup` and not for a fixture: so all of them share one line of the
        summary.
        """
        if item.get_closest_marker("real_cli") is not None and self.find() is None:
            pytest.skip(
                f"{self.title.upper()} IS NOT INSTALLED: the tests with the real tool did not run. "
                f"Install it as {self.own} or name it in {self.variable}."
            )


@contextmanager
def loopback_only() -> Iterator[None]:
    """Inside, whatever a tool tries to reach beside loopback fails at once."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
            patch.setenv(name, NOWHERE)
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "127.0.0.1,localhost")
        yield
