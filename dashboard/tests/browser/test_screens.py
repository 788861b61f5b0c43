"""What an admin sees and does, in a real browser on a real hub."""

import re
import threading

import httpx
import pytest
from playwright.sync_api import expect

from llm_mcp_hub.domain.access import Scope

from .conftest import ask, violations

EVIL = (
    "# Plan\n<script>window.evil = 1</script>"
    '<img src=x onerror="window.evil = 2">\n\n'
    "[a link](javascript:window.evil=3) and [a good one](https://example.org/)\n\n"
    "```python\nprint('<b>')\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
    "3. third\n4. fourth\n\n- a point\n- another"
)
PLACES = {
    "Providers": "Providers",
    "Tokens": "Provider logins",
    "Sessions": "Sessions",
    "Usage": "Usage",
    "Playground": "Playground",
    "Access": "Access tokens",
    "Settings": "Settings",
    "Overview": "Overview",
}


def test_signing_in_leads_to_the_overview_and_signing_out_back(screen):
    page = screen.page
    expect(page.locator("#health")).to_contain_text("Healthy")
    expect(page.get_by_text("1 of 1 available")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    page.goto(f"{screen.hub.base_url}/admin/sessions")
    expect(page.locator("#token")).to_be_visible()


def test_a_token_that_is_no_admin_s_is_refused(hub, make_screen):
    window = make_screen(hub)
    window.sign_in(hub.token("guest", Scope.CHAT))
    expect(window.page.get_by_role("alert")).to_contain_text("has not the scope admin")


def test_every_place_of_the_sidebar_is_reached_without_a_reload(screen):
    page = screen.page
    page.evaluate("window.here = 1")
    for link, heading in PLACES.items():
        page.get_by_role("navigation", name="Main").get_by_role("link", name=link).click()
        expect(page.locator("main h1")).to_have_text(heading)
        expect(page.locator(".rt-Skeleton")).to_have_count(0)
        expect(page.locator("[aria-current=page]")).to_have_text(link)
    assert page.evaluate("window.here") == 1
    assert screen.troubles == []


def test_another_tab_is_sent_to_the_sign_in_page_when_the_admin_signs_out(screen):
    other = screen.new_page()
    other.goto(f"{screen.hub.base_url}/admin/settings")
    expect(other.locator("h1")).to_have_text("Settings")
    screen.page.get_by_role("button", name="Sign out").click()
    expect(other.locator("#token")).to_be_visible()


def test_a_message_s_html_is_text_and_none_of_its_scripts_runs(screen, hub):
    ask(hub, EVIL, "evil-talk")
    page = screen.open("/sessions")
    page.locator("tbody tr", has_text="evil-talk").get_by_role("link").click()
    expect(page.get_by_text("<script>window.evil = 1</script>").first).to_be_visible()
    expect(page.locator(".words pre").first).to_contain_text("print('<b>')")
    expect(page.locator(".words table").first).to_be_visible()
    marks = "list => [list.start, getComputedStyle(list.querySelector('li')).listStyleType]"
    assert page.locator(".words ol").first.evaluate(marks) == [3, "decimal"]
    assert page.locator(".words ul").first.evaluate(marks)[1] == "disc"
    assert page.locator("main script, main img").count() == 0
    link = page.get_by_role("link", name="a link").first
    assert "javascript" not in (link.get_attribute("href") or "")
    assert page.evaluate("window.evil") is None
    assert screen.troubles == []


TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
    },
}
EVIL_ARGUMENTS = (
    '{"text":"<img src=x onerror=\\"window.evil = 4\\"><script>window.evil = 5</script>"}'
)


def test_a_tool_call_and_its_result_are_folded_and_shown_as_text(screen, hub, axe):
    calls = ask(hub, f"/call look_up {EVIL_ARGUMENTS}", "tool-talk", tools=[TOOL]).json()
    (call,) = calls["choices"][0]["message"]["tool_calls"]
    found = '{"found":["<b>it</b>",1.50]}'
    result = {"role": "tool", "tool_call_id": call["id"], "content": found}
    answer = ask(hub, "", "tool-talk", messages=[result], tools=[TOOL])
    assert answer.status_code == 200, answer.text
    page = screen.open("/session?id=tool-talk")
    called = page.locator("details.tool", has_text="Call of")
    expect(called.locator("summary strong")).to_have_text("look_up")
    expect(called.locator("pre")).not_to_be_visible()
    called.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(called.locator("pre")).to_contain_text('"text": "<img src=x onerror=')
    expect(called).to_contain_text(call["id"])
    found = page.locator("details.tool", has_text="Result of")
    expect(found.locator("summary strong")).to_have_text("look_up")
    found.locator("summary").click()
    expect(found.locator("pre")).to_contain_text('"<b>it</b>",\n    1.50')
    assert page.locator("main script, main img").count() == 0
    assert page.evaluate("window.evil") is None
    assert violations(page, axe) == []
    screen.shoot("session-tools-light")
    page.set_viewport_size({"width": 360, "height": 780})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert screen.troubles == []


def test_a_session_is_found_by_words_and_paged(screen, hub):
    for number in range(52):
        ask(hub, f"number {number}", f"paged-{number:03}")
    page = screen.open("/sessions")
    expect(page.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("Page 2")).to_be_visible()
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("button", name="Previous").click()
    expect(page.get_by_text("Page 1")).to_be_visible()
    page.get_by_label("Search").fill("paged-017")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("paged-017")
    page.get_by_label("Search").fill("no-such-words")
    expect(page.locator(".nothing")).to_contain_text("No session has “no-such-words”")
    expect(page.locator(".nothing")).not_to_contain_text("X-Session-ID")
    page.get_by_role("button", name="Clear the search").click()
    expect(page.locator("tbody tr")).to_have_count(50)
    expect(page.get_by_label("Search")).to_have_value("")
    expect(page.get_by_label("Search")).to_be_focused()


@pytest.fixture
def talking(slow_hub):
    """Begins an answer of many words in a session, and gives the lines that have come of it."""
    threads: list[threading.Thread] = []

    def begin(session: str) -> tuple[threading.Thread, list[str]]:
        lines: list[str] = []

        def stream():
            body = {
                "model": "echo/echo",
                "stream": True,
                "messages": [{"role": "user", "content": "word " * 400}],
            }
            with httpx.stream(
                "POST",
                f"{slow_hub.base_url}/v1/chat/completions",
                json=body,
                headers={**slow_hub.headers(), "x-session-id": session},
                timeout=90,
            ) as response:
                lines.extend(response.iter_lines())

        threads.append(threading.Thread(target=stream))
        threads[-1].start()
        return threads[-1], lines

    yield begin
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def forced_to_end(page, talking, lines):
    growing = page.locator(".talk > li").last
    expect(growing).to_contain_text("word word word")
    page.get_by_role("button", name="Force end").click()
    page.get_by_role("button", name="End and delete").click()
    expect(page.locator("main h1")).to_have_text("Sessions")
    expect(page.get_by_text("No session yet")).to_be_visible()
    talking.join(30)
    assert not talking.is_alive()
    assert "data: [DONE]" not in lines


def test_a_session_that_streams_is_watched_and_forced_to_end(slow_hub, make_screen, talking):
    window = make_screen(slow_hub)
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("Overview")
    ask(slow_hub, "hello", "long-talk")
    running, lines = talking("long-talk")
    page = window.open("/sessions")
    expect(page.get_by_text("answering")).to_be_visible()
    page.locator("tbody a").first.click()
    forced_to_end(page, running, lines)


def test_a_session_is_watched_and_forced_to_end_while_its_first_answer_is_made(
    slow_hub, make_screen, talking
):
    window = make_screen(slow_hub)
    page = window.sign_in()
    running, lines = talking("first-talk")
    page.get_by_role("link", name="Look on").click()
    facts = page.locator("dl.facts")
    expect(facts).to_contain_text("first-talk")
    expect(facts).to_contain_text("echo/echo")
    forced_to_end(page, running, lines)
    page = window.open("/session?id=first-talk")
    expect(page.get_by_text("There is no such session")).to_be_visible()
    expect(page.get_by_role("button", name="Force end")).to_have_count(0)


def test_the_playground_streams_an_answer_and_stops_one(slow_hub, make_screen):
    window = make_screen(slow_hub)
    window.sign_in()
    page = window.open("/playground")
    page.get_by_label("Your message").fill("**bold** words")
    page.get_by_label("Your message").press("Enter")
    expect(page.locator(".talk strong", has_text="bold").last).to_be_visible()
    expect(page.get_by_text("First word")).to_be_visible()
    page.get_by_label("Your message").fill("more " * 300)
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".talk > li").last).to_contain_text("more more more")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped.")).to_be_visible()
    assert window.troubles == []


def test_an_alias_is_in_the_playground_s_list_and_answers(make_hub, make_screen):
    with make_hub({"aliases": {"fast": "echo/echo"}}) as hub:
        window = make_screen(hub)
        window.sign_in()
        page = window.open("/playground")
        page.get_by_label("Model").click()
        page.get_by_role("option", name="fast", exact=True).click()
        page.get_by_label("Your message").fill("quick words")
        page.get_by_label("Your message").press("Enter")
        expect(page.get_by_text("First word")).to_be_visible()
        expect(page.locator(".talk > li").last).to_contain_text("quick words")
        assert window.troubles == []


def test_a_worker_that_is_killed_is_seen_without_a_reload(screen, hub):
    page = screen.open("/providers")
    page.get_by_text("Workers one by one").click()
    cells = page.locator("tbody tr td:first-child")
    expect(cells.first).to_have_text(re.compile(r"\d+"))
    pid = int(cells.first.inner_text())
    hub.call(_kill(pid))
    expect(page.locator("tbody")).not_to_contain_text(str(pid), timeout=5000)


async def _kill(pid: int) -> None:
    import os
    import signal

    os.kill(pid, signal.SIGKILL)
