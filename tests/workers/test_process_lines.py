"""Lines go to a child and come back, whatever their size and whatever the child does."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from llm_mcp_hub.errors import WorkerDied, WorkerGarbled
from llm_mcp_hub.workers import child_end, process
from llm_mcp_hub.workers.pipes import READ_BYTES
from llm_mcp_hub.workers.process import STDERR_TAIL_BYTES, UNREAD_LIMIT_BYTES, Worker
from llm_mcp_hub.workers.spec import WorkerSpec

pytestmark = pytest.mark.anyio

Start = Callable[[WorkerSpec], Awaitable[Worker]]
Program = Callable[..., WorkerSpec]
Until = Callable[[Callable[[], bool]], Awaitable[None]]

ECHO = """
    for line in sys.stdin.buffer:
        os.write(1, line) if len(line) < 4096 else sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""


async def receive(worker: Worker, count: int) -> list[bytes]:
    lines: list[bytes] = []
    async with asyncio.timeout(20):
        while len(lines) < count:
            lines += await worker.receive()
    return lines


async def receive_all(worker: Worker) -> tuple[list[bytes], Exception]:
    """All lines, and the error after them."""
    lines: list[bytes] = []
    async with asyncio.timeout(20):
        while True:
            try:
                lines += await worker.receive()
            except (WorkerDied, WorkerGarbled) as error:
                return lines, error


async def test_what_is_sent_comes_back_line_by_line(start: Start, program: Program) -> None:
    worker = await start(program(ECHO))
    worker.send(b"one\n")
    assert await receive(worker, 1) == [b"one"]
    worker.send(b"two\nthr")
    worker.send(b"ee\n")
    assert await receive(worker, 2) == [b"two", b"three"]
    assert worker.alive


async def test_a_line_of_ten_megabytes_goes_both_ways(start: Start, program: Program) -> None:
    worker = await start(program(ECHO))
    line = bytes(range(32, 127)) * 110_000
    worker.send(line + b"\nshort\n")
    assert await receive(worker, 2) == [line, b"short"]


async def test_sending_to_a_child_that_does_not_read_does_not_block(
    start: Start, program: Program, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    worker = await start(
        program(
            """
            while not os.path.exists(sys.argv[1]): time.sleep(0.005)
            print(len(sys.stdin.readline()), flush=True)
            sys.stdin.read()
            """,
            str(gate),
        )
    )
    for _ in range(50):
        worker.send(b"x" * 65536)
    worker.send(b"\n")
    gate.touch()
    assert await receive(worker, 1) == [b"%d" % (50 * 65536 + 1)]


FLOOD = """
    line = b"x" * int(sys.argv[1]) + b"\\n"
    for _ in range(int(sys.argv[2])): sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
    os.write(2, b"done")
    sys.stdin.read()
"""


@pytest.mark.parametrize(("size", "count"), [(1000, 20_000), (3_000_000, 8)])
async def test_a_flood_waits_in_the_pipe_for_a_slow_reader(
    start: Start, program: Program, until: Until, size: int, count: int
) -> None:
    worker = await start(program(FLOOD, str(size), str(count)))
    received = 0
    bound = UNREAD_LIMIT_BYTES + READ_BYTES + size
    while received < count:
        await until(lambda: worker._paused or worker.stderr_tail == "done")
        if worker._paused:
            # Nothing is read while the reader is away, so the child can't have written it all.
            assert received or worker.stderr_tail == ""
        assert sum(map(len, worker._lines)) == worker._unread <= bound
        received += len(await receive(worker, 1))
    assert received == count


async def test_what_a_child_wrote_before_it_ended_is_received_by_a_slow_reader(
    start: Start, program: Program
) -> None:
    worker = await start(program("os.write(1, b'line\\n' * 20_000)"))
    await asyncio.wait_for(worker.exited, 20)
    lines, error = await receive_all(worker)
    assert lines == [b"line"] * 20_000
    assert isinstance(error, WorkerDied)


async def test_what_a_child_wrote_and_nobody_had_read_when_it_ended_is_received(
    start: Start, program: Program, until: Until, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    worker = await start(
        program(
            """
            line = b"x" * 1000 + b"\\n"
            for _ in range(1049): os.write(1, line)
            while not os.path.exists(sys.argv[1]): time.sleep(0.005)
            for _ in range(40): os.write(1, line)
            sys.exit("the last words")
            """,
            str(gate),
        )
    )
    await until(lambda: worker._paused)
    worker._loop.remove_reader(worker._stderr)
    gate.touch()
    await asyncio.wait_for(worker.exited, 20)
    lines, error = await receive_all(worker)
    assert len(lines) == 1089
    assert isinstance(error, WorkerDied)
    assert "the last words" in (error.detail or "")


async def test_a_paused_worker_that_was_killed_gives_what_it_had_and_ends(
    start: Start, program: Program, until: Until
) -> None:
    worker = await start(program(FLOOD, "1000", "20000"))
    await until(lambda: worker._paused)
    worker.kill()
    await asyncio.wait_for(worker.exited, 20)
    lines, error = await receive_all(worker)
    assert set(lines) == {b"x" * 1000}
    assert isinstance(error, WorkerDied)


async def test_a_paused_worker_that_was_closed_does_not_read_a_foreign_descriptor(
    start: Start, program: Program, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start(program(FLOOD, "1000", "20000"))
    await until(lambda: worker._paused)
    await worker.aclose()
    added: list[int] = []
    monkeypatch.setattr(worker, "_read", lambda: added.append(1))
    await receive_all(worker)
    assert not worker._loop.remove_reader(worker._stdout)


async def test_an_endless_line_ends_the_worker_after_the_lines_before_it(
    start: Start, program: Program
) -> None:
    spec = program(
        "os.write(1, b'one\\ntwo\\n' + b'x' * 2000)\nsys.stdin.read()", max_line_bytes=1000
    )
    worker = await start(spec)
    lines, error = await receive_all(worker)
    assert lines == [b"one", b"two"]
    assert isinstance(error, WorkerGarbled)
    assert not worker.alive
    assert await asyncio.wait_for(worker.exited, 20) == -signal.SIGKILL


async def test_an_exit_status_and_the_end_of_standard_error_are_told(
    start: Start, program: Program
) -> None:
    worker = await start(program("os.write(1, b'a\\npart')\nsys.exit('it is broken')"))
    lines, error = await receive_all(worker)
    assert lines == [b"a"]
    assert isinstance(error, WorkerDied)
    assert "ended with exit status 1" in error.message
    assert error.detail == f"pid {worker.pid}: it is broken"
    assert "it is broken" not in error.message
    assert worker.exited.result() == 1


async def test_a_flood_on_standard_error_is_drained_to_a_short_tail(
    start: Start, program: Program
) -> None:
    worker = await start(
        program("for i in range(2000): os.write(2, b'%06d' % i + b'x' * 1000 + b'\\n')")
    )
    await receive_all(worker)
    assert worker.stderr_tail.endswith("001999" + "x" * 1000)
    assert len(worker.stderr_tail) <= STDERR_TAIL_BYTES


async def test_a_worker_killed_from_outside_is_no_longer_alive(
    start: Start, program: Program
) -> None:
    worker = await start(program("print('up', flush=True)\nsys.stdin.read()"))
    await receive(worker, 1)
    process.os.kill(worker.pid, signal.SIGKILL)
    _, error = await receive_all(worker)
    assert isinstance(error, WorkerDied)
    assert not worker.alive
    assert worker.exited.result() == -signal.SIGKILL


@pytest.mark.parametrize("closed", [1, 0], ids=["output", "input"])
async def test_a_child_that_closes_a_pipe_and_runs_on_is_ended(
    start: Start, program: Program, monkeypatch: pytest.MonkeyPatch, until: Until, closed: int
) -> None:
    monkeypatch.setattr(process, "CLOSE_GRACE_SECONDS", 0.05)
    worker = await start(
        program(
            "os.write(1, b'up\\n')\nos.close(int(sys.argv[1]))\nos.write(2, b'closed')\n"
            "signal.pause()",
            str(closed),
        )
    )
    await receive(worker, 1)
    await until(lambda: worker.stderr_tail == "closed")
    worker.send(b"anything\n")
    _, error = await receive_all(worker)
    assert isinstance(error, WorkerDied)
    assert "closed its pipes" in error.message
    assert not worker.alive
    assert await asyncio.wait_for(worker.exited, 20) == -signal.SIGKILL


async def test_a_failed_worker_gives_what_has_come_and_then_the_error_even_in_a_flood(
    start: Start, program: Program
) -> None:
    worker = await start(program("while True: os.write(1, b'more\\n')"))
    await receive(worker, 1)
    worker.fail(WorkerDied("that is enough"))
    assert not worker._loop.remove_reader(worker._stdout)
    _, error = await receive_all(worker)
    assert str(error) == "that is enough"
    assert not worker.alive


async def test_a_cancelled_receive_loses_nothing(start: Start, program: Program) -> None:
    worker = await start(program(ECHO))
    waiting = asyncio.create_task(worker.receive())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    worker.send(b"still here\n")
    assert await receive(worker, 1) == [b"still here"]


async def test_a_worker_is_watched_without_process_descriptors_as_well(
    start: Start, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(_pid: int) -> int:
        raise OSError("no such call")

    monkeypatch.setattr(child_end.os, "pidfd_open", unknown)
    worker = await start(program("os.write(1, b'a\\n')\nsys.exit(3)"))
    lines, error = await receive_all(worker)
    assert lines == [b"a"]
    assert "exit status 3" in str(error)
    stubborn = await start(program("signal.pause()"))
    await stubborn.aclose()
    assert stubborn.exited.result() == -signal.SIGTERM
