"""`make run` in a fresh copy of the project, on a machine without Node: the dashboard is there."""

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ENVIRONMENT, ROOT, first_words

NODE = {"node", "nodejs", "npm", "npx", "corepack", "bun", "bunx", "yarn", "pnpm"}
"""Programs that a machine without Node has not."""

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("wheels")]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files of the project, as somebody gets them who clones it."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folder = tmp_path / "clone"
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH with every program of this machine but those of Node, uv and environments."""
    folder = tmp_path / "programs"
    folder.mkdir()
    # With pip: the interpreter that environments are made from.
    (folder / "python3").symlink_to(Path(sys._base_executable).resolve())
    for directory in ("/usr/local/bin", "/usr/bin", "/bin"):
        for program in Path(directory).iterdir():
            link = folder / program.name
            if program.name not in NODE and not link.is_symlink():
                link.symlink_to(program)
    found = str(folder)
    assert all(shutil.which(name, path=found) is None for name in NODE)
    return found


@pytest.fixture
def process(copy: Path, path: str) -> Iterator["subprocess.Popen[str]"]:
    kept = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("VIRTUAL")}
    running = subprocess.Popen(
        ["make", "run", "ARGS=--port 0"],
        cwd=copy,
        env={**kept, "PATH": path},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    yield running
    os.killpg(running.pid, signal.SIGINT)
    try:
        running.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
        raise


def test_the_dashboard_is_built_and_served_where_there_is_no_node(
    process: "subprocess.Popen[str]", copy: Path
) -> None:
    address, token = first_words(process)
    assert (copy / ".tools" / "node" / "bin" / "npm").exists()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    browser.addheaders = [("Accept", "text/html"), ("Origin", address)]
    form = urllib.parse.urlencode({"token": token}).encode()
    with browser.open(f"{address}/admin/login", form, timeout=30) as answer:
        assert answer.url == f"{address}/admin/"
        page = answer.read().decode()
    scripts = re.findall(r'"(/admin/assets/[^"]+\.js)"', page)
    assert scripts
    with browser.open(address + scripts[0], timeout=30) as answer:
        assert answer.headers["content-type"].startswith("text/javascript")
