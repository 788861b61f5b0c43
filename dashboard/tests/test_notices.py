"""What is said of an action: as long as it is of use, and no longer."""

import pytest

from .conftest import HYDRATE

STATES = "reflex___state____state.llm_mcp_hub_dashboard___ui___"
DO = f"{STATES}screens___providers____providers.do"
CREATE = f"{STATES}screens___access_form____access_form.send"
KIND = "notices.kind_rx_state_"


@pytest.fixture
def tab(admin):
    opened = admin.tab()
    opened.send(HYDRATE)
    opened.wait_for(lambda known: known.get("state.is_hydrated_rx_state_"))
    return opened


def said(tab, kind):
    return tab.wait_for(lambda known: known.get(KIND) == kind)


def do(tab, name, what):
    tab.send(DO, {"name": name, "what": what})


def test_a_failure_stays_until_another_action_succeeds(tab):
    do(tab, "nobody", "drain")
    said(tab, "red")
    tab.send(CREATE, {"form": {"name": "quiet", "scope-chat": True}})
    said(tab, "")
    do(tab, "nobody", "drain")
    said(tab, "red")
    do(tab, "echo", "resume")
    said(tab, "green")


def test_a_failure_stays_until_another_page_is_shown(tab):
    do(tab, "nobody", "drain")
    said(tab, "red")
    tab.send(HYDRATE, path="/settings")
    said(tab, "")


def test_a_success_leaves_after_a_while_and_a_failure_does_not(tab, monkeypatch):
    monkeypatch.setattr("llm_mcp_hub_dashboard.ui.notices.SECONDS", 0.5)
    do(tab, "echo", "resume")
    said(tab, "green")
    said(tab, "")
    do(tab, "nobody", "drain")
    said(tab, "red")
    with pytest.raises(AssertionError, match="nothing came"):
        tab.wait_for(lambda known: KIND in known)
