"""A child starts in a world of its own, and a start that fails or is given up leaves nothing."""

import asyncio
import json
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.errors import ConfigError, WorkerStartFailed
from llm_mcp_hub.workers import spawn
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import CWD, HOME, TMP, Furnishing, WorkerSpec

pytestmark = pytest.mark.anyio

Start = Callable[[WorkerSpec], Awaitable[Worker]]
Program = Callable[..., WorkerSpec]

TELL = """
    import json, stat
    FDS = "/proc/self/fd/"
    sys.stdout.write(json.dumps({
        "environment": dict(os.environ),
        "cwd": os.getcwd(),
        "in_cwd": os.listdir("."),
        "modes": [stat.S_IMODE(os.stat(os.environ[n]).st_mode) for n in ("HOME", "TMPDIR")],
        "session": os.getsid(0),
        "group": os.getpgid(0),
        "descriptors": [int(n) for n in os.listdir(FDS) if os.path.exists(FDS + n)],
        "secret": os.read(int(os.environ.get("SECRET_FD", 0)), 100 * ("SECRET_FD" in os.environ))
        .decode(),
    }) + "\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


def is_open(file: Path) -> bool:
    return any(descriptor.resolve() == file for descriptor in Path("/proc/self/fd").iterdir())


async def told(worker: Worker) -> dict[str, Any]:
    async with asyncio.timeout(20):
        found: dict[str, Any] = json.loads((await worker.receive())[0])
        return found


async def test_a_child_has_a_home_a_temporary_and_an_empty_working_directory_of_its_own(
    start: Start, program: Program, remains: Any
) -> None:
    one, other = [await told(await start(program(TELL))) for _ in range(2)]
    places = [
        path
        for seen in (one, other)
        for path in (seen["cwd"], seen["environment"]["HOME"], seen["environment"]["TMPDIR"])
    ]
    assert len(set(places)) == 6
    assert all(Path(path).is_relative_to(remains.directory) for path in places)
    assert one["in_cwd"] == []
    assert one["modes"] == [0o700, 0o700]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o700 for path in remains.directory.iterdir())


async def test_the_directories_go_with_the_child_whatever_it_put_there(
    start: Start, program: Program, remains: Any, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    worker = await start(
        program(
            """
            for name in ("HOME", "TMPDIR"):
                os.makedirs(os.environ[name] + "/a/b")
                open(os.environ[name] + "/a/b/c", "w").close()
                os.symlink("/", os.environ[name] + "/root")
            os.write(1, b"up\\n")
            """
        )
    )
    await asyncio.wait_for(worker.receive(), 20)
    assert remains.now() != remains.before
    await worker.aclose()
    remains.check()
    assert kept.read_text() == "kept"


async def test_only_allowed_variables_reach_a_child(
    start: Start, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "MY_OWN"):
        monkeypatch.setenv(name, "sk-1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:1")
    spec = program(TELL, environment=(("DIRS", f"{HOME}:{TMP}:{CWD}"), ("EXTRA", "1")))
    seen = await told(await start(spec))
    environment = seen["environment"]
    assert "sk-1" not in environment.values()
    assert environment["HTTPS_PROXY"] == "http://proxy:1"
    assert environment["EXTRA"] == "1"
    assert environment["DIRS"] == f"{environment['HOME']}:{environment['TMPDIR']}:{seen['cwd']}"


async def test_a_spec_that_sets_a_forbidden_variable_is_refused(
    remains: Any, program: Program
) -> None:
    with pytest.raises(ConfigError, match="ANTHROPIC_API_KEY"):
        await Worker.start(program(TELL, environment=(("ANTHROPIC_API_KEY", "sk-1"),)))
    remains.check()


async def test_a_child_has_a_session_and_group_of_its_own(start: Start, program: Program) -> None:
    worker = await start(program(TELL))
    seen = await told(worker)
    assert seen["session"] == seen["group"] == worker.pid != os.getpgid(0)


async def test_a_secret_is_passed_as_an_open_file_that_the_hub_does_not_keep(
    start: Start, program: Program, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("token-1")
    with secret.open():
        assert is_open(secret)
    worker = await start(program(TELL, files=(("SECRET_FD", str(secret)),)))
    seen = await told(worker)
    assert seen["secret"] == "token-1"
    assert sorted(seen["descriptors"]) == [0, 1, 2, int(seen["environment"]["SECRET_FD"])]
    assert not is_open(secret)


async def test_a_child_inherits_no_descriptor_of_the_hubs(start: Start, program: Program) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    try:
        await start(program(TELL))
        seen = await told(await start(program(TELL)))
        assert sorted(seen["descriptors"]) == [0, 1, 2]
    finally:
        os.close(reader)
        os.close(writer)


def broken(tmp_path: Path, kind: str) -> WorkerSpec:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    plain = tmp_path / "plain"
    plain.write_text("#!/nowhere\n")
    return {
        "no such program": WorkerSpec((str(tmp_path / "absent"),)),
        "a program that may not run": WorkerSpec((str(plain),)),
        "a null byte": WorkerSpec(("true", "a\0b")),
        "no such file": WorkerSpec(("true",), files=(("FD", str(tmp_path / "absent")),)),
        "a directory as file": WorkerSpec(("true",), files=(("FD", str(tmp_path)),)),
        "a pipe as file": WorkerSpec(("true",), files=(("FD", str(fifo)),)),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "no such program",
        "a program that may not run",
        "a null byte",
        "no such file",
        "a directory as file",
        "a pipe as file",
    ],
)
async def test_what_cannot_be_started_fails_and_leaves_nothing(
    remains: Any, tmp_path: Path, kind: str
) -> None:
    with pytest.raises(WorkerStartFailed) as failure:
        async with asyncio.timeout(20):
            await Worker.start(broken(tmp_path, kind))
    assert failure.value.detail
    assert str(tmp_path) not in failure.value.message
    remains.check()


async def test_no_temporary_directory_is_a_failed_start(
    remains: Any, program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    with pytest.raises(WorkerStartFailed):
        await Worker.start(program(TELL))


class Gate:
    """Holds up the spawning thread before or after the child has been made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()
        self.made = 0
        real = spawn.spawn

        def held(spec: WorkerSpec) -> spawn.Spawned:
            made = real(spec)
            self.made += 1
            self.reached.set()
            self.open.wait(20)
            return made

        monkeypatch.setattr(spawn, "spawn", held)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    found = Gate(monkeypatch)
    yield found
    found.open.set()


async def test_a_start_cancelled_while_the_child_is_made_leaves_nothing(
    remains: Any, program: Program, gate: Gate
) -> None:
    starting = asyncio.create_task(Worker.start(program("signal.pause()")))
    await asyncio.to_thread(gate.reached.wait, 20)
    starting.cancel()
    await asyncio.sleep(0)
    assert not starting.done()
    gate.open.set()
    async with asyncio.timeout(20):
        await asyncio.wait([starting])
    assert starting.cancelled()
    assert gate.made == 1
    remains.check()


async def test_a_start_cancelled_in_the_queue_makes_no_child(
    remains: Any, program: Program, gate: Gate
) -> None:
    spec = program("signal.pause()")
    first = asyncio.create_task(Worker.start(spec))
    await asyncio.to_thread(gate.reached.wait, 20)
    second = asyncio.create_task(Worker.start(spec))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    gate.open.set()
    async with asyncio.timeout(20):
        await asyncio.wait([first, second])
    assert second.cancelled()
    await (await first).aclose()
    assert gate.made == 1
    remains.check()


async def test_a_start_cancelled_at_its_last_moment_leaves_nothing(
    remains: Any, program: Program
) -> None:
    spec = program("signal.pause()")
    for steps in range(6):
        starting = asyncio.create_task(Worker.start(spec))
        for _ in range(steps):
            await asyncio.sleep(0)
        spawn.SPAWNER.submit(lambda: None).result(20)
        starting.cancel()
        async with asyncio.timeout(20):
            await asyncio.wait([starting])
        assert starting.cancelled()
    remains.check()


def test_a_start_whose_loop_is_gone_leaves_nothing(
    remains: Any, program: Program, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.new_event_loop()
    starting = loop.create_task(Worker.start(program("signal.pause()")))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert gate.reached.wait(20)
    loop.close()
    coroutine = starting.get_coro()
    assert coroutine is not None
    coroutine.close()
    starting._log_destroy_pending = False  # type: ignore[attr-defined]  # the library's own
    gate.open.set()
    spawn.SPAWNER.submit(lambda: None).result(20)
    remains.check()


async def test_starting_does_not_hold_up_the_loop(
    remains: Any, program: Program, gate: Gate
) -> None:
    starting = asyncio.create_task(Worker.start(program("signal.pause()")))
    await asyncio.to_thread(gate.reached.wait, 20)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not starting.done()
    gate.open.set()
    async with asyncio.timeout(20):
        await (await starting).aclose()
    remains.check()


async def test_a_home_is_furnished_before_the_child_starts(
    start: Start, program: Program, tmp_path: Path
) -> None:
    secret = tmp_path / "login.json"
    secret.write_text("{}")
    furnishings = (
        Furnishing(".tool/settings.json", "file", "lean"),
        Furnishing(".tool/login.json", "link", str(secret)),
    )
    worker = await start(program(TELL, furnishings=furnishings))
    await told(worker)
    home = worker.directory / "home" / ".tool"
    assert (home / "settings.json").read_text() == "lean"
    assert (home / "login.json").readlink() == secret


@pytest.mark.parametrize("path", ["../out", "/etc/out", ".."])
async def test_nothing_is_furnished_outside_of_the_home(
    start: Start, program: Program, remains: Any, path: str
) -> None:
    spec = program(TELL, furnishings=(Furnishing(path, "file", "x"),))
    with pytest.raises(WorkerStartFailed):
        await start(spec)
    remains.check()


async def test_a_child_that_does_not_end_with_its_input_is_signalled_at_once(
    start: Start, program: Program
) -> None:
    spec = program("print('up', flush=True)\ntime.sleep(60)", ends_on_eof=False)
    worker = await start(spec)
    assert await worker.receive() == [b"up"]
    await worker.aclose()
    assert worker.exited.result() == -signal.SIGTERM
