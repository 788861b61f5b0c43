"""Ids, model ids, scopes, and the state of a login."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.ids import is_session_id, new_session_id, new_turn_id
from llm_mcp_hub.domain.model import split_model_id
from llm_mcp_hub.domain.status import (
    WARNING_DAYS,
    CredentialState,
    credential_state,
)

DAY = 86_400
ALLOWED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"


@given(st.text(ALLOWED, min_size=1, max_size=128))
def test_a_session_id_is_made_of_harmless_characters(value: str) -> None:
    assert is_session_id(value)


@given(st.text(max_size=140))
def test_no_other_text_is_a_session_id(value: str) -> None:
    allowed = 1 <= len(value) <= 128 and set(value) <= set(ALLOWED) and value != "none"
    assert is_session_id(value) == allowed


@pytest.mark.parametrize(
    "value", ["", "a" * 129, "a/b", "../x", "a b", "a\n", "a\x00", "é", "a;rm", "٣", "none"]
)
def test_a_dangerous_or_long_session_id_is_refused(value: str) -> None:
    assert not is_session_id(value)


def test_new_ids_differ_and_are_allowed() -> None:
    ids = {make() for make in (new_session_id, new_turn_id) for _ in range(100)}
    assert len(ids) == 200
    assert all(is_session_id(value) for value in ids)


@pytest.mark.parametrize(
    ("model_id", "halves"),
    [
        ("claude/sonnet", ("claude", "sonnet")),
        ("claude/a/b", ("claude", "a/b")),
        ("sonnet", None),
        ("/sonnet", None),
        ("claude/", None),
        ("/", None),
        ("", None),
    ],
)
def test_a_model_id_names_its_provider_first(model_id: str, halves: tuple[str, str] | None) -> None:
    assert split_model_id(model_id) == halves


@pytest.mark.parametrize(
    "scopes", [c for n in range(4) for c in itertools.combinations(Scope, n)], ids="+".join
)
def test_admin_includes_every_scope_and_no_other_scope_includes_another(
    scopes: tuple[Scope, ...],
) -> None:
    principal = Principal("someone", frozenset(scopes))
    for scope in Scope:
        assert principal.may(scope) == (scope in scopes or Scope.ADMIN in scopes)


@pytest.mark.parametrize(
    ("left", "state"),
    [
        (-1, CredentialState.EXPIRED),
        (0, CredentialState.EXPIRED),
        (1, CredentialState.EXPIRING),
        (WARNING_DAYS * DAY, CredentialState.EXPIRING),
        (WARNING_DAYS * DAY + 1, CredentialState.READY),
    ],
)
def test_a_login_is_expiring_before_it_is_expired(left: float, state: CredentialState) -> None:
    now = 1_700_000_000.0
    assert credential_state(now + left, now) is state
