"""What an admin does with providers and access tokens, in a real browser, and what it does."""

import json
import re
import time

import httpx
import pytest
from playwright.sync_api import expect

from .conftest import ask, violations

DAY = 86_400


@pytest.fixture(scope="module")
def hub(claude_hub):
    """A hub with a Claude provider."""
    with claude_hub() as running:
        yield running


@pytest.fixture
def login(tmp_path):
    """Another login, as the tool stores it."""
    end = (time.time() + 30 * DAY) * 1000
    tokens = {"accessToken": "sk-ant-oat01-second", "refreshToken": "sk-ant-ort01-second"}
    dates = {"expiresAt": end, "refreshTokenExpiresAt": end}
    more = {"scopes": ["user:inference"], "subscriptionType": "max"}
    tmp_path.chmod(0o700)
    file = tmp_path / ".credentials.json"
    file.write_text(json.dumps({"claudeAiOauth": tokens | dates | more}))
    file.chmod(0o600)
    return tmp_path


def status_of(hub, model):
    return ask(hub, "hello", "none", model=model).status_code


def card_of(page, name):
    return page.locator("section.card", has=page.get_by_role("heading", name=name, exact=True))


def test_a_login_is_verified_by_a_request_at_once(hub, screen):
    page = screen.open("/tokens")
    card = card_of(page, "claude")
    fact = card.locator("dl > div", has_text="Last verified by a request")
    asked = time.time()
    card.get_by_role("button", name="Verify now: claude").click()
    expect(page.locator(".notices")).to_contain_text("claude answered: its login works.")
    report = httpx.get(f"{hub.base_url}/health/tokens", headers=hub.headers()).json()["data"][0]
    assert report["verified_at"] >= asked
    expect(fact).to_contain_text(re.compile(r"\d\d:\d\d"))
    assert screen.troubles == []


def test_a_verification_that_fails_says_why(hub, screen):
    page = screen.open("/providers")
    card_of(page, "claude").get_by_role("button", name="Drain").click()
    expect(page.locator(".notices")).to_contain_text("claude takes no new turns.")
    page = screen.open("/tokens")
    page.get_by_role("button", name="Verify now: claude").click()
    expect(page.locator(".notices .note-red")).to_be_visible()
    page = screen.open("/providers")
    card_of(page, "claude").get_by_role("button", name="Resume").click()
    expect(page.locator(".notices")).to_contain_text("claude takes turns again.")


def test_a_provider_is_added_drained_resumed_and_removed(hub, screen, login):
    page = screen.open("/providers")
    page.get_by_role("button", name="Add provider").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_label("Kind")).to_be_visible()
    form.get_by_label("Kind").click()
    page.get_by_role("option", name="claude").click()
    expect(form).to_contain_text("config_dir")
    form.get_by_label("Name").fill("second")
    form.get_by_label("Settings").fill("not JSON")
    form.get_by_role("button", name="Add").click()
    expect(form.get_by_role("alert")).to_contain_text("not a JSON object")
    form.get_by_label("Settings").fill('{"executable": "/bin/sh"}')
    form.get_by_role("button", name="Add").click()
    expect(form.get_by_role("alert")).to_contain_text("executable")
    expect(page.locator(".notices .note")).to_have_count(0)
    form.get_by_label("Settings").fill(json.dumps({"config_dir": str(login)}))
    form.get_by_role("button", name="Add").click()
    expect(form).to_have_count(0)
    expect(page.locator(".notices")).to_contain_text("second was added.")

    card = card_of(page, "second")
    expect(card).to_contain_text("Available")
    assert status_of(hub, "second/sonnet") == 200
    card.get_by_role("button", name="Drain").click()
    expect(card.get_by_text("draining", exact=True)).to_be_visible()
    assert status_of(hub, "second/sonnet") == 503
    card.get_by_role("button", name="Resume").click()
    expect(card.get_by_text("draining", exact=True)).to_have_count(0)
    assert status_of(hub, "second/sonnet") == 200

    expect(card_of(page, "claude").get_by_role("button", name="Remove")).to_have_count(0)
    card.get_by_role("button", name="Remove").click()
    sure = page.get_by_role("alertdialog")
    expect(sure).to_contain_text("Remove second?")
    sure.get_by_role("button", name="Cancel").click()
    expect(card).to_be_visible()
    card.get_by_role("button", name="Remove").click()
    sure.get_by_role("button", name="Remove").click()
    expect(sure).to_have_count(0)
    expect(page.locator(".notices")).to_contain_text("second is being removed.")
    expect(page.locator("section.card h2", has_text="second")).to_have_count(0)
    gone = httpx.get(f"{hub.base_url}/v1/providers/second", headers=hub.headers())
    assert gone.status_code == 404
    assert [said for said in screen.troubles if "/admin" in said] == []


def test_workers_are_restarted(hub, screen):
    page = screen.open("/providers")
    card = card_of(page, "claude")
    card.get_by_text("Workers one by one").click()
    pid = card.locator("tbody td:first-child").first
    expect(pid).to_have_text(re.compile(r"\d+"))
    before = pid.inner_text()
    card.get_by_role("button", name="Restart workers").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Restart").click()
    expect(page.locator(".notices")).to_contain_text("claude replaces its workers.")
    expect(card.locator("tbody")).to_contain_text(re.compile(r"\d+"))
    expect(card.locator("tbody td:first-child", has_text=re.compile(f"^{before}$"))).to_have_count(
        0
    )
    assert status_of(hub, "claude/sonnet") == 200


def test_an_access_token_s_limit_holds_until_it_is_revoked(hub, screen):
    page = screen.open("/access")
    page.get_by_role("button", name="Create token").click()
    page.get_by_label("Name").fill("narrow")
    page.get_by_label("Requests per minute").fill("2")
    page.get_by_role("button", name="Create", exact=True).click()
    text = page.locator("#fresh-token").inner_text()
    page.get_by_role("button", name="Done").click()

    def chat():
        return httpx.post(
            f"{hub.base_url}/v1/chat/completions",
            headers={**hub.headers(text), "x-session-id": "none"},
            json={"model": "echo/echo", "messages": [{"role": "user", "content": "hi"}]},
        ).status_code

    assert [chat(), chat(), chat()] == [200, 200, 429]
    page.get_by_role("button", name="Create token").click()
    form = page.get_by_role("dialog")
    expect(form.get_by_role("alert")).to_have_count(0)
    form.get_by_label("Name").fill("narrow")
    form.get_by_role("button", name="Create", exact=True).click()
    expect(form.get_by_role("alert")).to_contain_text("narrow")
    expect(page.locator(".notices .note")).to_have_count(0)
    form.get_by_role("button", name="Cancel").click()
    row = page.locator("tbody tr", has_text="narrow")
    expect(row).to_contain_text("Requests per minute: 2")
    row.get_by_role("button", name="Revoke narrow").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    assert chat() == 401
    page.reload()
    expect(page.locator("main h1")).to_have_text("Access tokens")
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(row).to_have_count(0)


def test_a_success_leaves_by_itself_and_hides_nothing_on_a_phone(hub, make_screen, monkeypatch):
    window = make_screen(hub, viewport={"width": 360, "height": 780})
    window.sign_in()
    page = window.open("/providers")
    done = page.locator(".notices [role=status] .note")
    card_of(page, "claude").get_by_role("button", name="Drain").click()
    expect(done).to_contain_text("claude takes no new turns.")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("menuitem", name="Playground").click()
    send = page.get_by_role("button", name="Send")
    send.click(trial=True)
    expect(done).to_be_visible()
    monkeypatch.setattr("llm_mcp_hub_dashboard.ui.notices.SECONDS", 0.5)
    page = window.open("/providers")
    card_of(page, "claude").get_by_role("button", name="Resume").click()
    expect(done).to_contain_text("claude takes turns again.")
    expect(done).to_have_count(0)
    assert window.troubles == []


DIALOGS = {
    "add-provider": ("/providers", "Add provider", "dialog"),
    "restart": ("/providers", "Restart workers", "alertdialog"),
    "create-token": ("/access", "Create token", "dialog"),
    "revoke": ("/access", "Revoke admin", "alertdialog"),
    "alerts": ("/", "alerts", "dialog"),
    "force-end": ("/session?id=to-be-ended", "Force end", "alertdialog"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", DIALOGS)
def test_a_dialog_can_be_used_by_everybody_and_left_by_escape(hub, make_screen, axe, name, scheme):
    path, button, role = DIALOGS[name]
    if name == "force-end":
        ask(hub, "hello", "to-be-ended")
    window = make_screen(hub, color_scheme=scheme, reduced_motion="reduce")
    window.sign_in()
    expect(window.page.locator("main h1")).to_have_text("Overview")
    page = window.open(path)
    opener = page.get_by_role("button", name=button).first
    opener.click()
    dialog = page.get_by_role(role)
    expect(dialog).to_be_visible()
    dialog.evaluate("d => Promise.all(d.getAnimations({subtree: true}).map(a => a.finished))")
    window.shoot(f"dialog-{name}-{scheme}")
    # What is behind it is dimmed, hidden from screen readers and out of reach.
    assert violations(page, axe, f"[role={role}]") == []
    assert dialog.evaluate("dialog => dialog.contains(document.activeElement)")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()
    assert window.troubles == []
