"""How much memory is left, as Linux tells it."""

import sys
from pathlib import Path

import pytest

from llm_mcp_hub.workers.memory import (
    ASSUMED_BYTES,
    PLENTY,
    READ_SECONDS,
    RESERVE_BYTES,
    MemoryGauge,
    available_bytes,
)

MB = 1024 * 1024


def write(root: Path, files: dict[str, object]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def machine(megabytes: int) -> dict[str, object]:
    return {"proc/meminfo": f"MemFree: 1 kB\nMemAvailable:   {megabytes * 1024} kB"}


def version2(group: str, limit: object, current: int, cache: int = 0) -> dict[str, object]:
    base = f"sys/fs/cgroup/{group}"
    return {
        f"{base}/memory.max": limit,
        f"{base}/memory.current": current,
        f"{base}/memory.stat": f"anon 5\ninactive_file {cache}\nactive_file 7",
    }


def test_where_nothing_can_be_learnt_there_is_room(tmp_path: Path) -> None:
    assert available_bytes(tmp_path) is None
    assert MemoryGauge(tmp_path).room_for(1) == PLENTY


def test_the_machine_says_what_is_available(tmp_path: Path) -> None:
    assert available_bytes(write(tmp_path, machine(500))) == 500 * MB


def test_a_control_group_may_leave_less(tmp_path: Path) -> None:
    files = machine(500) | version2("a", 300 * MB, 200 * MB, 50 * MB)
    write(tmp_path, {**files, "proc/self/cgroup": "0::/a"})
    assert available_bytes(tmp_path) == 150 * MB


def test_a_control_group_further_out_may_leave_less_still(tmp_path: Path) -> None:
    files = version2("a/b", "max", 200 * MB) | version2("a", 300 * MB, 290 * MB)
    write(tmp_path, {**machine(500), **files, "proc/self/cgroup": "0::/a/b"})
    assert available_bytes(tmp_path) == 10 * MB


def test_in_a_container_the_root_of_what_can_be_seen_counts(tmp_path: Path) -> None:
    files = machine(500) | version2("", 64 * MB, 60 * MB)
    write(tmp_path, {**files, "proc/self/cgroup": "0::/kubepods/pod1"})
    assert available_bytes(tmp_path) == 4 * MB


def test_version_1_of_control_groups_is_understood(tmp_path: Path) -> None:
    base = "sys/fs/cgroup/memory/a"
    write(
        tmp_path,
        {
            **machine(500),
            "proc/self/cgroup": "5:cpuset:/\n4:memory:/a\n0::/",
            f"{base}/memory.limit_in_bytes": 100 * MB,
            f"{base}/memory.usage_in_bytes": 80 * MB,
            f"{base}/memory.stat": f"inactive_file 1\ntotal_inactive_file {30 * MB}",
        },
    )
    assert available_bytes(tmp_path) == 50 * MB


@pytest.mark.parametrize(
    ("available", "member", "room"),
    [
        (RESERVE_BYTES + 300 * MB, 100 * MB, 3),
        (RESERVE_BYTES + 299 * MB, 100 * MB, 2),
        (RESERVE_BYTES - MB, 1, 0),
        (RESERVE_BYTES + 2 * ASSUMED_BYTES, 0, 2),
    ],
)
def test_a_reserve_is_left_for_everything_else(
    available: int, member: int, room: int, tmp_path: Path
) -> None:
    gauge = MemoryGauge(write(tmp_path, machine(available // MB)))
    assert gauge.room_for(member) == room


def test_a_gauge_reads_once_in_a_while(tmp_path: Path) -> None:
    now = [5.0]
    gauge = MemoryGauge(write(tmp_path, machine(1000)), lambda: now[0])
    before = gauge.room_for(MB)
    write(tmp_path, machine(0))
    assert gauge.room_for(MB) == before
    now[0] += READ_SECONDS
    assert gauge.room_for(MB) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells")
def test_this_machine_has_some() -> None:
    left = available_bytes()
    assert left is not None
    assert left > 0
