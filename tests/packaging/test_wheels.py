"""The built wheels work in an empty environment, as somebody would install them."""

import re
import shutil
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from .conftest import run

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("wheels")]


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
