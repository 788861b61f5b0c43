"""openai-python: what its page shows, and more."""

import pytest
from tests.clients.clients import PATIENCE_SECONDS, Outcomes, PythonClients

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]


@pytest.fixture(scope="module")
def outcomes(python_clients: PythonClients) -> Outcomes:
    return python_clients.run("docs/clients/openai-python.md", "openai_checks.py")


SAID = {
    "Ask": "echo: Name three quiet places by the sea.\n",
    "Stream": "echo: Count to five.\nTokens: 41\n",
    "Go on with a conversation": "echo: My name is Ada.\necho: What is my name?\n",
    "Tools": "18 °C and dry in Paris / 18 °C and dry in Rome\n",
    "Structured output": "name='Ada' age=36\n",
    "Responses API": "echo: My name is Ada.\necho: What is my name?\n",
    "Responses API 2": "echo: Count to five.",
    "Responses API 3": "name='Ada' age=36\n",
    "When something is wrong": "404 model_not_found\n",
}


@pytest.mark.parametrize("section", SAID)
def test_the_page_s_code_says_what_it_should(outcomes: Outcomes, section: str) -> None:
    assert outcomes[section].said == SAID[section]


def test_models_are_listed(outcomes: Outcomes) -> None:
    assert {"claude/sonnet", "echo/echo"} <= set(outcomes["check_models"].result)


def test_its_own_stream_helper_follows_the_events(outcomes: Outcomes) -> None:
    assert outcomes["check_stream_helper"].result == {
        "kinds": ["chunk", "content.delta", "content.done"],
        "final": "one two three",
    }


def test_a_wrong_token_is_an_authentication_error(outcomes: Outcomes) -> None:
    assert outcomes["check_wrong_token"].result == [401, "not_authenticated"]


def test_the_asynchronous_client_asks_three_at_once(outcomes: Outcomes) -> None:
    assert outcomes["check_asynchronous"].result == ["one", "two", "three"]


def test_tools_are_streamed_piece_by_piece(outcomes: Outcomes) -> None:
    assert outcomes["check_streamed_tools"].result == {
        "finish_reason": "tool_calls",
        "arguments": ["Paris", "Rome"],
        "events": ["tool_calls.function.arguments.delta", "tool_calls.function.arguments.done"],
    }


def test_one_call_at_a_time_is_parsed_into_its_class(outcomes: Outcomes) -> None:
    assert outcomes["check_parsed_tools"].result == ["Paris"]


def test_a_response_with_calls_is_gone_on_with_by_its_id(outcomes: Outcomes) -> None:
    assert outcomes["check_responses_tools"].result == {
        "ends": ["response.created", "response.completed"],
        "deltas": True,
        "said": '{"city": "Paris"}\n{"city": "Rome"}',
    }


def test_a_response_is_gone_on_with_by_its_items(outcomes: Outcomes) -> None:
    said = outcomes["check_responses_by_history"].result
    assert said == '{"city": "Paris"}\n{"city": "Rome"}'


def test_a_response_is_there_until_it_is_deleted(outcomes: Outcomes) -> None:
    assert outcomes["check_stored_response"].result == ["one two three", 404]


def test_everything_that_ran_was_looked_at(outcomes: Outcomes) -> None:
    checks = {"models", "stream_helper", "wrong_token", "asynchronous", "streamed_tools"}
    checks |= {"parsed_tools", "responses_tools", "responses_by_history", "stored_response"}
    assert outcomes.names == {*SAID, *(f"check_{name}" for name in checks)}
