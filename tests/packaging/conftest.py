"""What somebody installs: the wheels, in an environment of their own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from llm_mcp_hub_dashboard import build as dashboard_build

ROOT = Path(__file__).parents[2]
UV = ROOT / ".ci" / "uv"
ENVIRONMENT = dict(os.environ)
"""As it is before other tests' fixtures bar the way to the network."""
PROJECTS = [ROOT, ROOT / "dashboard", *sorted((ROOT / "plugins").iterdir())]
START = re.compile(r"http://127\.0\.0\.1:\d+")
TOKEN = re.compile(r"hub-[0-9a-f]{12}-[\w-]{43}")

Serve = Callable[..., AbstractContextManager[tuple[str, str]]]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that holds nothing but the wheels and what they ask for."""
    folder = tmp_path_factory.mktemp("wheels")
    # With the pinned build tools of this environment, so that only the wheels are under test.
    if not dashboard_build.is_current():
        pytest.skip("the dashboard's pages are not built from these sources; run: make pages")
    build = (UV, "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable)
    for project in PROJECTS:
        run(*build, "--out-dir", folder / "dist", project, cwd=folder)
    wheels = sorted((folder / "dist").glob("*.whl"))
    assert len(wheels) == len(PROJECTS)
    run(UV, "venv", "--quiet", "--python", ">=3.11", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    pins = ROOT / "requirements" / "run.txt"
    run(UV, "pip", "install", "--quiet", "--python", python, "-c", pins, *wheels, cwd=folder)
    return folder / "venv" / "bin"


def first_words(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """The address and the first access token of a hub that starts."""
    assert process.stdout is not None
    address = token = ""
    for line in process.stdout:
        address = address or _found(START, line)
        token = token or _found(TOKEN, line)
        if address and token:
            return address, token
    pytest.fail("the hub did not start")


def _found(pattern: re.Pattern[str], line: str) -> str:
    match = pattern.search(line)
    return match.group() if match else ""


@pytest.fixture
def serve(environment: Path, tmp_path: Path) -> Serve:
    """Starts a hub from the wheels, with nothing else on the PATH: its address and token."""

    @contextmanager
    def serving(**settings: str) -> Iterator[tuple[str, str]]:
        process = subprocess.Popen(
            [environment / "llm-mcp-hub", "serve", "--demo", "--port", "0", "--data-dir", "data"],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": str(environment), "HOME": str(tmp_path), **settings},
        )
        assert process.stdout is not None
        try:
            yield first_words(process)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            process.stdout.close()

    return serving


@pytest.fixture
def server(serve: Serve) -> Iterator[tuple[str, str]]:
    """A hub started from the wheels: its address and its first access token."""
    with serve() as started:
        yield started
