"""Anthropic's SDK for Python: what its page shows, and more."""

import pytest
from tests.clients.clients import PATIENCE_SECONDS, Outcomes, PythonClients

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]


@pytest.fixture(scope="module")
def outcomes(python_clients: PythonClients) -> Outcomes:
    return python_clients.run("docs/clients/anthropic-sdk.md", "anthropic_checks.py")


SAID = {
    "Ask": "echo: Name three quiet places by the sea.\n",
    "Stream": "echo: Count to five.\nTokens: 20\n",
    "Tools": "18 °C and dry in Paris / 18 °C and dry in Rome\n",
    "When something is wrong": "404 not_found_error\n",
}


@pytest.mark.parametrize("section", SAID)
def test_the_page_s_code_says_what_it_should(outcomes: Outcomes, section: str) -> None:
    assert outcomes[section].said == SAID[section]


def test_an_api_key_is_taken_as_an_access_token_too(outcomes: Outcomes) -> None:
    assert outcomes["check_api_key"].result == "one two three"


def test_a_wrong_token_is_an_authentication_error(outcomes: Outcomes) -> None:
    assert outcomes["check_wrong_token"].result == [401, "authentication_error"]


def test_tools_are_called_while_the_answer_is_streamed(outcomes: Outcomes) -> None:
    assert outcomes["check_streamed_tools"].result == {
        "stop_reason": "tool_use",
        "calls": [["get_weather", {"city": "Paris"}], ["get_weather", {"city": "Rome"}]],
    }


def test_the_sdk_s_own_tool_runner_comes_to_an_answer(outcomes: Outcomes) -> None:
    assert outcomes["check_tool_runner"].result == "18 °C and dry in Paris"


def test_everything_that_ran_was_looked_at(outcomes: Outcomes) -> None:
    checks = {"api_key", "wrong_token", "streamed_tools", "tool_runner"}
    assert outcomes.names == {*SAID, *(f"check_{name}" for name in checks)}
