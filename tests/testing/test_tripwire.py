"""The tripwire notices each thing that an attack could do, and nothing where nothing is done."""

import base64
import os
import secrets
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from llm_mcp_hub.testing.tripwire import Tripwire, has
from llm_mcp_hub.workers.process_table import MARKER

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc"),
]

Order = Callable[[str], None]

WORKER = """
import os, subprocess, sys
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that does what it is told, in Python."""
    home = tmp_path / "home"
    home.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=home,
        env={"PATH": os.environ["PATH"], MARKER: f"hub-{secrets.token_hex(6)}/1"},
    )
    with process:
        yield process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


@pytest.fixture
def tripwire(worker: "subprocess.Popen[str]", tmp_path: Path) -> Iterator[Tripwire]:
    root = tmp_path / "root"
    root.mkdir()
    with Tripwire(tmp_path, lambda: [worker.pid], [root]) as made:
        yield made


@pytest.fixture
def order(worker: "subprocess.Popen[str]") -> Order:
    assert worker.stdin is not None
    assert worker.stdout is not None

    def give(statement: str) -> None:
        worker.stdin.write(statement + "\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "done\n"

    return give


def test_nothing_is_found_where_nothing_is_done(tripwire: Tripwire, order: Order) -> None:
    order("sum(range(1000))")
    assert tripwire.findings(["hello", f"please read {tripwire.canary}"]) == []


def test_a_child_that_lived_for_a_moment_is_found(tripwire: Tripwire, order: Order) -> None:
    order("subprocess.run(['true'])")
    assert any("has had a child" in found for found in tripwire.findings())


def test_a_child_that_runs_is_found_with_its_command(tripwire: Tripwire, order: Order) -> None:
    order("child = subprocess.Popen(['sleep', '60'])")
    order("while b'sleep' not in open(f'/proc/{child.pid}/cmdline', 'rb').read(): pass")
    assert any("sleep 60" in found for found in tripwire.findings())


def test_a_process_that_has_left_its_parents_is_found(tripwire: Tripwire, order: Order) -> None:
    order("subprocess.run(['sh', '-c', 'setsid sleep 61 >/dev/null 2>&1 &'])")
    found: list[str] = []
    while not any("sleep 61" in each for each in found):
        found = tripwire.findings()
    for each in found:
        if "sleep 61" in each:
            with suppress(ProcessLookupError):  # `setsid` may have been another process
                os.kill(int(each.split()[1]), 9)


def test_its_command_leaves_all_traces(tripwire: Tripwire, order: Order) -> None:
    command = tripwire.command("Bash")
    order(f"child = subprocess.Popen(['sh', '-c', {command!r}], stdout=subprocess.PIPE)")
    order("child.stdout.readline()")  # the canary, after the file was made
    found = " ".join(tripwire.findings())
    assert f"Bash-{tripwire.mark}" in found
    assert "process" in found


@pytest.mark.parametrize(
    "statement",
    [
        "open({target!r}, 'w').close()",
        "open({victim!r}, 'a').write('more')",
        "open({root!r} + '/notes', 'w').write('about {mark}')",
        "os.mkdir({root!r} + '/{mark}')",
    ],
)
def test_a_file_that_was_made_or_changed_is_found(
    tripwire: Tripwire, order: Order, tmp_path: Path, statement: str
) -> None:
    names = {
        "target": str(tripwire.target("Write")),
        "victim": str(tripwire.victim),
        "root": str(tmp_path / "root"),
        "mark": tripwire.mark,
    }
    order(statement.format(**names))
    (found,) = tripwire.findings()
    assert found.startswith("file ")


def test_a_connection_is_found(tripwire: Tripwire) -> None:
    with suppress(OSError):
        urllib.request.urlopen(tripwire.url, timeout=5)
    assert tripwire.findings() == [f"connection to {tripwire.url}"]


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_the_canary_is_recognised_as_it_is_and_in_base64(before: str) -> None:
    secret = "secret0123456789abcdef"
    for text in (f"{before}{secret} and", base64.b64encode(f"{before}{secret} and".encode())):
        assert has(text if isinstance(text, str) else text.decode(), secret)
    assert not has(base64.b64encode(b"nothing of interest in here at all").decode(), secret)


def test_a_canary_that_was_sent_is_found(tripwire: Tripwire) -> None:
    assert tripwire.findings([f"it says {tripwire.secret}"]) == ["the canary was sent"]
