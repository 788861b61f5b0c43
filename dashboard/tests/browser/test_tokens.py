"""The logins of providers, from files with known dates, in their four colours."""

import json
import re
import time

import pytest
from playwright.sync_api import expect

import llm_mcp_hub_claude
import llm_mcp_hub_dashboard
from llm_mcp_hub.testing.hub import create_test_hub

from .conftest import WAIT_MS

DAY = 86_400
LOGINS = {"green": (30, "Valid"), "amber": (3, "Expiring soon"), "red": (-2, "Expired")}


@pytest.fixture
def logins(tmp_path):
    """A hub with a Claude provider for each colour. Their programs are never started for a turn."""
    providers = {"claude": {"enabled": False}}
    for colour in (*LOGINS, "gray"):
        folder = tmp_path / colour
        folder.mkdir()
        login = {"accessToken": "sk-ant-oat01-test", "subscriptionType": "max"}
        if colour in LOGINS:
            end = (time.time() + LOGINS[colour][0] * DAY + 60) * 1000
            login |= {"expiresAt": end, "refreshTokenExpiresAt": end}
        (folder / ".credentials.json").write_text(json.dumps({"claudeAiOauth": login}))
        providers[colour] = {
            "kind": "claude",
            "config_dir": str(folder),
            "executable": "/bin/false",
        }
    plugins = [("claude", llm_mcp_hub_claude), ("dashboard", llm_mcp_hub_dashboard)]
    with create_test_hub({"providers": providers}, plugins=plugins) as hub:
        yield hub


def test_each_login_has_the_colour_of_its_state_and_says_it_in_words(logins, make_screen):
    window = make_screen(logins, viewport={"width": 1280, "height": 900})
    window.sign_in()
    page = window.open("/tokens")
    cards = page.locator("section.card")
    expect(cards).to_have_count(4)
    for colour, (days, words) in LOGINS.items():
        card = page.locator(f"section.edge-{colour}")
        expect(card.get_by_role("heading")).to_have_text(colour)
        expect(card).to_contain_text(words)
        left = f"{days} days left" if days >= 0 else f"{-days} days ago"
        expect(card).to_contain_text(left)
        expect(card.get_by_role("link", name="How to renew")).to_have_attribute(
            "href", re.compile("logins/#" + colour)
        )
    expect(page.locator("section.edge-gray")).to_contain_text("Unknown")
    assert cards.first.get_by_role("heading").inner_text() == "red"
    window.shoot("token-colours-light")
    page = window.open("/")
    expect(page.locator("#health")).to_contain_text("Degraded", timeout=WAIT_MS)
    window.shoot("overview-degraded-light")


def test_what_the_hub_says_of_its_logins_is_korean_in_the_korean_view(logins, make_screen):
    window = make_screen(logins, locale="ko-KR")
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("개요")
    page = window.open("/tokens")
    red = page.locator("section.edge-red")
    expect(red).to_contain_text("로그인이 만료되었습니다.")
    expect(red).to_contain_text("llm-mcp-hub setup red을(를) 실행해 다시 로그인하세요.")
    expect(red.locator("code").last).to_have_text("llm-mcp-hub setup red")
    expect(page.locator("main [lang=en]")).to_have_count(0)
    page.get_by_role("button", name="지금 확인: green").click()
    notice = page.locator(".notices")
    # What a code stands for, and the case in the hub's own words.
    expect(notice).to_contain_text(re.compile("[가-힣]+"))
    window.shoot("token-colours-korean")
