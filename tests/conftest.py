"""Fixtures for all tests."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

WAIT_SECONDS = 20.0


def pytest_configure() -> None:
    # Who is started in the background by a shell ignores it, and so would all that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():  # noqa: ASYNC110  # a process outside sets no event
            await asyncio.sleep(0.002)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits for a condition outside of the event loop's knowledge."""
    return wait_until


def is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@pytest.fixture
def running() -> Callable[[int], bool]:
    """Tells whether a process runs; one that nobody has reaped does not."""
    return is_running


def children() -> set[int]:
    """Every child of this process, zombies included."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile has none
            found.update(map(int, (task / "children").read_text().split()))
    return found


def pipes() -> list[str]:
    """Open pipes and process descriptors."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith(("pipe:", "anon_inode:[pidfd]")):
            found.append(target)
    return sorted(found)


class Remains:
    """What child processes may leave behind, before and after."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.before = self.now()

    def now(self) -> tuple[set[int], list[str], list[str]]:
        return children(), pipes(), sorted(path.name for path in self.directory.iterdir())

    def check(self) -> None:
        assert self.now() == self.before


@pytest.fixture
async def running_loop(anyio_backend: object) -> AsyncIterator[None]:
    """Has the event loop make its own pipes before any are counted."""
    await asyncio.sleep(0)
    yield  # noqa: PT022  # a generator keeps the loop until the test has ended


@pytest.fixture
def remains(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Remains:
    """Remembers children, pipes and temporary files; `check` finds any that are new."""
    if "anyio_backend" in request.fixturenames:
        request.getfixturevalue("running_loop")
    directory = tmp_path_factory.mktemp("private")
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return Remains(directory)
