"""The tree of errors, and the two tables that translate it."""

import re

import pytest

from llm_mcp_hub import errors
from llm_mcp_hub.api.errors import STATUS, error_body, error_headers, status_of
from llm_mcp_hub.errors import HubError, InvalidRequest
from llm_mcp_hub.mcp.errors import CODES, rpc_code


def tree(kind: type[HubError], depth: int = 0) -> list[tuple[int, type[HubError]]]:
    """The class and everything below it, in the order of their definition."""
    found = [(depth, kind)]
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            found += tree(child, depth + 1)
    return found


ALL = [kind for _, kind in tree(HubError)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_a_row_in_both_tables(kind):
    assert kind in STATUS
    assert kind in CODES


def test_the_tables_have_no_row_for_anything_else():
    assert set(STATUS) == set(CODES) == set(ALL)


def test_every_error_has_a_code_of_its_own():
    codes = [kind.code for kind in ALL]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", code) for code in codes)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"    ([│├└─ ]*)([A-Z]\w+)", line)
        if match is not None:
            drawn.append((len(match.group(1)) // 4, match.group(2)))

    assert drawn == [(depth, kind.__name__) for depth, kind in tree(HubError)]


def test_every_error_says_what_it_is_in_one_line():
    assert all(kind.__doc__ and kind.__doc__.splitlines()[0].endswith((".", ";")) for kind in ALL)


@pytest.mark.parametrize("kind", ALL)
def test_no_error_tells_its_detail_and_every_one_says_whether_to_try_again(kind):
    error = kind("Happened.", detail="/home/someone/.secret")

    assert b"secret" not in error_body(error)
    assert error_headers(error)["x-should-retry"] in {"true", "false"}


@pytest.mark.parametrize("kind", [kind for kind in ALL if STATUS[kind][0] < 500])
def test_what_the_caller_did_wrong_is_retried_only_where_time_helps(kind):
    soon = STATUS[kind][0] == 429 and kind is not errors.QuotaExhausted
    assert kind.retryable is (soon or kind is errors.SessionBusy)


def test_an_error_of_a_plugin_is_answered_like_its_base():
    class Strange(InvalidRequest):
        code = "strange"

    assert status_of(Strange("…")) == 400
    assert b'"code":"strange"' in error_body(Strange("…"))
    assert rpc_code(Strange("…")) == CODES[InvalidRequest]


@pytest.mark.parametrize(("seconds", "sent"), [(0.2, "1"), (1.0, "1"), (61.2, "62")])
def test_retry_after_is_never_too_short(seconds, sent):
    assert error_headers(errors.QueueFull("…", retry_after=seconds))["retry-after"] == sent


def test_an_error_raised_again_is_the_same_in_everything():
    error = errors.LoginRequired("Log in.", param="x", retry_after=3, retryable=True, detail="tail")
    again = error.again()

    assert again is not error
    assert vars(again) == vars(error)
    assert type(again) is type(error)
