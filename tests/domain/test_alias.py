"""Aliases and chains: what a name stands for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_mcp_hub.domain.alias import MAX_MEMBERS, members, problem

ALIASES = {"fast": "claude/haiku", "best": ["claude/opus", "gemini/pro"], "any": "best, fast"}


def ids(name, aliases=ALIASES):
    return [member.model_id for member in members(name, aliases)]


@pytest.mark.parametrize(
    ("name", "stands_for"),
    [
        ("claude/sonnet", ["claude/sonnet"]),
        ("fast", ["claude/haiku"]),
        ("best", ["claude/opus", "gemini/pro"]),
        ("any", ["claude/opus", "gemini/pro", "claude/haiku"]),
        ("claude/sonnet, gemini/pro", ["claude/sonnet", "gemini/pro"]),
        ("gemini/pro,best", ["gemini/pro", "claude/opus"]),
        ("a,,b,", ["a", "b"]),
        (" , ", []),
    ],
)
def test_a_name_stands_for_models_in_their_order_each_once(name, stands_for):
    assert ids(name) == stands_for


def test_it_is_known_which_members_the_caller_has_named():
    found = members("x,fast", ALIASES)
    assert [(one.model_id, one.configured) for one in found] == [
        ("x", False),
        ("claude/haiku", True),
    ]


@pytest.mark.parametrize(
    ("aliases", "alias"),
    [
        ({"a": "a"}, "a"),
        ({"ok": "x", "a": "b", "b": ["x", "a"]}, "a"),
        ({"a": []}, "a"),
        ({"a": " , "}, "a"),
        ({"": "x"}, ""),
        ({"a,b": "x"}, "a,b"),
        ({"a": ",".join(f"m{n}" for n in range(MAX_MEMBERS + 1))}, "a"),
    ],
)
def test_an_alias_that_makes_no_sense_is_named(aliases, alias):
    found = problem(aliases)
    assert found is not None
    assert found[0] == alias


NAMES = st.sampled_from("abcdexyz")


@given(st.dictionaries(NAMES, st.lists(NAMES, min_size=1, max_size=4), max_size=5), NAMES)
def test_aliases_without_a_problem_end_at_models_and_those_with_one_end_at_all(aliases, name):
    found = ids(name, aliases)
    assert len(found) == len(set(found))
    assert not set(found) & set(aliases)
    if problem(aliases) is None:
        assert found
