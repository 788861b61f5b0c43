"""The command line as a person or a script meets it: real processes, apart from everything else.

Every process gets an environment of its own: an empty PATH, so that no vendor's tool is found, and
a home and a data directory inside the test's directory.
"""

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

SECONDS = 60.0
"""Far longer than anything here takes."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


class Running:
    """A process whose lines of output can be waited for."""

    def __init__(self, argv: list[str], environment: Mapping[str, str], errors: Path) -> None:
        self._errors = errors
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        with errors.open("wb") as stderr:
            self._process = subprocess.Popen(
                argv,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def line(self, beginning: str) -> str:
        """The rest of the first line that begins so."""
        while True:
            for line in self.lines:
                if line.startswith(beginning):
                    return line.removeprefix(beginning)
            following = self._queue.get(timeout=SECONDS)
            assert following is not None, f"it ended before {beginning!r}: {self.errors}"
            self.lines.append(following)

    def signal(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        """Its exit code, once it has ended by itself."""
        code = self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        while not self._queue.empty():
            line = self._queue.get_nowait()
            if line is not None:
                self.lines.append(line)
        return code

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.end()
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def environment(tmp_path: Path, data_dir: Path) -> dict[str, str]:
    empty, home, temporary = tmp_path / "bin", tmp_path / "home", tmp_path / "tmp"
    for directory in (empty, home, temporary):
        directory.mkdir()
    return {
        "PATH": str(empty),
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "PYTHONWARNINGS": "error",
        "LLM_MCP_HUB_DATA_DIR": str(data_dir),
    }


@pytest.fixture
def argv() -> list[str]:
    return [sys.executable, "-m", "llm_mcp_hub"]


@pytest.fixture
def run(argv: list[str], environment: dict[str, str]) -> Run:
    """Run a command to its end; `text` is what it reads."""

    def run_it(*words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*argv, *words],
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run_it


@pytest.fixture
def start(
    argv: list[str], environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., Running]]:
    """Start a command that goes on; it is ended with the test."""
    started: list[Running] = []

    def start_it(*words: str) -> Running:
        errors = tmp_path / f"stderr-{len(started)}"
        started.append(Running([*argv, *words], environment, errors))
        return started[-1]

    yield start_it
    for process in started:
        process.close()


@pytest.fixture
def children() -> Callable[[int], set[int]]:
    """The children of a process."""
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")

    def of(parent: int) -> set[int]:
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                if int(stat.rpartition(")")[2].split()[1]) == parent:
                    found.add(int(entry.name))
        return found

    return of


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


@pytest.fixture
def running() -> Callable[[int], bool]:
    return is_running


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: the person's end and the program's end."""
    pty = pytest.importorskip("pty")
    person, program = pty.openpty()
    yield person, program
    os.close(person)
    os.close(program)
