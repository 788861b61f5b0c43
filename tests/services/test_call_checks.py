"""Every call is answered before anything else is said, and every result answers a call."""

import pytest

from llm_mcp_hub.domain.chat import Message, ToolCallPart, ToolResultPart
from llm_mcp_hub.errors import InvalidRequest
from llm_mcp_hub.services.call_checks import NO_RESULT, check_calls, with_all_results
from llm_mcp_hub.testing.turns import message


def calls(*ids: str, arguments: str = "{}") -> Message:
    return message("assistant", *(ToolCallPart(one, "look", arguments) for one in ids))


def result(call_id: str, text: str = "rain") -> Message:
    return message("tool", ToolResultPart(call_id, text))


ASK, NEXT, SAID = message("user", "ask"), message("user", "next"), message("assistant", "said")


@pytest.mark.parametrize(
    "messages",
    [
        [ASK],
        [ASK, SAID, NEXT],
        [ASK, calls("a", "b"), result("b"), result("a")],
        [ASK, calls("a"), result("a"), SAID, NEXT],
        [ASK, calls("a"), result("a"), NEXT],
        [ASK, calls("a"), result("a"), calls("a"), result("a")],
        [calls("a"), result("a")],
    ],
)
@pytest.mark.parametrize("complete", [True, False])
def test_calls_with_their_results_are_fine(messages: list[Message], complete: bool) -> None:
    check_calls(messages, complete=complete)


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([ASK, calls("a", "b"), result("a")], "b"),
        ([ASK, calls("a"), NEXT], "a"),
        ([ASK, calls("a"), SAID, NEXT], "a"),
        ([ASK, calls("a"), NEXT, result("a")], "a"),
        ([ASK, SAID, result("z")], "z"),
        ([ASK, calls("a"), result("a"), result("a")], "a"),
        ([ASK, calls("a"), result("a"), SAID, result("a")], "a"),
        ([ASK, calls("a", "a"), result("a")], "same id"),
        ([ASK, calls("a", arguments="[]"), result("a")], "arguments of the call a"),
        ([ASK, calls("a", arguments="{"), result("a")], "arguments of the call a"),
        ([ASK, calls("a", arguments="[" * 100_000), result("a")], "arguments of the call a"),
    ],
)
@pytest.mark.parametrize("complete", [True, False])
def test_what_does_not_fit_is_refused_by_id(
    messages: list[Message], named: str, complete: bool
) -> None:
    with pytest.raises(InvalidRequest, match=named) as caught:
        check_calls(messages, complete=complete)
    assert caught.value.param == "messages"


def test_results_at_the_beginning_need_a_conversation_that_is_stored() -> None:
    check_calls([result("a"), NEXT], complete=False)
    with pytest.raises(InvalidRequest, match="a"):
        check_calls([result("a"), NEXT], complete=True)


@pytest.mark.parametrize(
    "new",
    [
        [result("b"), result("a")],
        [result("a"), result("b"), NEXT],
    ],
)
def test_all_results_of_what_is_stored_stay_as_they_are(new: list[Message]) -> None:
    assert with_all_results([ASK, calls("a", "b")], new) == tuple(new)


def test_without_open_calls_nothing_is_added() -> None:
    assert with_all_results([ASK, SAID], [NEXT]) == (NEXT,)
    assert with_all_results([], [ASK, SAID, NEXT]) == (ASK, SAID, NEXT)
    assert with_all_results([], [ASK, calls("a"), result("a")])[2] == result("a")


@pytest.mark.parametrize("given", [[], [result("b")]])
def test_who_says_something_else_has_the_model_told_that_there_is_no_result(
    given: list[Message],
) -> None:
    *results, last = with_all_results([ASK, calls("a", "b")], [*given, NEXT])
    assert last == NEXT
    assert results[: len(given)] == given
    for left, call_id in zip(results[len(given) :], ["a", "b"], strict=False):
        assert left == message("tool", ToolResultPart(call_id, NO_RESULT, is_error=True))
    assert len(results) == 2


@pytest.mark.parametrize(
    ("new", "named"),
    [
        ([result("a")], "b"),
        ([result("z"), NEXT], "z"),
        ([result("a"), result("a"), result("b")], "a"),
        ([NEXT, result("a"), result("b")], "a"),
    ],
)
def test_some_results_alone_and_strange_ones_are_refused(new: list[Message], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        with_all_results([ASK, calls("a", "b")], new)
