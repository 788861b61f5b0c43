"""What becomes of an open tab when its hub or its session goes at the worst moment."""

import asyncio
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from llm_mcp_hub.app import create_app

WAIT_SECONDS = 15.0
STOP_SECONDS = 30.0
TOKEN = re.compile(r"hub-[0-9a-f]{12}-[\w-]{43}")
DASHBOARD = re.compile(r"Dashboard: http")
LOST = "No connection to the hub"


class Door:
    """Stands before a hub and can keep websockets waiting, or turn them away.

    Attributes:
        waited: Set once one has been kept waiting.
    """

    def __init__(self) -> None:
        self.waited = threading.Event()
        self._open = asyncio.Event()
        self._open.set()
        self._turns_away = False

    def before(self, app):
        async def guarded(scope, receive, send):
            if scope["type"] == "websocket":
                if self._turns_away:
                    await receive()
                    await send({"type": "websocket.close", "code": 1008})
                    return
                if not self._open.is_set():
                    self.waited.set()
                    await self._open.wait()
            await app(scope, receive, send)

        return guarded

    async def keep_waiting(self) -> None:
        self._open.clear()

    async def turn_away(self, turns_away: bool) -> None:
        self._turns_away = turns_away

    async def open(self) -> None:
        self._open.set()


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def guarded(make_hub, door):
    """A hub behind the door."""
    with make_hub(app=lambda hub: door.before(create_app(hub=hub))) as hub:
        yield hub


@pytest.fixture
def window(guarded, make_screen):
    """A window with an admin whose first tab is connected."""
    opened = make_screen(guarded)
    opened.sign_in()
    expect(opened.page.locator("#health")).to_contain_text("Healthy")
    return opened


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()


def test_a_tab_that_has_no_socket_yet_is_sent_to_the_sign_in_page_at_a_sign_out(
    window, guarded, door
):
    guarded.call(door.keep_waiting())
    other = window.new_page()
    other.goto(f"{guarded.base_url}/admin/settings")
    assert door.waited.wait(WAIT_SECONDS)
    sign_out(window.page)
    guarded.call(door.open())
    expect(other.get_by_text("You are signed out.")).to_be_visible()


def test_a_tab_that_has_no_scripts_yet_is_sent_to_the_sign_in_page_at_a_sign_out(window, guarded):
    other = window.new_page()
    held: list[Route] = []

    def hold(script: Route) -> None:
        held.append(script)

    other.route("**/admin/assets/*.js", hold)
    with other.expect_request("**/admin/assets/*.js"):
        other.goto(f"{guarded.base_url}/admin/settings", wait_until="commit")
    expect(other.locator("h1")).to_have_text("Settings")
    sign_out(window.page)
    held[0].continue_()
    expect(other.get_by_text("You are signed out.")).to_be_visible()


def test_a_tab_that_is_signed_in_and_gets_no_socket_says_so_and_stays(window, guarded, door):
    guarded.call(door.turn_away(True))
    other = window.new_page()
    with other.expect_response("**/admin/signed-in") as asked:
        other.goto(f"{guarded.base_url}/admin/settings")
    assert asked.value.status == 200
    expect(other.get_by_text(LOST)).to_be_visible()
    guarded.call(door.turn_away(False))
    expect(other.locator(".rt-Skeleton")).to_have_count(0)
    expect(other.get_by_text(LOST)).to_have_count(0)
    assert other.url == f"{guarded.base_url}/admin/settings"


@contextmanager
def served(folder: Path, port: int, until: re.Pattern[str]) -> Iterator[str]:
    """A hub in a process of its own, and what of its first words was waited for."""
    command = [sys.executable, "-m", "llm_mcp_hub", "serve", "--demo", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--data-dir", folder / "data"],
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
    assert process.stdout is not None
    try:
        found = (until.search(line) for line in process.stdout)
        yield next(one.group() for one in found if one)
    finally:
        process.terminate()
        process.communicate(timeout=STOP_SECONDS)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def test_a_tab_waits_for_a_hub_that_is_away_and_signs_in_again_when_it_is_back(browser, tmp_path):
    port = free_port()
    page = browser.new_page(locale="en-GB")
    with served(tmp_path, port, TOKEN) as token:
        page.goto(f"http://127.0.0.1:{port}/admin")
        page.locator("#token").fill(token)
        page.locator("button[type=submit]").click()
        expect(page.locator("#health")).to_contain_text("Healthy")
    expect(page.get_by_text(LOST)).to_be_visible()
    page.wait_for_event("requestfailed", lambda request: request.url.endswith("/admin/signed-in"))
    expect(page.get_by_text(LOST)).to_be_visible()
    with served(tmp_path, port, DASHBOARD):
        expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.close()
