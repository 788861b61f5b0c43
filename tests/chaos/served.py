"""`llm-mcp-hub serve` in a process of its own, with the chaos plugin installed beside it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx

PATIENCE_SECONDS = 30.0
HERE = Path(__file__).parent
TOKEN = "Access token (admin, shown only now): "
ADDRESS = "LLM MCP Hub "


class ServedHub:
    """A hub whose files, and whose children's files, all lie in `directory`."""

    def __init__(self, directory: Path, settings: Mapping[str, Any]) -> None:
        self.directory = directory
        self.temporary = directory / "tmp"
        self.log = directory / "log"
        site = directory / "site"
        for folder in (self.temporary, directory / "home", site):
            folder.mkdir()
        install_plugin(site)
        (directory / "hub.toml").write_text(toml(settings))
        self._token = ""
        self.start()

    def start(self) -> None:
        """Start it, or start it again on what an earlier process has left."""
        with self.log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "llm_mcp_hub", "serve", "--port", "0"),
                    *("--config", str(self.directory / "hub.toml")),
                ],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.directory / "home"),
                    "TMPDIR": str(self.temporary),
                    "PYTHONPATH": os.pathsep.join(
                        [str(self.directory / "site"), os.environ.get("PYTHONPATH", "")]
                    ),
                    "LLM_MCP_HUB_DATA_DIR": str(self.directory / "data"),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        address = self._line(ADDRESS).rpartition(" ")[2]
        self._token = self._token or self._line(TOKEN)
        self.client = httpx.Client(
            base_url=address,
            headers={"authorization": f"Bearer {self._token}"},
            limits=httpx.Limits(max_connections=None),
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        )

    def kill(self) -> None:
        """`kill -9`, and wait until the process is gone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def mark(self) -> str:
        """What every process that belongs to the hub carries in its environment."""
        return str(self.directory)

    def pool(self, provider: str) -> dict[str, Any]:
        return self.client.get(f"/v1/providers/{provider}").json()["pool"]

    def close(self) -> None:
        """End it in whatever state it is."""
        self.client.close()
        self.kill()

    def _line(self, beginning: str) -> str:
        """The rest of the next line of output that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(beginning):
                return line.removeprefix(beginning).rstrip("\n")
        raise AssertionError(f"it ended before {beginning!r}: {self.log.read_text()}")


def install_plugin(site: Path) -> None:
    """What an installer leaves of a package: its modules, and its entry point."""
    for name in ("chaos_provider.py", "worker.py"):
        shutil.copy(HERE / name, site)
    about = site / "chaos_provider-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: chaos-provider\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[llm_mcp_hub]\nchaos = chaos_provider\n")


def toml(settings: Mapping[str, Any], path: str = "") -> str:
    """Nested tables of plain values; JSON writes those as TOML does."""
    lines = [f"[{path}]"] if path else []
    tables = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            tables.append(toml(value, f"{path}.{name}" if path else name))
        else:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join([*lines, *tables]) + "\n"


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for what another process brings about."""
    tick = threading.Event()
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        tick.wait(0.005)
