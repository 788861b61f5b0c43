"""The first view of the dashboard in a real browser: its bytes, and the time until it can be used.

*First* begins with the click on "Sign in" and ends when the Overview shows the hub's health, which
needs the page, its scripts, its websocket and the hub's answer. *Cold* is a browser with an empty
cache, *warm* the same browser signing in once more. On the slow link Chromium delays and narrows
what is loaded as its developer tools do; it does not slow websockets. Bytes are those that Chromium
took from the network, headers included, and files are what it asked the network for.
"""

import os
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from dashboard_server import Served
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
WAIT_MS = 60_000
LINKS: dict[str, dict[str, float] | None] = {
    "this machine": None,
    # "Slow 4G" of Chromium's and Lighthouse's: 150 ms there and back, 1.6 Mbit/s down, 0.75 up.
    "slow 4G": {"latency": 150, "downloadThroughput": 204_800, "uploadThroughput": 96_000},
}


def measure_views(served: Served, runs: int) -> list[dict[str, Any]]:
    """Medians for each link and each state of the cache; none without Chromium."""
    if shutil.which(CHROMIUM) is None:
        return []
    rows = []
    with _chromium() as browser:
        _sign_in_cold_and_warm(browser, served, None)  # the hub's own first time is not counted
        for link, conditions in LINKS.items():
            views = [_sign_in_cold_and_warm(browser, served, conditions) for _ in range(runs)]
            for number, cache in enumerate(("cold", "warm")):
                of_this = [pair[number] for pair in views]
                middle = {
                    name: statistics.median(view[name] for view in of_this) for name in of_this[0]
                }
                rows.append({"link": link, "cache": cache, **middle})
    return rows


@contextmanager
def _chromium() -> Iterator[Browser]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


def _sign_in_cold_and_warm(
    browser: Browser, served: Served, conditions: dict[str, float] | None
) -> tuple[dict[str, float], dict[str, float]]:
    with closing(browser.new_context(locale="en-GB")) as context:
        context.set_default_timeout(WAIT_MS)
        return _view(context, served, conditions), _view(context, served, conditions)


def _view(
    context: BrowserContext, served: Served, conditions: dict[str, float] | None
) -> dict[str, float]:
    context.clear_cookies()
    page = context.new_page()
    page.goto(f"{served.address}/admin/login")
    page.locator("#token").fill(served.token)
    traffic = _Traffic(page, conditions)
    began = time.perf_counter()
    page.locator("button[type=submit]").click(no_wait_after=True)
    page.locator("#health").filter(has_text="ealthy").wait_for()
    taken = time.perf_counter() - began
    painted = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
    view = {
        "seconds": taken,
        "painted_seconds": page.evaluate(painted) / 1000,
        "bytes": traffic.bytes,
        "files": traffic.files,
    }
    page.close()
    return view


class _Traffic:
    """What a page takes from the network from now on."""

    def __init__(self, page: Page, conditions: dict[str, float] | None) -> None:
        self.bytes = 0
        self.files = 0
        self._cached: set[str] = set()
        session = page.context.new_cdp_session(page)
        session.on("Network.requestServedFromCache", lambda e: self._cached.add(e["requestId"]))
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")
        if conditions is not None:
            session.send("Network.emulateNetworkConditions", {"offline": False, **conditions})

    def _received(self, event: dict[str, Any]) -> None:
        if event["response"].get("fromDiskCache"):
            self._cached.add(event["requestId"])

    def _finished(self, event: dict[str, Any]) -> None:
        if event["requestId"] not in self._cached:
            self.bytes += int(event["encodedDataLength"])
            self.files += 1
