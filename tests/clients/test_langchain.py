"""LangChain's `ChatOpenAI`: what its page shows, and more."""

import pytest
from tests.clients.clients import PATIENCE_SECONDS, Outcomes, PythonClients

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]


@pytest.fixture(scope="module")
def outcomes(python_clients: PythonClients) -> Outcomes:
    return python_clients.run("docs/clients/langchain.md", "langchain_checks.py")


SAID = {
    "Ask": "echo: Name three quiet places by the sea.\n",
    "Stream": "echo: Count to five.",
    "Go on with a conversation": "echo: What is my name?\n",
    "An agent with tools": "18 °C and dry in Paris / 18 °C and dry in Rome\n",
    "Structured output": "name='Ada' age=36\n",
    "Responses API": "18 °C and dry in Paris / 18 °C and dry in Rome\n",
}


@pytest.mark.parametrize("section", SAID)
def test_the_page_s_code_says_what_it_should(outcomes: Outcomes, section: str) -> None:
    assert outcomes[section].said == SAID[section]


@pytest.mark.parametrize("check", ["streamed_agent", "streamed_agent_over_responses"])
def test_an_agent_streams_its_answer(outcomes: Outcomes, check: str) -> None:
    assert outcomes[f"check_{check}"].result == "dry in Paris\ndry in Rome"


@pytest.mark.parametrize("check", ["structure_by_a_tool", "agent_with_a_form"])
def test_structure_may_come_by_a_tool(outcomes: Outcomes, check: str) -> None:
    assert outcomes[f"check_{check}"].result == {"name": "Ada", "age": 36}


def test_a_stream_says_its_tokens_when_it_is_asked_to(outcomes: Outcomes) -> None:
    assert outcomes["check_usage_of_streams"].result == [[], [6]]


def test_everything_that_ran_was_looked_at(outcomes: Outcomes) -> None:
    checks = {"streamed_agent", "streamed_agent_over_responses", "structure_by_a_tool"}
    checks |= {"agent_with_a_form", "usage_of_streams"}
    assert outcomes.names == {*SAID, *(f"check_{name}" for name in checks)}
