"""A provider that came with its plugin, and that nobody has logged in, is no trouble anywhere."""

import httpx
import pytest
from playwright.sync_api import expect

import llm_mcp_hub_claude
import llm_mcp_hub_dashboard
from llm_mcp_hub.testing.hub import create_test_hub

LANGUAGES = {
    "en-GB": ("1 of 1 available", "not set up", "Not set up", "How to set it up", "Verify now"),
    "ko-KR": ("1개 중 1개 사용 가능", "설정되지 않음", "설정되지 않음", "설정 방법", "지금 확인"),
}
COMMAND = "llm-mcp-hub setup claude"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with Claude's plugin, and no login of Claude's anywhere."""
    for name in ("CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    plugins = [("claude", llm_mcp_hub_claude), ("dashboard", llm_mcp_hub_dashboard)]
    with create_test_hub(plugins=plugins) as running:
        yield running


@pytest.mark.parametrize("locale", LANGUAGES)
def test_it_is_grey_everywhere_and_each_page_says_what_to_do(hub, make_screen, locale):
    count, word, badge, how, verify = LANGUAGES[locale]
    window = make_screen(hub, locale=locale)
    page = window.sign_in()
    expect(page.locator("#health .dot-green")).to_be_visible()
    expect(page.get_by_text(count)).to_be_visible()
    line = page.locator(".lines li", has_text="claude")
    expect(line).to_contain_text(word)
    expect(line.locator("code")).to_have_text(COMMAND)
    expect(line.locator(".dot-gray")).to_be_visible()
    expect(page.locator("#alerts .numbers")).to_have_text("0")
    page.locator("#alerts").click()
    expect(page.get_by_role("dialog").locator(".lines code")).to_have_text(COMMAND)
    window.shoot(f"not-set-up-{locale}")

    page = window.open("/providers")
    card = page.locator("section.edge-gray")
    expect(card.get_by_role("heading")).to_have_text("claude")
    expect(card).to_contain_text(badge)
    expect(card).to_contain_text(COMMAND)
    expect(card.get_by_role("button")).to_have_count(0)
    expect(page.locator("section.edge-red")).to_have_count(0)

    page = window.open("/tokens")
    card = page.locator("section.edge-gray")
    expect(card).to_contain_text(badge)
    expect(card).to_contain_text(COMMAND)
    expect(card.get_by_role("link", name=how)).to_be_visible()
    expect(page.get_by_role("button", name=verify)).to_have_count(0)

    # Nobody is asked who can't answer.
    page = window.open("/playground")
    expect(page.locator("#model")).to_have_text("echo/echo")
    assert window.troubles == []


def test_one_that_was_added_and_is_not_installed_says_so_once(hub, make_screen):
    body = {"name": "work", "kind": "claude"}
    httpx.post(f"{hub.base_url}/v1/providers", json=body, headers=hub.headers()).raise_for_status()
    window = make_screen(hub)
    window.sign_in()
    card = window.open("/providers").locator("section.card", has=window.page.get_by_text("work"))
    expect(card.locator(".note-red")).to_contain_text("is not installed.")
    expect(card.locator(".note-red code").first).to_contain_text("llm-mcp-hub setup")
    expect(card.locator(".note-amber")).to_have_count(0)
