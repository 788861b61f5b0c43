"""The official judges and clients, from `.tools/mcp`, run by the Node that is beside them."""

import os
import subprocess
from pathlib import Path

import pytest

MODULES = Path(__file__).parents[2] / ".tools/mcp/node_modules"
SECONDS = 90.0


class Judges:
    """Runs their programs, each in an environment of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.pathsep.join([str(MODULES / ".bin"), "/usr/bin", "/bin"]),
            "HOME": str(self._home),
            "TMPDIR": str(self._home),
            "NO_COLOR": "1",
        }

    def run(self, program: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a program of `.bin` to its end."""
        return self._run([str((MODULES / ".bin" / program).resolve()), *words], self._home)

    def run_source(self, script: Path, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a module of ours as if it stood beside the packages, so that it finds them."""
        code = ["--input-type=module", "--eval", script.read_text(), "--", *words]
        return self._run(code, MODULES.parent)

    def _run(self, words: list[str], directory: Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(MODULES / ".bin/node"), *words],
            env=self.environment,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


def find_judges(home: Path) -> Judges:
    if not (MODULES / ".bin/node").exists():
        pytest.skip("MCP'S JUDGES ARE NOT INSTALLED: `make tools` says why; they judge nothing")
    return Judges(home)
