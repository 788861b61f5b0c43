"""Vercel's AI SDK: what its page shows, and more."""

from typing import Any

import pytest
from tests.clients.clients import PATIENCE_SECONDS, JavaScriptClients, Outcomes

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]


@pytest.fixture(scope="module")
def outcomes(javascript_clients: JavaScriptClients) -> Outcomes:
    return javascript_clients.run_page("docs/clients/vercel-ai-sdk.md")


SAID = {
    "Ask": "echo: Name three quiet places by the sea.\n",
    "Stream": "echo: Count to five.\nTokens: 41\n",
    "Go on with a conversation": "echo: My name is Ada.\necho: What is my name?\n",
    "Tools": "18 °C and dry in Paris / 18 °C and dry in Rome (2 steps)\n",
    "Structured output": "{ name: 'Ada', age: 36 }\n",
    "Responses API": "echo: Count to five.\n18 °C and dry in Paris / 18 °C and dry in Rome\n",
}


@pytest.mark.parametrize("section", SAID)
def test_the_page_s_code_says_what_it_should(outcomes: Outcomes, section: str) -> None:
    assert outcomes[section].said == SAID[section]


def test_everything_that_ran_was_looked_at(outcomes: Outcomes) -> None:
    assert outcomes.names == set(SAID)


WAYS = ["compatible", "plain", "responses", "chat"]
"""`openai-compatible` with and without schemas, and `openai` in both dialects."""


@pytest.fixture(scope="module")
def checked(javascript_clients: JavaScriptClients) -> dict[str, Any]:
    return javascript_clients.run_checks("vercel_checks.mjs")


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_with_tools_is_streamed(checked: dict[str, Any], way: str) -> None:
    assert checked[way]["streamedTools"] == "dry in Paris\ndry in Rome"


@pytest.mark.parametrize("way", WAYS)
def test_the_model_is_told_of_a_tool_that_fails(checked: dict[str, Any], way: str) -> None:
    assert checked[way]["failingTool"].count("Error: no network") == 2


@pytest.mark.parametrize("way", WAYS)
def test_structure_is_streamed(checked: dict[str, Any], way: str) -> None:
    assert checked[way]["streamedStructure"] == {"name": "Ada", "age": 36}


def test_a_wrong_token_is_refused(checked: dict[str, Any]) -> None:
    assert checked["wrongToken"] == 401
