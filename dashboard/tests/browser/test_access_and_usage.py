"""Access tokens and usage, as an admin handles them."""

import re

import httpx
from playwright.sync_api import expect

from .conftest import ask


def test_an_access_token_is_made_shown_once_and_revoked(screen, hub):
    page = screen.open("/access")
    page.get_by_role("button", name="Create token").click()
    page.get_by_label("Name").fill("n8n")
    page.get_by_label("Requests per minute").fill("60")
    page.get_by_role("button", name="Create", exact=True).click()
    text = page.locator("#fresh-token").inner_text()
    models = f"{hub.base_url}/v1/models"
    assert httpx.get(models, headers=hub.headers(text)).status_code == 200
    screen.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".notices [role=status]")).to_contain_text("The access token was copied.")
    assert page.evaluate("navigator.clipboard.readText()") == text
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Copy").click()
    expect(page.locator(".notices [role=alert]")).to_contain_text("copy it yourself")
    page.get_by_role("button", name="Close").click()
    row = page.locator("tbody tr", has_text="n8n")
    expect(row).to_contain_text("Requests per minute: 60")
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#fresh-token")).to_have_count(0)
    row.get_by_role("button", name="Revoke").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    assert httpx.get(models, headers=hub.headers(text)).status_code == 401


def test_usage_is_drawn_from_real_requests_and_exported(screen, hub):
    for number in range(3):
        ask(hub, f"count {number}", f"counted-{number}")
    page = screen.open("/usage")
    expect(page.locator(".recharts-line path").first).to_be_visible()
    expect(page.locator(".recharts-pie-sector").first).to_be_visible()
    expect(page.get_by_text("echo/echo").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    assert download.value.suggested_filename == "usage-hour.csv"
    page.get_by_role("radio", name="Days").click()
    points = page.locator("circle.recharts-line-dot")
    dashes = "all => [...new Set(all.map(one => getComputedStyle(one).strokeDasharray))]"
    expect(points.first).to_be_visible()
    assert points.evaluate_all(dashes) in (["0"], ["0px"])
    page.get_by_role("radio", name="Months").click()
    tick = page.locator(".chart text").first
    expect(tick).to_have_text(re.compile(r"^[A-Z][a-z]+ \d{4}$"))
    page.get_by_role("button", name="한국어").click()
    expect(tick).to_have_text(re.compile(r"^\d{4}년 \d+월$"))
