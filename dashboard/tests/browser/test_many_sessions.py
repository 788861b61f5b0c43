"""Ten thousand sessions: searched, sorted and paged."""

import re
import time

import pytest
from playwright.sync_api import expect

from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import SessionAppend
from llm_mcp_hub.state.base import Lease
from llm_mcp_hub.testing.store_promise import said

MANY = 10_000
DAY = 86_400.0
LONGEST = 7_321


async def fill(store, now):
    """Sessions a second apart, the last one used just now; one of them has more tokens than all."""
    for number in range(MANY):
        name, at = f"talk-{number:05}", now - MANY + number
        lease = Lease(f"turn-{number}", 60.0)
        usage = Usage(1000 if number == LONGEST else 10, output_tokens=5)
        messages = said(f"About harbour {number}", "Quiet.", at=at)
        await store.begin("ann", name, lease, at)
        change = SessionAppend(0, 0, messages, "echo/echo", "", usage)
        await store.append("ann", name, lease.id, change, DAY, at)


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def full_hub(request, make_hub, tmp_path_factory):
    """A hub whose store holds that many."""
    file = tmp_path_factory.mktemp("state") / "hub.db"
    url = {"memory": "memory://", "sqlite": f"sqlite:///{file}"}[request.param]
    with make_hub(state=url) as hub:
        hub.call(fill(hub.hub.store, time.time()))
        yield hub


def test_ten_thousand_sessions_are_paged_sorted_and_searched(full_hub, make_screen):
    window = make_screen(full_hub)
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("Overview")
    page = window.open("/sessions")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text(f"talk-{MANY - 1:05}")
    page.get_by_role("button", name="Next").click()
    expect(rows.first).to_contain_text(f"talk-{MANY - 51:05}")
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Page 3")).to_be_visible()
    expect(rows.first).to_contain_text(f"talk-{MANY - 101:05}")

    page.get_by_role("button", name="Tokens").click()
    expect(page.get_by_text("Page 1", exact=True)).to_be_visible()
    expect(rows.first).to_contain_text(f"talk-{LONGEST:05}")
    created = page.get_by_role("columnheader", name="Created")
    created.get_by_role("button").click()
    expect(created).to_have_attribute("aria-sort", "descending")
    created.get_by_role("button").click()
    expect(created).to_have_attribute("aria-sort", "ascending")
    expect(rows.first).to_contain_text("talk-00000")

    page.get_by_label("Search").fill("harbour 42")
    expect(rows.first).to_contain_text(re.compile("talk-000?42"))
    page.get_by_label("Search").fill("talk-04217")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("About harbour 4217")
    assert window.troubles == []
