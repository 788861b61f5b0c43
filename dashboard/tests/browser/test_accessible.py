"""axe-core finds nothing serious on any page, light and dark; a picture of each is kept."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from llm_mcp_hub.testing.hub import TestHub

from . import lively
from .conftest import ask, violations

PAGES = {
    "overview": "/",
    "providers": "/providers",
    "tokens": "/tokens",
    "sessions": "/sessions",
    "session": "/session?id=holiday-plans",
    "usage": "/usage",
    "playground": "/playground",
    "access": "/access",
    "settings": "/settings",
}
TABLE = """Thank you! Now as a table:

| Place | Why |
|---|---|
| Vík | black sand |
| Aljezur | cliffs |

and in code:

```python
places = ["Vík", "Aljezur"]
```
"""
TALK = ("Name three quiet places by the sea.", TABLE)


@pytest.fixture(scope="module")
def lived_in(claude_hub) -> Iterator[TestHub]:
    """A hub that is used."""
    with claude_hub() as hub:
        lively.fill(hub)
        for text in TALK:
            ask(hub, text, "holiday-plans")
        for number in range(4):
            ask(hub, f"Summarise report {number}", f"report-{number}", model="claude/sonnet")
        ask(hub, "x", "x", model="echo/none")
        with lively.turns(hub):
            yield hub


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_used_by_everybody(lived_in, make_screen, axe, name, scheme):
    window = make_screen(lived_in, color_scheme=scheme)
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("Overview")
    page = window.open(PAGES[name])
    if name == "usage":
        expect(page.locator(".recharts-line path").first).to_be_visible()
    window.shoot(f"{name}-{scheme}")
    assert violations(page, axe) == []
    assert window.troubles == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_can_be_used_by_everybody(lived_in, make_screen, axe, scheme):
    window = make_screen(lived_in, color_scheme=scheme)
    window.page.goto(f"{lived_in.base_url}/admin")
    window.shoot(f"sign-in-{scheme}")
    assert violations(window.page, axe) == []


@pytest.mark.parametrize("name", ["overview", "sessions", "session", "usage"])
def test_it_can_be_used_in_korean_on_a_phone(lived_in, make_screen, axe, name):
    window = make_screen(lived_in, locale="ko-KR", viewport={"width": 390, "height": 844})
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("개요")
    page = window.open(PAGES[name])
    window.shoot(f"{name}-korean-phone")
    assert violations(page, axe) == []
