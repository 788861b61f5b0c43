"""The process table is read alike from /proc and from ps, and the right process is signalled."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.workers import process_table
from llm_mcp_hub.workers.process_table import MARKER, Process, find, marker, processes, send


@pytest.fixture(params=[True, False], ids=["proc", "ps"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With and without `/proc`."""
    has_proc: bool = request.param
    monkeypatch.setattr(process_table, "has_proc", lambda: has_proc)
    return has_proc


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", "print(flush=True); input()", "a ) b"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={MARKER: "hub-x/3"},
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def test_a_child_is_found_with_its_figures(source: bool, child: "subprocess.Popen[bytes]") -> None:
    found = find(child.pid)
    assert found is not None
    assert found in [entry._replace(rss_bytes=found.rss_bytes) for entry in processes()]
    assert found.parent == os.getpid()
    assert found.group == child.pid
    assert found.session == (child.pid if source else 0)
    assert 2 << 20 < found.rss_bytes < 100 << 20
    assert 0 <= found.cpu_seconds < 60


def test_cpu_time_is_counted(source: bool) -> None:
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    found = find(os.getpid())
    assert found is not None
    assert found.cpu_seconds >= (0.15 if source else 0)


def test_what_has_ended_is_not_there_reaped_or_not(
    source: bool, child: "subprocess.Popen[bytes]"
) -> None:
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert find(child.pid) is None
    assert child.pid not in [entry.pid for entry in processes()]
    child.wait()
    assert find(child.pid) is None


def test_the_process_that_was_seen_is_signalled_and_no_other(
    source: bool, child: "subprocess.Popen[bytes]"
) -> None:
    found = find(child.pid)
    assert found is not None
    send(found._replace(started="another"), signal.SIGKILL)
    send(found, signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
    send(found, signal.SIGKILL)
    assert child.wait(20) == -signal.SIGKILL
    send(found, signal.SIGKILL)


def test_without_a_pidfd_it_is_signalled_by_its_number(
    child: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(pid: int) -> int:
        raise OSError("no such call")

    monkeypatch.setattr(os, "pidfd_open", unknown)
    found = find(child.pid)
    assert found is not None
    send(found, signal.SIGKILL)
    assert child.wait(20) == -signal.SIGKILL


def test_the_marker_is_the_variables_value_and_nothing_that_only_looks_like_it(
    child: "subprocess.Popen[bytes]",
) -> None:
    assert marker(child.pid) == "hub-x/3"
    assert marker(2**22 + 1) == ""
    with subprocess.Popen(
        ["sleep", "60"], env={f"NOT_{MARKER}": "hub-x/4", "OTHER": f"{MARKER}=hub-x/5"}
    ) as other:
        try:
            assert marker(other.pid) == ""
        finally:
            other.kill()


def test_a_child_that_has_ended_and_is_not_reaped_still_tells_its_start(
    child: "subprocess.Popen[bytes]",
) -> None:
    seen = find(child.pid)
    assert isinstance(seen, Process)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert process_table.started(child.pid) == seen.started
    child.wait()
    assert process_table.started(child.pid) == ""


@given(st.integers(0, 20), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_every_form_of_ps_time_is_read(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    assert process_table._seconds(f"{days}-{hours:02}:{minutes:02}:{seconds:02}") == total
    assert process_table._seconds(f"{total // 60}:{seconds:02}.50") == total + 0.5
