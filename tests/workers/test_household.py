"""All workers of a process share a directory and a reaper, which are there while a worker is."""

import asyncio
import os
import signal
import stat
import threading
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from llm_mcp_hub.errors import WorkerStartFailed
from llm_mcp_hub.workers import household, process, reaper
from llm_mcp_hub.workers.directories import LOCK
from llm_mcp_hub.workers.household import HOUSEHOLD
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec
from llm_mcp_hub.workers.worker_limits import WorkerLimits

pytestmark = pytest.mark.anyio

Start = Callable[[WorkerSpec], Awaitable[Worker]]
Program = Callable[..., WorkerSpec]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Running = Callable[[int], bool]

IDLE = "os.write(1, b'up\\n')\nsys.stdin.read()"
KINDS = {
    "polite": IDLE,
    "deaf": """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(1, b"up\\n")
        while True: time.sleep(60)
    """,
    "leaving a grandchild": """
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork():
                os._exit(0)
            os.write(1, b"%d\\n" % os.getpid())
            while True: time.sleep(60)
        sys.stdin.read()
    """,
}


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CLOSE_GRACE_SECONDS", 0.1)


async def first_line(worker: Worker) -> bytes:
    async with asyncio.timeout(20):
        return (await worker.receive())[0]


def open_files() -> list[str]:
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(path.readlink()))
    return found


def held_for_the_reaper(pipe: str) -> list[str]:
    return [name for name in open_files() if name == pipe or name.endswith(LOCK)]


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def reaper_pid() -> int:
    assert HOUSEHOLD.reaper is not None
    return HOUSEHOLD.reaper.pid


async def test_it_begins_with_the_first_worker_and_ends_with_the_last(
    start: Start, program: Program, remains: Any, running: Running
) -> None:
    assert HOUSEHOLD.reaper is HOUSEHOLD.directory is None
    one, other = [await start(program(IDLE)) for _ in range(2)]
    pid = reaper_pid()
    assert running(pid)
    assert pid in remains.now()[0]
    (directory,) = remains.directory.iterdir()
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    await one.aclose()
    assert reaper_pid() == pid
    await other.aclose()
    assert HOUSEHOLD.reaper is HOUSEHOLD.directory is None
    remains.check()


async def test_fifty_workers_of_all_kinds_leave_nothing(
    start: Start, program: Program, remains: Any, running: Running
) -> None:
    specs = {kind: program(text) for kind, text in KINDS.items()}
    await (await start(specs["polite"])).aclose()

    def there() -> tuple[Any, ...]:
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        # Those of the loop's own pool stay.
        threads = {
            thread
            for thread in threading.enumerate()
            if not thread.name.startswith(("asyncio_", "uvloop_"))
        }
        return remains.now(), descriptors, threads, asyncio.all_tasks()

    before = there()
    for _ in range(5):
        workers = [await start(specs[kind]) for kind in [*KINDS, "polite", "polite", "polite"] * 2]
        lines = [await first_line(worker) for worker in workers]
        workers[3].kill()
        os.kill(workers[4].pid, signal.SIGSTOP)
        os.kill(workers[5].pid, signal.SIGKILL)
        async with asyncio.timeout(20):
            await asyncio.gather(*(worker.aclose() for worker in workers))
        assert not any(running(int(line)) for line in lines if line.isdigit())
        assert there() == before


async def test_closing_ends_a_grandchild_that_has_left_session_and_parents(
    start: Start, program: Program, running: Running
) -> None:
    other = await start(program(IDLE))
    worker = await start(program(KINDS["leaving a grandchild"]))
    pid = int(await first_line(worker))
    assert running(pid)
    assert os.getsid(pid) != worker.pid
    await worker.aclose()
    assert not running(pid)
    assert other.alive


async def test_a_reaper_that_was_killed_is_replaced_and_told_of_all_workers(
    start: Start, program: Program, until: Until, monkeypatch: pytest.MonkeyPatch, remains: Any
) -> None:
    monkeypatch.setattr(reaper, "FIRST_PAUSE_SECONDS", 0.01)
    workers = [await start(program(IDLE)) for _ in range(2)]
    await until(lambda: all(worker.usage() for worker in workers))
    first = reaper_pid()
    os.kill(first, signal.SIGKILL)
    await until(lambda: reaper_pid() != first)
    for worker in workers:
        worker._spawned.member.usage = None
    await until(lambda: all(worker.usage() for worker in workers))
    await asyncio.gather(*(worker.aclose() for worker in workers))
    remains.check()


async def test_a_reaper_that_is_stopped_does_not_hold_up_an_end_for_long(
    start: Start, program: Program, monkeypatch: pytest.MonkeyPatch, remains: Any, running: Running
) -> None:
    monkeypatch.setattr(reaper, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(household, "ENDED_SECONDS", 1.0)
    await start(program(IDLE))
    worker = await start(program(KINDS["leaving a grandchild"]))
    pid = int(await first_line(worker))
    os.kill(reaper_pid(), signal.SIGSTOP)
    async with asyncio.timeout(10):
        await worker.aclose()
    assert not running(pid)


async def test_a_reaper_that_can_not_be_started_is_a_failed_start(
    program: Program, monkeypatch: pytest.MonkeyPatch, remains: Any
) -> None:
    monkeypatch.setattr(reaper.sys, "executable", "/absent")
    with pytest.raises(WorkerStartFailed):
        await Worker.start(program(IDLE))
    remains.check()


async def test_a_fork_of_the_hub_has_a_household_of_its_own_and_leaves_the_hubs_alone(
    start: Start, program: Program, running: Running
) -> None:
    worker = await start(program(IDLE))
    await first_line(worker)
    assert HOUSEHOLD.reaper is not None
    stdin = HOUSEHOLD.reaper._process.stdin
    assert stdin is not None
    pipe = f"pipe:[{os.fstat(stdin.fileno()).st_ino}]"
    assert len(held_for_the_reaper(pipe)) == 2
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads: that is the point
        pid = os.fork()
    if pid == 0:
        kept = HOUSEHOLD.reaper or HOUSEHOLD.directory or held_for_the_reaper(pipe)
        os.write(writer, b"kept" if kept else b"empty")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        assert told.read() == b"empty"
    await asyncio.to_thread(os.waitpid, pid, 0)
    assert running(reaper_pid())
    assert worker.alive


def test_a_loop_that_ends_without_closing_its_workers_can_be_followed_by_another(
    remains: Any, program: Program
) -> None:
    async def main() -> None:
        worker = await Worker.start(program(IDLE))
        closing = asyncio.ensure_future(worker.aclose())
        await asyncio.sleep(0)
        assert not closing.done()

    for _ in range(2):
        asyncio.run(main())
        remains.check()


async def test_a_reaper_that_can_not_be_replaced_at_once_is_replaced_as_soon_as_it_can(
    start: Start, program: Program, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "FIRST_PAUSE_SECONDS", 0.01)
    worker = await start(program(IDLE))
    first = reaper_pid()
    with structlog.testing.capture_logs() as logs, monkeypatch.context() as broken:
        broken.setattr(reaper.sys, "executable", "/absent")
        os.kill(first, signal.SIGKILL)
        await until(lambda: [entry["event"] for entry in logs].count("reaper.start_failed") >= 2)
    assert logs[0]["event"] == "reaper.ended"
    await until(lambda: reaper_pid() != first)
    await until(lambda: worker.usage() is not None)


async def test_a_limit_that_can_not_be_kept_here_is_said_once(
    start: Start, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(HOUSEHOLD, "_groups", None)
    monkeypatch.setattr(HOUSEHOLD, "_looked_for_groups", True)
    monkeypatch.setattr(HOUSEHOLD, "_warned", False)
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            await start(program(IDLE, limits=WorkerLimits(cpus=0.5)))
    assert [entry["event"] for entry in logs] == ["worker.cpus_not_limited"]


async def test_what_the_hub_owns_is_not_touched_by_a_fork_that_closes_its_workers(
    start: Start, program: Program
) -> None:
    worker = await start(program(IDLE))
    await first_line(worker)
    member = worker._spawned.member
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads, as in a hub
        pid = os.fork()
    if pid == 0:
        member.leave()
        os._exit(0)
    await asyncio.to_thread(os.waitpid, pid, 0)
    assert names_in(member.directory) == {"cwd", "home", "tmp"}
    assert worker.alive


async def test_a_new_reaper_is_told_of_no_process_that_is_reaped(
    start: Start, program: Program
) -> None:
    worker = await start(program(IDLE))
    member = worker._spawned.member
    assert [line.split()[:3] for line in member.told()] == [
        ["worker", str(member.number), str(worker.pid)]
    ]
    worker.kill()
    async with asyncio.timeout(20):
        await worker.exited
    assert list(member.told()) == []
