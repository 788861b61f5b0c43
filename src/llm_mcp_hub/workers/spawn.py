"""Starting a child process without ever holding up the event loop.

Guarantee: the child has a session and process group of its own, an environment built from the
allow-list, private HOME, TMPDIR and an empty working directory, and no descriptor of the hub's
but its three pipes and the files its spec names.

`subprocess.Popen` uses vfork, which takes a fraction of a millisecond where the event loop's own
spawn would fork the whole hub; it still waits for the exec, so it runs in a thread.
"""

import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from llm_mcp_hub.errors import WorkerStartFailed
from llm_mcp_hub.workers.environment import child_environment
from llm_mcp_hub.workers.spec import CWD, HOME, TMP, WorkerSpec

SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="hub-spawn")
"""One thread: starting a tool costs a core for a moment, so starts are one after another."""


class Spawned:
    """A started child and what must be cleaned up after it."""

    __slots__ = ("directory", "process")

    def __init__(self, process: "subprocess.Popen[bytes]", directory: Path) -> None:
        self.process = process
        self.directory = directory

    def remove_directory(self) -> None:
        """Delete the child's private directories."""
        shutil.rmtree(self.directory, ignore_errors=True)


def spawn(spec: WorkerSpec) -> Spawned:
    """Start a child. Blocks for about a millisecond: call it in `SPAWNER`.

    Raises:
        WorkerStartFailed: The program or one of the spec's files can't be opened.
    """
    directory = Path(tempfile.mkdtemp(prefix="hub-"))
    try:
        return Spawned(_popen(spec, directory), directory)
    except OSError as error:
        shutil.rmtree(directory, ignore_errors=True)
        raise WorkerStartFailed(
            "The provider's program could not be started. Run `llm-mcp-hub doctor` to see why.",
            detail=f"{spec.argv[0]}: {error}",
        ) from error
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _popen(spec: WorkerSpec, directory: Path) -> "subprocess.Popen[bytes]":
    private = {name: directory / name for name in ("home", "tmp", "cwd")}
    for path in private.values():
        path.mkdir(mode=0o700)
    stand_ins = {HOME: private["home"], TMP: private["tmp"], CWD: private["cwd"]}
    extra = {"HOME": str(private["home"]), "TMPDIR": str(private["tmp"])}
    for name, value in spec.environment:
        for stand_in, path in stand_ins.items():
            value = value.replace(stand_in, str(path))  # noqa: PLW2901  # substituted in place
        extra[name] = value
    descriptors: list[int] = []
    try:
        for name, file in spec.files:
            descriptors.append(os.open(file, os.O_RDONLY | os.O_CLOEXEC))
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
