"""No child outlives the hub, even when that is killed with SIGKILL and whatever the child does."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from llm_mcp_hub.workers.directories import PREFIX, HubDirectory
from llm_mcp_hub.workers.process_table import MARKER
from llm_mcp_hub.workers.reaper import PACKAGE, PROGRAM, TITLE
from llm_mcp_hub.workers.spec import WorkerSpec

Program = Callable[..., WorkerSpec]
Until = Callable[[Callable[[], bool]], Awaitable[None]]

SECONDS = 2.0

HUB = """
import asyncio, sys
from llm_mcp_hub.workers.household import HOUSEHOLD
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.reaper import TITLE
from llm_mcp_hub.workers.spec import WorkerSpec

async def main():
    spec = WorkerSpec(tuple(sys.argv[3:]))
    workers = [await Worker.start(spec) for _ in range(int(sys.argv[1]))]
    async with asyncio.timeout(20):
        for worker in workers:
            await worker.receive()
            while worker.usage() is None or worker.usage().processes < int(sys.argv[2]):
                await asyncio.sleep(0.01)
    print(HOUSEHOLD.reaper.pid, HOUSEHOLD.directory.path, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
WITHOUT_PROC = """
from llm_mcp_hub.workers import household, reaper
household.started = lambda pid: ""
last = "from llm_mcp_hub.workers.reaper_main import main"
reaper.PROGRAM = reaper.PROGRAM.replace(last, '''
import os
del os.pidfd_open
from llm_mcp_hub.workers import process_table, reaper_main
process_table.has_proc = lambda: False
reaper_main.marker = lambda pid: ""
''' + last)
"""
"""As on macOS: figures from `ps`, no environment to look into, no pidfd."""
LEAKING = HUB.replace(
    "    print(",
    """    import subprocess
    pipe = HOUSEHOLD.reaper._process.stdin.fileno()
    subprocess.Popen(["sleep", "10"], pass_fds=[pipe], stdout=subprocess.DEVNULL)
    print(""",
)
"""Something that is no worker holds the hub's end of the reaper's pipe."""
POLITE = """
    os.write(1, b"up\\n")
    sys.stdin.read()
    time.sleep(0.1)  # what it writes takes a moment
    open(sys.argv[1], "w").close()
"""
TIDY = """
    def tidy(*_):
        open(sys.argv[1], "w").close()
        os._exit(0)
    signal.signal(signal.SIGTERM, tidy)
    os.write(1, b"up\\n")
    while True: time.sleep(60)
"""
DEAF = """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.write(1, b"up\\n")
    while True: time.sleep(60)
"""
HIDING = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for session in (False, True):
        if os.fork() == 0:
            if session:
                os.setsid()
                if os.fork():
                    os._exit(0)
            os.write(1, b"up\\n")
            while True: time.sleep(60)
    sys.stdin.read()
"""
BARE = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        command = "trap '' TERM; echo up; while true; do sleep 60; done"
        os.execve("/bin/sh", ["sh", "-c", command], {"PATH": os.environ["PATH"]})
    while True: time.sleep(60)
"""
STOPPED = """
    os.write(1, b"up\\n")
    os.kill(os.getpid(), signal.SIGSTOP)
"""


class Killed:
    """A hub in a process of its own, to be killed."""

    def __init__(
        self, place: Path, argv: tuple[str, ...], workers: int, processes: int, code: str
    ) -> None:
        self.place = place
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(workers), str(processes), *argv],
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(place)},
            start_new_session=True,
        )
        assert self.process.stdout is not None
        reaper, directory = self.process.stdout.readline().split()
        self.reaper = int(reaper)
        self.directory = Path(directory.decode())

    def carriers(self) -> list[int]:
        """What lives and carries the hub's marker."""
        return carriers(self.directory.name)

    def kill(self) -> float:
        """Kill it; return when."""
        self.process.kill()
        killed = time.monotonic()
        self.close()
        return killed

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def carriers(hub: str) -> list[int]:
    mark = f"{MARKER}={hub}/".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def in_directory(hub: Killed) -> list[int]:
    """Processes whose working directory is the hub's, with or without a marker."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if str(path.readlink()).startswith(str(hub.directory)):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def reapers(hub: Killed) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if {TITLE.encode(), os.fsencode(hub.directory)} <= set(words):
            found.append(int(path.parent.name))
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "place"
    path.mkdir()
    return path


@pytest.fixture
def killed(place: Path) -> Iterator[Callable[..., Killed]]:
    hubs: list[Killed] = []

    def start(spec: WorkerSpec, workers: int = 1, processes: int = 0, code: str = HUB) -> Killed:
        hubs.append(Killed(place, spec.argv, workers, processes, code))
        return hubs[-1]

    yield start
    for hub in hubs:
        hub.close()


def wait(until: Until, condition: Callable[[], bool]) -> None:
    asyncio.run(until(condition))  # type: ignore[arg-type]  # gives a coroutine


@pytest.mark.parametrize(
    ("text", "processes", "marked"),
    [(DEAF, 1, 1), (HIDING, 3, 3), (BARE, 3, 1), (STOPPED, 1, 1)],
    ids=["deaf", "hiding", "bare", "stopped"],
)
def test_within_two_seconds_nothing_lives_and_no_file_is_left(
    killed: Callable[..., Killed], program: Program, until: Until, running: Callable[[int], bool],
    text: str, processes: int, marked: int,
) -> None:  # fmt: skip
    hub = killed(program(text), 3, processes)
    assert len(hub.carriers()) == 3 * marked
    assert len(in_directory(hub)) == 3 * processes
    assert hub.directory.is_dir()
    when = hub.kill()
    wait(until, lambda: not hub.carriers() and not in_directory(hub))
    assert time.monotonic() - when < SECONDS
    wait(until, lambda: list(hub.place.iterdir()) == [])
    wait(until, lambda: not running(hub.reaper))


@pytest.mark.skipif(sys.platform != "linux", reason="needs both ways to compare them")
@pytest.mark.parametrize(("text", "processes"), [(DEAF, 1), (BARE, 3)], ids=["deaf", "bare"])
def test_without_proc_nothing_lives_either(
    killed: Callable[..., Killed], program: Program, until: Until, text: str, processes: int
) -> None:
    hub = killed(program(text), 2, processes, WITHOUT_PROC + HUB)
    when = hub.kill()
    wait(until, lambda: not hub.carriers() and not in_directory(hub))
    assert time.monotonic() - when < SECONDS
    wait(until, lambda: list(hub.place.iterdir()) == [])


def test_a_program_that_holds_the_hubs_pipe_open_does_not_hide_the_hubs_end(
    killed: Callable[..., Killed], program: Program, until: Until
) -> None:
    hub = killed(program(DEAF), code=LEAKING)
    when = hub.kill()
    wait(until, lambda: not hub.carriers())
    assert time.monotonic() - when < SECONDS


@pytest.mark.parametrize("text", [POLITE, TIDY], ids=["end of input", "sigterm"])
def test_a_child_may_finish_what_it_writes(
    killed: Callable[..., Killed], program: Program, until: Until, tmp_path: Path, text: str
) -> None:
    end = tmp_path / "end"
    hub = killed(program(text, str(end)))
    hub.kill()
    wait(until, lambda: not hub.carriers())
    assert end.exists()


FIRST = """
    def first(what):
        if not os.path.exists(sys.argv[1]):
            with open(sys.argv[1], "w") as file:
                file.write(what)
    def signalled(*_):
        first("signal")
        os._exit(0)
    signal.signal(signal.SIGTERM, signalled)
    os.write(1, b"up\\n")
    sys.stdin.read()
    first("end of input")
    while True: time.sleep(60)
"""
SIGNALLED = HUB.replace("(sys.argv[3:])", "(sys.argv[3:]), ends_on_eof=False")


@pytest.mark.parametrize(
    ("code", "first"), [(HUB, "end of input"), (SIGNALLED, "signal")], ids=["eof", "signal"]
)
def test_a_child_that_does_not_end_with_its_input_is_signalled_at_once(
    killed: Callable[..., Killed],
    program: Program,
    until: Until,
    tmp_path: Path,
    code: str,
    first: str,
) -> None:
    end = tmp_path / "end"
    hub = killed(program(FIRST, str(end)), code=code)
    hub.kill()
    wait(until, lambda: not hub.carriers())
    assert end.read_text() == first


AT_ONCE = """
import os, signal, sys
from llm_mcp_hub.workers.household import HOUSEHOLD
from llm_mcp_hub.workers.spawn import spawn
from llm_mcp_hub.workers.spec import WorkerSpec

spawn(WorkerSpec(tuple(sys.argv[1:])))
os.write(1, HOUSEHOLD.directory.path.encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("before", ["", WITHOUT_PROC], ids=["proc", "without proc"])
def test_a_hub_that_is_killed_before_its_reaper_is_up_leaves_nothing_either(
    place: Path, program: Program, until: Until, before: str
) -> None:
    hub = subprocess.run(
        [sys.executable, "-c", before + AT_ONCE, *program(DEAF).argv],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(place)},
        timeout=60,
        check=False,
    )
    assert hub.returncode == -signal.SIGKILL
    name = Path(hub.stdout.decode()).name
    wait(until, lambda: not carriers(name) and list(place.iterdir()) == [])


def test_a_reaper_whose_hub_is_gone_before_it_begins_does_its_work_at_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(place))
    gone = subprocess.Popen(["true"])
    gone.wait()
    directory = HubDirectory.create()
    arguments = [PACKAGE, TITLE, str(gone.pid), directory.path, str(directory.lock)]
    reader, writer = os.pipe()
    unmarked = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        os.write(writer, f"worker 1 {unmarked.pid} ?\n".encode())
        with subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", PROGRAM, *arguments],
            stdin=reader,
            stdout=subprocess.PIPE,
            pass_fds=(directory.lock,),
        ) as reaper:
            directory.close()
            assert unmarked.wait(20) == -signal.SIGTERM
            assert reaper.wait(20) == 0
    finally:
        unmarked.kill()
        unmarked.wait()
        os.close(reader)
        os.close(writer)
    assert list(place.iterdir()) == []


def test_a_child_that_the_hub_had_not_yet_written_down_is_ended_too(
    killed: Callable[..., Killed], program: Program, until: Until, tmp_path: Path
) -> None:
    hub = killed(program(DEAF))
    child = subprocess.Popen(["sleep", "60"], env={**os.environ, MARKER: f"{hub.directory.name}/7"})
    try:
        hub.kill()
        assert child.wait(10) in (-signal.SIGTERM, -signal.SIGKILL)
    finally:
        child.kill()
        child.wait()


def test_ctrl_c_in_the_hubs_terminal_and_sigterm_do_not_end_the_reaper(
    killed: Callable[..., Killed], program: Program, until: Until, running: Callable[[int], bool]
) -> None:
    hub = killed(program(DEAF))
    assert os.getsid(hub.reaper) == hub.reaper != os.getsid(hub.process.pid)
    wait(until, lambda: ignores(hub.reaper))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(hub.reaper, number)
    hub.kill()
    wait(until, lambda: not hub.carriers())


def ignores(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("SigIgn")]
    wanted = sum(1 << (n - 1) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    return int(line.split()[1], 16) & wanted == wanted


def test_if_the_reaper_dies_with_the_hub_the_next_hub_cleans_up(
    killed: Callable[..., Killed], program: Program, until: Until, running: Callable[[int], bool]
) -> None:
    first = killed(program(DEAF), 2)
    os.kill(first.reaper, signal.SIGSTOP)
    first.kill()
    os.kill(first.reaper, signal.SIGKILL)
    wait(until, lambda: not running(first.reaper))
    assert len(first.carriers()) == 2
    assert [path.name for path in first.place.iterdir()] == [first.directory.name]
    second = killed(program(DEAF))
    wait(until, lambda: not first.carriers() and not first.directory.exists())
    assert len(second.carriers()) == 1
    assert second.directory.is_dir()
    assert second.directory.name.startswith(PREFIX)
    second.kill()
    wait(until, lambda: list(second.place.iterdir()) == [])


def test_a_reaper_that_dies_is_replaced_and_its_successor_knows_everything(
    killed: Callable[..., Killed], program: Program, until: Until, running: Callable[[int], bool]
) -> None:
    hub = killed(program(DEAF), 2)

    def successors() -> list[int]:
        return [pid for pid in reapers(hub) if pid != hub.reaper and ignores(pid)]

    assert reapers(hub) == [hub.reaper]
    os.kill(hub.reaper, signal.SIGKILL)
    wait(until, lambda: len(successors()) == 1)
    when = hub.kill()
    wait(until, lambda: not hub.carriers())
    assert time.monotonic() - when < SECONDS
    wait(until, lambda: list(hub.place.iterdir()) == [])
