"""The whole of a page is in the chosen language, and no word of it is broken."""

import re

import pytest
from playwright.sync_api import expect

from .conftest import violations

LINES = """one => {
  const range = document.createRange();
  range.selectNodeContents(one);
  return new Set([...range.getClientRects()].map(box => Math.round(box.bottom))).size;
}"""


def test_korean_is_chosen_by_the_browser_and_by_hand(hub, make_screen):
    window = make_screen(hub, locale="ko-KR")
    window.page.goto(f"{hub.base_url}/admin")
    expect(window.page.get_by_label("접근 토큰")).to_be_visible()
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("개요")
    expect(window.page.locator("#health")).to_contain_text("정상")
    expect(window.page).to_have_title("개요 · LLM MCP Hub")
    expect(window.page.locator("html")).to_have_attribute("lang", "ko")
    window.page.get_by_role("button", name="English").click()
    expect(window.page.locator("main h1")).to_have_text("Overview")
    expect(window.page).to_have_title("Overview · LLM MCP Hub")
    expect(window.page.locator("html")).to_have_attribute("lang", "en")
    window.page.reload()
    expect(window.page.locator("main h1")).to_have_text("Overview")


@pytest.mark.parametrize(
    ("locale", "said", "link", "overview"),
    [
        ("en-GB", "There is no such page", "Go to the overview", "Overview"),
        ("ko-KR", "그런 페이지가 없습니다", "개요로 가기", "개요"),
    ],
)
def test_where_there_is_no_page_a_link_leads_back(
    hub, make_screen, axe, locale, said, link, overview
):
    window = make_screen(hub, locale=locale)
    window.sign_in()
    page = window.open("/nothing")
    expect(page.locator("main h1")).to_have_text(said)
    assert violations(page, axe) == []
    page.get_by_role("link", name=link).click()
    expect(page.locator("main h1")).to_have_text(overview)


def test_korean_words_are_not_broken_on_a_phone(hub, make_screen):
    window = make_screen(hub, locale="ko-KR", viewport={"width": 390, "height": 780})
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("개요")
    words = window.open("/settings").get_by_text("기본값", exact=True)
    assert words.first.evaluate(LINES) == 1
    words = window.open("/access").get_by_role("button", name="폐기").first
    assert words.evaluate(LINES) == 1
    page = window.open("/providers")
    page.get_by_text("워커 목록").click()
    assert page.get_by_text("여유", exact=True).first.evaluate(LINES) == 1


def test_forms_say_in_korean_alone_what_is_wrong(hub, make_screen):
    window = make_screen(hub, locale="ko-KR")
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("개요")
    page = window.open("/access")
    page.get_by_role("button", name="토큰 만들기").click()
    page.get_by_label("이름").fill("korean")
    page.get_by_label("분당 요청").fill("many")
    page.get_by_role("button", name="만들기", exact=True).click()
    expect(page.get_by_role("alert")).to_have_text(re.compile(r"분당 요청: [^A-Za-z]+"))
    page.get_by_label("분당 요청").fill("60")
    page.get_by_role("button", name="만들기", exact=True).click()
    expect(page.locator("tbody tr", has_text="korean")).to_contain_text("분당 요청: 60")
    page = window.open("/providers")
    page.get_by_role("button", name="제공자 추가").click()
    page.get_by_label("이름").fill("another")
    page.get_by_label("설정 (JSON)").fill("not JSON")
    page.get_by_role("button", name="추가", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("설정이 JSON 객체가 아닙니다")
