"""A worker that takes more than it may is stopped, and the error names the limit."""

import ast
import asyncio
import resource
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.errors import WorkerLimitExceeded
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec
from llm_mcp_hub.workers.worker_limits import MIB, Meter, WorkerLimits, WorkerUsage

Start = Callable[[WorkerSpec], Awaitable[Worker]]
Program = Callable[..., WorkerSpec]
Until = Callable[[Callable[[], bool]], Awaitable[None]]

NONE = WorkerLimits(0, 0, 0, 0, 0, 0, 0)

GREEDY = {
    "memory_mb": (100, "held = b'x' * (200 << 20); time.sleep(60)"),
    "processes": (3, "[os.fork() for _ in range(2)]; time.sleep(60)"),
    "cpu_seconds": (1, "while True: pass"),
    "output_mb": (1, "while True: os.write(1, b'flood\\n' * 1000)"),
    "file_size_mb": (
        1,
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL); open('big', 'wb').write(bytes(2 << 20))",
    ),
}


async def exceeded(worker: Worker) -> WorkerLimitExceeded:
    async with asyncio.timeout(30):
        while True:
            try:
                await worker.receive()
            except WorkerLimitExceeded as error:
                return error


@pytest.mark.anyio
@pytest.mark.parametrize("setting", GREEDY)
async def test_a_worker_that_takes_too_much_is_stopped_and_the_limit_named(
    start: Start, program: Program, setting: str
) -> None:
    most, text = GREEDY[setting]
    limits = msgspec.structs.replace(NONE, **{setting: most})
    modest = await start(program("sys.stdin.read()", limits=limits))
    worker = await start(program(text, limits=limits))
    error = await exceeded(worker)
    assert f"more than {most} " in str(error)
    assert f"`limits.{setting}`" in str(error)
    assert not worker.alive
    async with asyncio.timeout(20):
        await worker.exited
    assert modest.alive


@pytest.mark.anyio
async def test_what_hides_in_a_session_of_its_own_counts_as_the_workers(
    start: Start, program: Program
) -> None:
    text = """
        if os.fork() == 0:
            os.setsid()
            if os.fork(): os._exit(0)
            held = b"x" * (200 << 20)
            time.sleep(60)
        sys.stdin.read()
    """
    worker = await start(program(text, limits=msgspec.structs.replace(NONE, memory_mb=100)))
    assert "memory" in str(await exceeded(worker))


@pytest.mark.anyio
async def test_the_kernels_limits_are_set_and_no_core_is_ever_dumped(
    start: Start, program: Program
) -> None:
    text = """
        import resource
        sys.stdin.readline()
        limits = [resource.getrlimit(n) for n in
            (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE)]
        os.write(1, b"%s\\n" % repr(limits).encode())
        sys.stdin.read()
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limits, files, size in (
        (msgspec.structs.replace(NONE, open_files=50, file_size_mb=3), (50, 50), (3 * MIB,) * 2),
        (NONE, hard, resource.getrlimit(resource.RLIMIT_FSIZE)),
        (msgspec.structs.replace(NONE, open_files=10**9), hard, None),
    ):
        worker = await start(program(text, limits=limits))
        worker.send(b"go\n")
        async with asyncio.timeout(20):
            seen = ast.literal_eval((await worker.receive())[0].decode())
        assert seen[0] == (0, 0)
        assert seen[1] == files
        assert size is None or seen[2] == size


@pytest.mark.anyio
async def test_what_a_worker_takes_is_known_with_its_descendants(
    start: Start, program: Program, until: Until
) -> None:
    text = """
        held = b"x" * (50 << 20)
        os.fork()
        until = time.process_time() + 0.3
        while time.process_time() < until: pass
        time.sleep(60)
    """
    worker = await start(program(text))
    await until(lambda: (usage := worker.usage()) is not None and usage.cpu_seconds > 0.5)
    usage = worker.usage()
    assert usage is not None
    assert usage.processes == 2
    assert 50 * MIB < usage.rss_bytes < 300 * MIB
    assert usage.cpu_seconds < 30


@pytest.mark.anyio
async def test_what_is_told_to_a_worker_gives_it_a_reason_to_work_but_a_sign_of_life_does_not(
    start: Start, program: Program
) -> None:
    text = "for line in sys.stdin: os.write(1, b'x' * 700_000 + b'\\n')"
    worker = await start(program(text, limits=msgspec.structs.replace(NONE, output_mb=1)))
    async with asyncio.timeout(20):
        for _ in range(3):
            worker.send(b"work\n")
            assert len((await worker.receive())[0]) == 700_000
    worker.send(b"well?\n", work=False)
    assert "output_mb" in str(await exceeded(worker))


LIMITS = WorkerLimits(
    memory_mb=10, processes=3, cpu_seconds=5, open_files=7, file_size_mb=1, output_mb=1
)


def test_cpu_time_and_output_count_from_when_it_was_last_told_something() -> None:
    meter = Meter(LIMITS)
    assert meter.uses(WorkerUsage(1, 5.0, 1)) is None
    meter.told()
    assert meter.uses(WorkerUsage(1, 5.5, 1)) is None
    assert meter.uses(WorkerUsage(1, 10.5, 1)) is None
    assert "5 s of CPU" in str(meter.uses(WorkerUsage(1, 10.6, 1)))
    assert meter.wrote(MIB) is None
    meter.told()
    assert meter.wrote(MIB) is None
    assert "1 MiB at once" in str(meter.wrote(1))


def test_cpu_time_that_went_with_a_descendant_does_not_count_against_the_next() -> None:
    meter = Meter(LIMITS)
    assert meter.uses(WorkerUsage(1, 4.0, 2)) is None
    meter.told()
    assert meter.uses(WorkerUsage(1, 4.0, 2)) is None
    assert meter.uses(WorkerUsage(1, 1.0, 1)) is None
    assert meter.uses(WorkerUsage(1, 6.0, 1)) is None
    assert meter.uses(WorkerUsage(1, 6.1, 1)) is not None


def test_memory_is_left_to_the_kernel_where_that_limits_it() -> None:
    assert Meter(LIMITS, sampled=False).uses(WorkerUsage(100 * MIB, 0, 1)) is None
    assert "10 MiB of memory" in str(Meter(LIMITS).ended(-9, out_of_memory=True))
    assert Meter(LIMITS).ended(-9, out_of_memory=False) is None


@given(st.lists(st.integers(0, 2**40), max_size=5), st.floats(0, 1e6), st.integers(0, 10**6))
def test_zero_is_no_limit(written: list[int], cpu: float, processes: int) -> None:
    meter = Meter(NONE)
    assert not any(meter.wrote(size) for size in written)
    assert meter.uses(WorkerUsage(2**50, cpu, processes)) is None


@given(st.integers(0, 20 * MIB), st.integers(0, 6))
def test_a_limit_is_exceeded_by_more_and_not_by_as_much(rss: int, processes: int) -> None:
    found = Meter(LIMITS).uses(WorkerUsage(rss, 0.0, processes))
    assert (found is not None) == (rss > 10 * MIB or processes > 3)


@pytest.mark.parametrize("text", ['{"memory": 1}', '{"memory_mb": -1}', '{"cpus": "two"}'])
def test_limits_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=WorkerLimits)
