"""Control groups are used only where they are ours, and limit, name and end what is in them.

The kernel's files are imitated in a directory; the last test uses real ones where there are any.
"""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.errors import WorkerLimitExceeded
from llm_mcp_hub.workers import cgroup
from llm_mcp_hub.workers.cgroup import GroupTree
from llm_mcp_hub.workers.household import HOUSEHOLD
from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec
from llm_mcp_hub.workers.worker_limits import MIB, WorkerLimits

ME = str(os.getpid())
FILES = {
    "cgroup.procs": "",
    "cgroup.controllers": "cpu io memory pids",
    "cgroup.subtree_control": "",
    "cgroup.events": "populated 0",
    "cgroup.kill": "",
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "memory.events": "low 0\noom 0\noom_kill 0\n",
    "pids.max": "max",
    "cpu.max": "max 100000",
}


class Imitation:
    """A directory in which making a directory makes a control group."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.own = root.parent / "own"
        self.busy = 0
        self.delegated: set[Path] = set()
        mkdir, rmdir = Path.mkdir, Path.rmdir

        def make(path: Path, *arguments: Any, **options: Any) -> None:
            mkdir(path, *arguments, **options)
            if path.is_relative_to(root):
                self.fill(path)

        def remove(path: Path) -> None:
            if not path.is_relative_to(root):
                rmdir(path)
            elif self.busy > 0:
                self.busy -= 1
                raise OSError(16, "Device or resource busy")
            else:
                shutil.rmtree(path)

        def attribute(path: Path, name: str) -> bytes:
            if name == "trusted.delegate" and path in self.delegated:
                return b"1"
            raise OSError(61, "No data available")

        root.mkdir()
        monkeypatch.setattr(Path, "mkdir", make)
        monkeypatch.setattr(Path, "rmdir", remove)
        monkeypatch.setattr(os, "getxattr", attribute)

    def fill(self, path: Path, **files: str) -> None:
        for name, text in {**FILES, **files}.items():
            (path / name).write_text(text)

    def here(self, path: str, *, procs: str = ME, delegated: str = "", **files: str) -> Path:
        """Put this process into a group."""
        group = self.root / path.lstrip("/")
        group.mkdir(parents=True, exist_ok=True)
        self.fill(group, **{"cgroup.procs": procs, **files})
        self.own.write_text(f"1:name=systemd:/x\n0::{path}\n")
        if delegated:
            self.delegated.add(self.root / delegated.lstrip("/"))
        return group

    def find(self) -> GroupTree | None:
        return GroupTree.find(self.root, self.own)


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Imitation:
    return Imitation(tmp_path / "cgroup", monkeypatch)


def test_a_delegated_group_is_divided_and_the_hub_moves_to_a_leaf(groups: Imitation) -> None:
    here = groups.here("/system.slice/hub.service", delegated="/system.slice/hub.service")
    tree = groups.find()
    assert tree is not None
    assert tree.base == here
    assert (here / "hub/cgroup.procs").read_text() == ME
    assert (here / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"


def test_a_hub_that_was_put_into_a_leaf_stays_there(groups: Imitation) -> None:
    leaf = groups.here("/a.service/main", delegated="/a.service")
    groups.fill(leaf.parent)
    tree = groups.find()
    assert tree is not None
    assert tree.base == leaf.parent
    assert not (leaf.parent / "hub").exists()


def test_the_root_of_a_containers_own_namespace_is_ours(groups: Imitation) -> None:
    here = groups.here("/")
    assert (tree := groups.find()) is not None
    assert tree.base == here


@pytest.mark.parametrize(
    "where",
    [
        {"path": "/system.slice/a.service"},
        {"path": "/a.service", "delegated": "/a.service", "procs": f"{ME}\n1\n"},
        {"path": "/a.service", "delegated": "/a.service", "cgroup.controllers": "cpu pids"},
        {"path": "/a/b/c", "delegated": "/a"},
    ],
    ids=["not delegated", "not alone", "no memory controller", "not the parent"],
)
def test_what_is_not_ours_is_not_touched(groups: Imitation, where: dict[str, str]) -> None:
    here = groups.here(where.pop("path"), **where)
    before = {path: path.read_text() for path in groups.root.rglob("*") if path.is_file()}
    assert groups.find() is None
    assert {p: p.read_text() for p in groups.root.rglob("*") if p.is_file()} == before
    assert not (here / "hub").exists()


def test_the_real_root_is_not_ours(groups: Imitation) -> None:
    here = groups.here("/")
    (here / "cgroup.events").unlink()
    assert groups.find() is None


@pytest.mark.parametrize("text", ["", "4:memory:/x\n", None])
def test_without_cgroup_v2_there_are_none(groups: Imitation, text: str | None) -> None:
    if text is not None:
        groups.own.write_text(text)
    assert groups.find() is None


def test_a_group_that_can_not_be_divided_is_none(groups: Imitation) -> None:
    here = groups.here("/a.service", delegated="/a.service")
    (here / "cgroup.subtree_control").unlink()
    (here / "cgroup.subtree_control").mkdir()
    assert groups.find() is None


def read(group: Path) -> dict[str, str]:
    names = ("memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max")
    return {name: (group / name).read_text() for name in names}


def test_limits_are_written_as_the_kernel_wants_them(groups: Imitation) -> None:
    groups.here("/a.service", delegated="/a.service")
    tree = groups.find()
    assert tree is not None
    group = tree.make("hub-a-1", WorkerLimits(memory_mb=100, processes=3, cpus=1.5))
    assert group is not None
    assert read(group.path) == {
        "memory.max": str(100 * MIB),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "96",
        "cpu.max": "150000 100000",
    }
    free = tree.make("hub-a-2", WorkerLimits(memory_mb=0, processes=0))
    assert free is not None
    assert [read(free.path)[name] for name in ("memory.max", "pids.max")] == ["max", "max"]
    assert read(free.path)["cpu.max"] == "max 100000"


def test_a_group_the_kernel_refuses_leaves_the_worker_to_the_samples(
    groups: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups.here("/a.service", delegated="/a.service")
    tree = groups.find()
    assert tree is not None
    monkeypatch.setitem(FILES, "memory.max", "")
    monkeypatch.setattr(groups, "fill", lambda path: (path / "memory.max").mkdir())
    assert tree.make("hub-a-1", WorkerLimits()) is None
    assert not (tree.base / "hub-a-1").exists()


def test_running_out_of_memory_is_read_from_the_kernels_count(groups: Imitation) -> None:
    groups.here("/a.service", delegated="/a.service")
    tree = groups.find()
    assert tree is not None
    group = tree.make("hub-a-1", WorkerLimits())
    assert group is not None
    assert not group.out_of_memory()
    (group.path / "memory.events").write_text("low 0\nmax 9\noom 1\noom_kill 1\n")
    assert group.out_of_memory()
    group.remove()
    assert not group.out_of_memory()


def test_a_group_is_killed_and_deleted_once_it_is_empty(
    groups: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups.here("/a.service", delegated="/a.service")
    tree = groups.find()
    assert tree is not None
    group = tree.make("hub-a-1", WorkerLimits())
    assert group is not None
    groups.busy = 3
    killed: list[str] = []
    write = cgroup._write
    monkeypatch.setattr(
        cgroup, "_write", lambda path, text: killed.append(path.name) or write(path, text)
    )
    group.remove()
    assert killed == ["cgroup.kill"]
    assert not group.path.exists()
    group.remove()


def test_a_group_that_stays_busy_is_given_up_in_time(
    groups: Imitation, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups.here("/a.service", delegated="/a.service")
    tree = groups.find()
    assert tree is not None
    group = tree.make("hub-a-1", WorkerLimits())
    assert group is not None
    groups.busy = 10**9
    monkeypatch.setattr(cgroup, "REMOVE_SECONDS", 0.05)
    group.remove()
    assert group.path.exists()


@pytest.mark.anyio
async def test_a_worker_is_put_into_a_group_and_its_running_out_of_memory_is_named(
    groups: Imitation,
    start: Callable[[WorkerSpec], Awaitable[Worker]],
    program: Callable[..., WorkerSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    groups.here("/a.service", delegated="/a.service")
    tree = groups.find()
    assert tree is not None
    monkeypatch.setattr(HOUSEHOLD, "_groups", tree)
    monkeypatch.setattr(HOUSEHOLD, "_looked_for_groups", True)
    worker = await start(program("sys.stdin.read()", limits=WorkerLimits(memory_mb=77)))
    (group,) = [path for path in tree.base.iterdir() if path.name.startswith("hub-")]
    assert (group / "cgroup.procs").read_text() == str(worker.pid)
    (group / "memory.events").write_text("oom_kill 1\n")
    worker.kill()
    with pytest.raises(WorkerLimitExceeded, match="more than 77 MiB of memory"):
        async with asyncio.timeout(20):
            await worker.receive()
    await worker.aclose()
    assert not group.exists()


@pytest.mark.anyio
async def test_real_groups_limit_memory(
    start: Callable[[WorkerSpec], Awaitable[Worker]],
    program: Callable[..., WorkerSpec],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tree = GroupTree.find()
    if tree is None:
        pytest.skip("no control group is delegated to the tests: real groups are NOT tested here")
    monkeypatch.setattr(HOUSEHOLD, "_groups", tree)
    monkeypatch.setattr(HOUSEHOLD, "_looked_for_groups", True)
    text = "held = b'x' * (200 << 20); time.sleep(60)"
    worker = await start(program(text, limits=WorkerLimits(memory_mb=100)))
    with pytest.raises(WorkerLimitExceeded, match="more than 100 MiB of memory"):
        async with asyncio.timeout(20):
            await worker.receive()
