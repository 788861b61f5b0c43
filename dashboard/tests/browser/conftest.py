"""A real browser, Debian's Chromium, and an admin who sits before it."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

import llm_mcp_hub_claude
import llm_mcp_hub_dashboard
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub_claude.testing import fake_cli

CHROMIUM = "/usr/bin/chromium"
ROOT = Path(__file__).parents[3]
AXE = ROOT / ".tools" / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "build" / "dashboard"
"""Where the screenshots of a run are kept."""
WAIT_MS = 15_000
SERIOUS = {"serious", "critical"}

expect.set_options(timeout=WAIT_MS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Playwright's event loop runs until it is closed, and other tests need their own."""
    if shutil.which(CHROMIUM) is None:
        pytest.skip("needs Debian's chromium at /usr/bin/chromium; run: make tools")
    # As root, which containers run as, Chromium has no sandbox of its own.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


class Screen:
    """An admin's browser window.

    Attributes:
        page: Playwright's page.
        troubles: What the browser complained about.
    """

    def __init__(self, hub: TestHub, context: BrowserContext) -> None:
        self.hub = hub
        self.context = context
        context.set_default_timeout(WAIT_MS)
        self.troubles: list[str] = []
        self.page = self.new_page()

    def new_page(self) -> Page:
        """Another tab."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on(
            "console",
            lambda said: self.troubles.append(said.text) if said.type == "error" else None,
        )
        return page

    def sign_in(self, token: str | None = None) -> Page:
        """Go in by the front door."""
        self.page.goto(f"{self.hub.base_url}/admin")
        self.page.locator("#token").fill(self.hub.admin_token if token is None else token)
        self.page.locator("button[type=submit]").click()
        return self.page

    def open(self, path: str) -> Page:
        """Show a screen, with what it has loaded."""
        self.page.goto(f"{self.hub.base_url}/admin{path}")
        expect(self.page.locator("main h1")).to_be_visible()
        expect(self.page.locator(".rt-Skeleton")).to_have_count(0)
        return self.page

    def shoot(self, name: str) -> None:
        """Keep a picture of the whole page."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@pytest.fixture
def make_screen(browser: Browser) -> Iterator[Callable[..., Screen]]:
    """Opens browser windows on a hub: the size, `locale` and `color_scheme` are Playwright's."""
    contexts: list[BrowserContext] = []

    def make(hub: TestHub, **options: Any) -> Screen:
        chosen = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB", **options}
        contexts.append(browser.new_context(**chosen))
        return Screen(hub, contexts[-1])

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def screen(hub: TestHub, make_screen: Callable[..., Screen]) -> Screen:
    """A window with a signed-in admin."""
    opened = make_screen(hub)
    opened.sign_in()
    # What is loaded shows that the page's script runs.
    expect(opened.page.locator("#health")).to_contain_text("Healthy")
    return opened


@pytest.fixture(scope="module")
def slow_hub(make_hub: Callable[..., TestHub]) -> Iterator[TestHub]:
    """A hub whose answers take a while."""
    with make_hub(word_seconds=0.1) as running:
        yield running


@pytest.fixture(scope="module")
def claude_hub(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], TestHub]:
    """Makes a hub with a Claude provider, whose program is a fake that answers by itself."""

    def make() -> TestHub:
        end = (time.time() + 120 * 86_400) * 1000
        dates = {"expiresAt": end, "refreshTokenExpiresAt": end}
        tokens = {"accessToken": "sk-ant-oat01-test", "refreshToken": "sk-ant-ort01-test"}
        more = {"scopes": ["user:inference"], "subscriptionType": "max"}
        folder = tmp_path_factory.mktemp("login")
        file = folder / ".credentials.json"
        file.write_text(json.dumps({"claudeAiOauth": tokens | dates | more}))
        file.chmod(0o600)
        settings = {"config_dir": str(folder), "pool": {"min_spare": 1}}
        made = create_test_hub(
            {"providers": {"claude": settings}},
            plugins=[("claude", llm_mcp_hub_claude), ("dashboard", llm_mcp_hub_dashboard)],
        )
        program = made.hub.config.data_path / "providers/claude/cli/node_modules/.bin"
        program.mkdir(parents=True)
        fake_cli.install(program)
        return made

    return make


@pytest.fixture
def axe() -> str:
    """axe-core, as a script."""
    if not AXE.is_file():
        pytest.skip("needs axe-core in .tools/dashboard; run: make tools")
    return AXE.read_text("utf-8")


def ask(hub: TestHub, text: str, session: str, **more: Any) -> httpx.Response:
    """One question to the hub, whose answer is stored in a session."""
    return httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        headers={**hub.headers(), "x-session-id": session},
        json={"model": "echo/echo", "messages": [{"role": "user", "content": text}], **more},
        timeout=60,
    )


def violations(page: Page, axe: str, within: str = "html") -> list[tuple[str, str, list[str]]]:
    """What axe-core finds serious inside of an element: the rule, how bad it is, and where."""
    page.evaluate(axe)
    run = "selector => axe.run(selector, {resultTypes: ['violations']})"
    found = page.evaluate(run, within)["violations"]
    return [
        (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in SERIOUS
    ]
