"""A child always ends, with its whole process group, and nothing is left of it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.errors import WorkerDied, WorkerStartFailed
from llm_mcp_hub.workers import process
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec

Start = Callable[[WorkerSpec], Awaitable[Worker]]
Program = Callable[..., WorkerSpec]
Until = Callable[[Callable[[], bool]], Awaitable[None]]
Running = Callable[[int], bool]

STUBBORN = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.write(1, b"up\\n")
    while True: time.sleep(60)
"""
WITH_GRANDCHILD = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if (grandchild := os.fork()) == 0:
        {grandchild}
    os.write(1, b"%d\\n" % grandchild)
"""


def count_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def first_line(worker: Worker) -> bytes:
    async with asyncio.timeout(20):
        return (await worker.receive())[0]


async def collect(worker: Worker, lines: list[bytes]) -> None:
    async with asyncio.timeout(20):
        while True:
            lines += await worker.receive()


async def ending(worker: Worker) -> Exception:
    try:
        await collect(worker, [])
    except WorkerDied as error:
        return error
    raise AssertionError


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "CLOSE_GRACE_SECONDS", 0.1)


@pytest.mark.anyio
async def test_a_child_that_ends_with_its_input_is_not_signalled(
    start: Start, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "CLOSE_GRACE_SECONDS", 20.0)
    worker = await start(program("os.write(1, b'up\\n')\nsys.stdin.read()\nsys.exit(7)"))
    await first_line(worker)
    await worker.aclose()
    assert worker.exited.result() == 7


@pytest.mark.anyio
async def test_a_child_that_ignores_the_end_of_input_may_clean_up_at_sigterm(
    start: Start, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "CLOSE_GRACE_SECONDS", 0.5)
    worker = await start(
        program(
            """
            signal.signal(signal.SIGTERM, lambda *_: os._exit(9))
            os.write(1, b"up\\n")
            while True: time.sleep(60)
            """
        )
    )
    await first_line(worker)
    await worker.aclose()
    assert worker.exited.result() == 9


@pytest.mark.anyio
async def test_a_child_that_ignores_everything_is_killed_within_the_bounds(
    start: Start, program: Program
) -> None:
    worker = await start(program(STUBBORN))
    await first_line(worker)
    async with asyncio.timeout(2 * process.CLOSE_GRACE_SECONDS + process.KILL_WAIT_SECONDS):
        await worker.aclose()
    assert worker.exited.result() == -signal.SIGKILL


@pytest.mark.anyio
async def test_a_stopped_child_is_killed(start: Start, program: Program) -> None:
    worker = await start(program(STUBBORN))
    await first_line(worker)
    os.kill(worker.pid, signal.SIGSTOP)
    await worker.aclose()
    assert worker.exited.result() == -signal.SIGKILL


@pytest.mark.anyio
@pytest.mark.parametrize(
    "grandchild", ["signal.pause()", "while True: os.write(1, b'flood\\n')"], ids=["quiet", "loud"]
)
async def test_a_grandchild_that_holds_the_output_does_not_hold_up_the_end(
    start: Start, program: Program, until: Until, running: Running, grandchild: str
) -> None:
    worker = await start(program(WITH_GRANDCHILD.format(grandchild=grandchild)))
    lines: list[bytes] = []
    with pytest.raises(WorkerDied, match="exit status 0"):
        await collect(worker, lines)
    pid = int(next(line for line in lines if line.isdigit()))
    await until(lambda: not running(pid))


@pytest.mark.anyio
async def test_closing_kills_the_grandchildren_as_well(
    start: Start,
    program: Program,
    until: Until,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process, "CLOSE_GRACE_SECONDS", 20.0)
    text = WITH_GRANDCHILD.format(grandchild="signal.pause()") + "    sys.stdin.read()"
    worker = await start(program(text))
    pid = int(await first_line(worker))
    assert running(pid)
    await worker.aclose()
    assert worker.exited.result() == 0
    await until(lambda: not running(pid))


@pytest.mark.anyio
async def test_a_process_group_is_never_signalled_once_its_leader_is_reaped(
    start: Start, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start(program("pass"))
    await ending(worker)
    signalled: list[int] = []
    monkeypatch.setattr(os, "killpg", lambda pid, _number: signalled.append(pid))
    worker.kill()
    await worker.aclose()
    assert signalled == []


@pytest.mark.anyio
async def test_closing_twice_at_once_and_again_later_is_one_closing(
    start: Start, program: Program
) -> None:
    worker = await start(program(STUBBORN))
    await first_line(worker)
    await asyncio.gather(worker.aclose(), worker.aclose())
    await worker.aclose()
    assert isinstance(await ending(worker), WorkerDied)


@pytest.mark.anyio
async def test_a_cancelled_closing_goes_on(start: Start, program: Program, until: Until) -> None:
    worker = await start(program(STUBBORN))
    await first_line(worker)
    closing = asyncio.create_task(worker.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.wait([closing])
    assert closing.cancelled()
    assert not worker.alive
    await until(worker.exited.done)
    await worker.aclose()


@pytest.mark.anyio
async def test_closing_ends_a_receive_that_waits(start: Start, program: Program) -> None:
    worker = await start(program(STUBBORN))
    await first_line(worker)
    waiting = asyncio.create_task(ending(worker))
    await asyncio.sleep(0)
    await worker.aclose()
    assert "was stopped" in str(await waiting)


@pytest.mark.anyio
async def test_thirty_workers_leave_no_descriptor_process_or_directory(
    start: Start, program: Program, remains: Any
) -> None:
    spec = program("os.write(1, b'up\\n')\nsys.stdin.read()")
    await (await start(spec)).aclose()
    before = count_descriptors()
    for _ in range(3):
        workers = await asyncio.gather(*(start(spec) for _ in range(10)))
        with_their_reaper = len(workers) + 1
        assert len(remains.now()[0] - remains.before[0]) == with_their_reaper
        for index, worker in enumerate(workers):
            await first_line(worker)
            if index % 3 == 0:
                worker.kill()
        await asyncio.gather(*(worker.aclose() for worker in workers))
        remains.check()
    assert count_descriptors() == before


@pytest.mark.anyio
async def test_a_worker_that_cannot_be_supervised_is_not_left_behind(
    remains: Any, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Worker) -> None:
        raise OSError("no room for another descriptor")

    monkeypatch.setattr(Worker, "_attach", full)
    with pytest.raises(WorkerStartFailed):
        await Worker.start(program(STUBBORN))
    remains.check()


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_loop_that_is_shut_down_during_a_closing_leaves_nothing(
    remains: Any, program: Program, steps: int
) -> None:
    async def main() -> None:
        worker = await Worker.start(program(STUBBORN))
        await first_line(worker)
        closing = asyncio.ensure_future(worker.aclose())
        for _ in range(steps):
            await asyncio.sleep(0)
        assert not closing.done()

    asyncio.run(main())
    remains.check()


HUB = """
import asyncio, os, signal, sys
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec

async def main():
    worker = await Worker.start(WorkerSpec(tuple(sys.argv[1:])))
    await worker.receive()
    print(worker.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


def test_a_child_ends_by_itself_when_the_hub_is_killed(
    tmp_path: Path, program: Program, running: Running, until: Until
) -> None:
    end = tmp_path / "end"
    spec = program(
        "os.write(1, b'up\\n')\nsys.stdin.read()\nopen(sys.argv[1], 'w').close()", str(end)
    )
    hub = subprocess.run(
        [sys.executable, "-c", HUB, *spec.argv],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        timeout=60,
        check=False,
    )
    assert hub.returncode == -signal.SIGKILL

    async def ended() -> None:
        await until(lambda: end.exists() and not running(int(hub.stdout)))

    asyncio.run(ended())
