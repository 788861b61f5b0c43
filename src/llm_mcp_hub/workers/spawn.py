"""Starting a child process without ever holding up the event loop.

Guarantee: the child has a session and process group of its own, an environment built from the
allow-list, private HOME, TMPDIR and an empty working directory, and no descriptor of the hub's
but its three pipes and the files its spec names. It carries a marker by which the reaper knows it
from its first moment. A start that fails or is given up leaves neither process nor file behind.

`subprocess.Popen` uses vfork, which takes a fraction of a millisecond where the event loop's own
spawn would fork the whole hub; it still waits for the exec, so it runs in a thread.
"""

import asyncio
import os
import signal
import stat
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO

from llm_mcp_hub.errors import WorkerStartFailed
from llm_mcp_hub.workers.environment import child_environment, refuse_forbidden
from llm_mcp_hub.workers.household import HOUSEHOLD, Member
from llm_mcp_hub.workers.process_table import MARKER
from llm_mcp_hub.workers.spec import CWD, HOME, TMP, Furnishing, WorkerSpec
from llm_mcp_hub.workers.worker_limits import set_resource_limits

SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hub-spawn")
"""One thread: starting a tool costs a core for a moment, so starts are one after another."""

KILL_WAIT_SECONDS = 5.0
"""How long the kernel may take to end a killed child before it is given up as unkillable."""


class Spawned:
    """A started child and what must be cleaned up after it.

    Attributes:
        pipes: The hub's ends of its standard input, output and error.
        member: Its place among the workers of this process.
    """

    __slots__ = ("member", "pipes", "process")

    def __init__(self, process: "subprocess.Popen[bytes]", member: Member) -> None:
        self.process = process
        self.member = member
        self.pipes: list[IO[bytes]] = [
            pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe is not None
        ]

    def signal(self, number: signal.Signals) -> None:
        """Signal the process group, unless its leader is reaped: its number may be another's."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def leave(self) -> None:
        """End what the child leaves running, also outside its group, and delete its files. Blocks.

        Only the first call does anything; another one waits for it.
        """
        self.member.leave()

    def destroy(self, seconds: float) -> None:
        """Kill the process group and clean up, waiting for the end for so long. Blocks."""
        self.signal(signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        for pipe in self.pipes:
            pipe.close()
        self.leave()


async def spawn_in_thread(spec: WorkerSpec) -> Spawned:
    """Start a child.

    Raises:
        WorkerStartFailed: It can't be started.
    """
    job = SPAWNER.submit(spawn, spec)
    try:
        return await asyncio.wrap_future(job)
    except (asyncio.CancelledError, GeneratorExit) as error:
        discarding = SPAWNER.submit(_discard, job)
        if isinstance(error, asyncio.CancelledError):
            await asyncio.wait([asyncio.wrap_future(discarding)], timeout=KILL_WAIT_SECONDS)
        raise


def spawn(spec: WorkerSpec) -> Spawned:
    """Start a child. Blocks for about a millisecond: call it in `SPAWNER`.

    Raises:
        WorkerStartFailed: The program or one of the spec's files can't be opened.
        ConfigError: The spec sets a variable that no child may see.
    """
    refuse_forbidden((name for name, _ in spec.environment), "environment")
    member: Member | None = None
    spawned: Spawned | None = None
    try:
        member = HOUSEHOLD.join(spec.limits, ends_on_eof=spec.ends_on_eof)
        spawned = Spawned(_popen(spec, member), member)
        member.runs(spawned.process)
        set_resource_limits(spawned.process.pid, spec.limits)
    except BaseException as error:
        if spawned is not None:
            spawned.destroy(KILL_WAIT_SECONDS)
        elif member is not None:
            member.leave()
        # ValueError: a null byte in an argument or variable.
        if not isinstance(error, OSError | ValueError):
            raise
        raise WorkerStartFailed(
            "The provider's program could not be started. Run `llm-mcp-hub doctor` to see why.",
            detail=f"{spec.argv[0]}: {error}",
        ) from error
    return spawned


def _discard(job: "Future[Spawned]") -> None:
    """End a child whose starter has gone. Runs in `SPAWNER`, so after the start itself."""
    if not job.cancelled() and job.exception() is None:
        job.result().destroy(KILL_WAIT_SECONDS)


def _popen(spec: WorkerSpec, member: Member) -> "subprocess.Popen[bytes]":
    private = {name: member.directory / name for name in ("home", "tmp", "cwd")}
    for path in private.values():
        path.mkdir(mode=0o700)
    stand_ins = {HOME: private["home"], TMP: private["tmp"], CWD: private["cwd"]}
    extra = {"HOME": str(private["home"]), "TMPDIR": str(private["tmp"])}
    for name, value in spec.environment:
        for stand_in, path in stand_ins.items():
            value = value.replace(stand_in, str(path))  # noqa: PLW2901  # substituted in place
        extra[name] = value
    extra[MARKER] = member.marker
    for furnishing in spec.furnishings:
        _furnish(private["home"], furnishing)
    descriptors: list[int] = []
    try:
        for name, file in spec.files:
            descriptors.append(_open_file(file))
            extra[name] = str(descriptors[-1])
        return subprocess.Popen(
            spec.argv,
            env=child_environment(os.environ, extra),
            cwd=private["cwd"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            pass_fds=descriptors,
        )
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _furnish(home: Path, furnishing: Furnishing) -> None:
    path = home / furnishing.path
    if home not in path.resolve().parents:
        raise ValueError(f"{furnishing.path} is not inside of HOME")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if furnishing.kind == "link":
        path.symlink_to(furnishing.content)
    else:
        path.write_text(furnishing.content, "utf-8")


def _open_file(file: str) -> int:
    # Opening a FIFO for reading would hold up every start until somebody writes to it.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{file} is not a regular file")
    return descriptor
