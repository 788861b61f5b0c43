"""LangChain's `ChatOpenAI`: what its page shows."""

import pytest
from tests.clients.clients import PATIENCE_SECONDS, Outcomes, PythonClients

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]


@pytest.fixture(scope="module")
def outcomes(python_clients: PythonClients) -> Outcomes:
    return python_clients.run("docs/clients/langchain.md")


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


def test_everything_that_ran_was_looked_at(outcomes: Outcomes) -> None:
    assert outcomes.names == set(SAID)
