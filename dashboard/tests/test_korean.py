"""What the hub says is shown in Korean where it is known, and else as it is."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llm_mcp_hub_claude.credentials as claude_logins
from llm_mcp_hub import errors
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.providers.registry import Entry, Origin
from llm_mcp_hub.services import alerts
from llm_mcp_hub.testing.hub import create_test_hub
from llm_mcp_hub_dashboard.ui import korean, views
from llm_mcp_hub_dashboard.ui.korean import translated

NOW = 1_800_000_000.0


def tree(error=errors.HubError):
    for one in error.__subclasses__():
        if one.__module__ == errors.__name__:
            yield one
            yield from tree(one)


def test_every_error_of_the_hub_has_its_words():
    codes = {one.code for one in tree()}
    assert codes == set(korean.ERRORS)


def test_an_error_is_told_by_its_code_with_the_case_in_english_after_it():
    assert korean.error("name_taken", "There is a provider second.") == (
        "이미 쓰이는 이름입니다. (There is a provider second.)"
    )
    assert korean.error("draining", "The hub is shutting down.") == "허브가 종료되는 중입니다."
    assert korean.error("of_a_plugin", "Strange.") == "Strange."


def test_sentences_one_after_the_other_are_all_told():
    said = "Claude Code is not logged in. Run `llm-mcp-hub setup second`."
    assert translated(said) == (
        "Claude Code에 로그인되어 있지 않습니다. `llm-mcp-hub setup second`을(를) 실행하세요."
    )


@pytest.mark.parametrize("state", [{"draining": True}, {"leaving": True}])
def test_why_a_provider_takes_no_new_turn_is_known(state):
    refusal = Entry("echo", "echo", Origin.ADDED, **state).refusal
    assert translated(refusal.message) != refusal.message


def test_what_is_known_in_part_stays_english_as_a_whole():
    said = "Claude Code is not logged in. Ask somebody."
    assert translated(said) == said


def test_what_a_store_says_of_itself_follows_in_its_own_words():
    said = "The state store (redis) does not answer: connection refused. Try again."
    assert translated(said) == (
        "상태 저장소(redis)가 응답하지 않습니다: connection refused. Try again."
    )


@pytest.mark.parametrize("days", [-1, 0.5, 1.5, 30])
def test_all_that_is_said_of_a_dated_login_is_known(days):
    status = claude_logins._dated("oauth_token", NOW + days * 86_400, NOW, None, "")
    for said in filter(None, (status.message, status.remedy)):
        assert translated(said) != said


def test_what_is_said_of_a_tool_that_is_not_there_is_known(tmp_path):
    hub = create_test_hub(
        {"providers": {"claude": {"executable": str(tmp_path / "none")}}},
        plugins=[("claude", __import__("llm_mcp_hub_claude"))],
    )
    with hub:
        reports = hub.call(hub.hub.status.providers())
        health = hub.call(hub.hub.status.health())
    (claude,) = [one for one in reports if one.name == "claude"]
    assert claude.state is ProviderState.UNAVAILABLE
    assert translated(claude.reason) != claude.reason
    found = alerts.alerts_of(alerts.Facts(health, tuple(reports), ()), {}, NOW)
    assert found
    for alert in found:
        for said in filter(None, (alert.message, alert.remedy)):
            assert translated(said) != said, said


def test_a_row_has_both():
    alert = {"severity": "info", "subject": "x", "message": "It was never set up.", "remedy": "?"}
    (row,) = views.alerts({"data": [{**alert, "since": NOW}]})
    assert (row["text"], row["text_ko"]) == ("It was never set up.", "아직 설정되지 않았습니다.")
    assert row["remedy_ko"] == "?"


@given(st.text(string.printable))
def test_whatever_is_said_something_is_shown(text):
    assert bool(translated(text)) == bool(text)


@given(
    st.sampled_from(sorted(korean.SENTENCES)),
    st.from_regex(r"[a-z]+(\.[a-z]+)? [a-z]+", fullmatch=True),
)
def test_each_sentence_is_known_by_itself_with_anything_in_its_holes(template, word):
    said = template.replace("{}", word)
    assert translated(said) != said
    assert "{}" not in template or word in translated(said)
