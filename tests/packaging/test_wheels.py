"""The built wheels work in an empty environment, as somebody would install them."""

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

from llm_mcp_hub_dashboard import build as dashboard_build

ROOT = Path(__file__).parents[2]
UV = ROOT / ".ci" / "uv"
ENVIRONMENT = dict(os.environ)
"""As it is before other tests' fixtures bar the way to the network."""
PROJECTS = [ROOT, ROOT / "dashboard", *sorted((ROOT / "plugins").iterdir())]

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("wheels")]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds nothing but the wheels and what they ask for."""
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


@pytest.fixture
def server(environment: Path, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A hub started from the wheels: its address and its first access token."""
    process = subprocess.Popen(
        [environment / "llm-mcp-hub", "serve", "--demo", "--port", "0", "--data-dir", "data"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    address = token = ""
    try:
        for line in process.stdout:
            address = address or _found(r"http://127\.0\.0\.1:\d+", line)
            token = token or _found(r"hub-[0-9a-f]{12}-[\w-]{43}", line)
            if address and token:
                break
        assert address
        assert token
        yield address, token
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        process.stdout.close()


def test_a_hub_from_wheels_streams_an_answer(server: tuple[str, str]) -> None:
    address, token = server
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        data=b'{"model":"echo/echo","stream":true,"messages":[{"role":"user","content":"hi you"}]}',
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode()
    assert '"content":"hi"' in text
    assert '"content":" you"' in text
    assert text.endswith("data: [DONE]\n\n")


def test_the_wheels_bring_every_plugin(environment: Path, tmp_path: Path) -> None:
    code = "from llm_mcp_hub.plugins import load_plugins; print(*load_plugins().infos, sep='\\n')"
    out = run(environment / "python", "-I", "-c", code, cwd=tmp_path)
    assert {
        "acp",
        "claude",
        "dashboard",
        "echo",
        "gemini",
        "memory",
        "redis",
        "sqlite",
        "turn_log",
    } == set(re.findall(r"name='(\w+)'", out))
    assert "error=None" in out
    assert "Error" not in out


def test_the_dashboard_from_its_wheel_serves_its_pages(server: tuple[str, str]) -> None:
    address, token = server
    cookies = urllib.request.HTTPCookieProcessor()
    browser = urllib.request.build_opener(cookies)
    browser.addheaders = [("Accept", "text/html"), ("Origin", address)]
    with browser.open(f"{address}/admin", timeout=30) as answer:
        assert answer.url == f"{address}/admin/login"
    form = urllib.parse.urlencode({"token": token}).encode()
    with browser.open(f"{address}/admin/login", form, timeout=30) as answer:
        assert answer.url == f"{address}/admin/"
        page = answer.read().decode()
    scripts = set(re.findall(r'"(/admin/assets/[^"]+\.js)"', page))
    assert len(scripts) > 5
    for script in scripts:
        with browser.open(address + script, timeout=30) as answer:
            assert answer.headers["content-type"].startswith("text/javascript")


def test_the_hub_does_not_depend_on_what_only_tests_need(environment: Path, tmp_path: Path) -> None:
    code = (
        "import llm_mcp_hub.app, sys; print('hypothesis' in sys.modules, 'pytest' in sys.modules)"
    )
    out = run(environment / "python", "-I", "-c", code, cwd=tmp_path)
    assert out.split() == ["False", "False"]
    assert not shutil.which("pytest", path=str(environment))


def _found(pattern: str, line: str) -> str:
    match = re.search(pattern, line)
    return match.group() if match else ""
