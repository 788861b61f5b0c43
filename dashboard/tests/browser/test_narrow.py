"""Windows of any width, and a keyboard without a mouse."""

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("width", [360, 820, 1920])
def test_nothing_is_wider_than_the_window(hub, make_screen, width):
    window = make_screen(hub, viewport={"width": width, "height": 780})
    window.page.goto(f"{hub.base_url}/admin")
    expect(window.page.locator("#token")).to_be_visible()
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    window.sign_in()
    for path in ("/", "/providers", "/sessions", "/usage", "/playground", "/access", "/settings"):
        page = window.open(path)
        if path == "/providers":
            page.get_by_text("Workers one by one").click()
            expect(page.locator("tbody td").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_on_a_phone_the_menu_leads_everywhere_by_keyboard(hub, make_screen):
    window = make_screen(hub, viewport={"width": 360, "height": 780})
    window.sign_in()
    page = window.open("/")
    page.get_by_role("button", name="Menu").press("Enter")
    page.get_by_role("menuitem", name="Settings").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main h1")).to_have_text("Settings")


def test_the_first_key_leads_past_the_menu(screen):
    page = screen.page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
