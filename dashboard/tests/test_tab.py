"""Every event of a page runs for a live session, and for nobody else."""

import httpx
import pytest
import simple_websocket

from .conftest import HYDRATE

PREFS = "reflex___state____state.llm_mcp_hub_dashboard___ui___text____prefs"
SIGNED_OUT = "tab.signed_out_rx_state_"
ADMIN = "tab.admin_rx_state_"


def test_a_page_learns_who_is_signed_in_and_shows_the_hub(admin):
    tab = admin.tab()
    tab.send(HYDRATE)
    known = tab.wait_for(lambda known: known.get("overview.phase_rx_state_") == "ready")
    assert known["overview.health_rx_state_"]["status"] == "healthy"
    assert known["overview.counts_rx_state_"]["available"] == 1
    assert known[ADMIN].startswith("admin-")


def test_an_event_after_the_end_of_the_session_runs_nothing_and_says_so(admin):
    tab = admin.tab()
    tab.send(HYDRATE)
    tab.wait_for(lambda known: known.get("state.is_hydrated_rx_state_"))
    admin.sign_out()
    tab.wait_for(lambda known: known.get(SIGNED_OUT))
    tab.send(f"{PREFS}.speak", {"language": "ko"})
    heard: list[str] = []
    with pytest.raises(simple_websocket.ConnectionClosed):
        tab.receive_to_the_end(heard)
    assert any("signed_out" in text for text in heard)
    assert not any('"ko"' in text for text in heard)


def test_whatever_a_tab_showed_is_gone_when_its_session_ends(admin):
    tab = admin.tab()
    tab.send(HYDRATE)
    tab.wait_for(lambda known: known.get("overview.phase_rx_state_") == "ready")
    admin.sign_out()
    known = tab.wait_for(lambda known: known.get(SIGNED_OUT))
    assert known[SIGNED_OUT] is True


def test_a_tab_that_another_admin_used_before_starts_from_nothing(admin, hub, new_visitor):
    first = admin.tab()
    first.send(HYDRATE)
    name = first.wait_for(lambda known: known.get(ADMIN))[ADMIN]
    first.close()
    other = new_visitor(hub)
    other.sign_in(hub.token("second-admin", "admin"))
    second = other.tab(token=first.token)
    second.send(HYDRATE)
    known = second.wait_for(lambda known: known.get(ADMIN))
    assert known[ADMIN] == "second-admin" != name


def test_a_message_of_a_session_that_nobody_may_see_is_not_sent_before_it_is_asked_for(admin, hub):
    httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        headers={**hub.headers(), "x-session-id": "private-talk"},
        json={"model": "echo/echo", "messages": [{"role": "user", "content": "a-secret-word"}]},
    )
    tab = admin.tab()
    tab.send(HYDRATE)
    known = tab.wait_for(lambda known: known.get("overview.phase_rx_state_") == "ready")
    assert "a-secret-word" not in str(known)


def test_the_cookie_never_reaches_the_state_of_a_page(admin):
    tab = admin.tab()
    tab.send(HYDRATE)
    known = tab.wait_for(lambda known: known.get("state.is_hydrated_rx_state_"))
    assert admin.cookie not in str(known)


def test_what_is_no_event_breaks_nothing(admin):
    for text in ("nonsense", '42/admin/_event,["event",17]', '42/admin/_event,["what",{}]'):
        tab = admin.tab()  # one for each, for the hub may close it at once
        tab.socket.send(text)
        tab.close()
    tab = admin.tab()
    tab.send("reflex___state____state.no_such_event")
    tab.close()
    again = admin.tab()
    again.send(HYDRATE)
    again.wait_for(lambda known: known.get("state.is_hydrated_rx_state_"))
