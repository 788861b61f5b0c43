"""LiteLLM with the prefix `openai/`: what its page shows, and how its proxy is configured."""

import pytest
from tests.clients.clients import PATIENCE_SECONDS, Outcomes, PythonClients

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]


@pytest.fixture(scope="module")
def outcomes(python_clients: PythonClients) -> Outcomes:
    return python_clients.run("docs/clients/litellm.md", "litellm_checks.py")


SAID = {
    "Ask": "echo: Name three quiet places by the sea.\n",
    "Stream": "echo: Count to five.",
    "Go on with a conversation": "echo: My name is Ada.\necho: What is my name?\n",
    "Tools": "18 °C and dry in Paris / 18 °C and dry in Rome\n",
    "Responses API": "echo: Name three quiet places by the sea.\n",
}


@pytest.mark.parametrize("section", SAID)
def test_the_page_s_code_says_what_it_should(outcomes: Outcomes, section: str) -> None:
    assert outcomes[section].said == SAID[section]


def test_errors_are_litellm_s_own(outcomes: Outcomes) -> None:
    assert outcomes["check_errors"].result == {
        "nobody/nothing": "NotFoundError",
        "wrong token": "AuthenticationError",
    }


def test_the_proxy_s_router_takes_the_page_s_configuration(outcomes: Outcomes) -> None:
    assert outcomes["check_router"].result == "echo: one two three"


@pytest.mark.parametrize("check", ["streamed_tools", "messages_api"])
def test_tools_are_called_in_every_way_it_has(outcomes: Outcomes, check: str) -> None:
    assert outcomes[f"check_{check}"].result == ["Paris", "Rome"]


def test_an_answer_has_the_structure_asked_for(outcomes: Outcomes) -> None:
    assert outcomes["check_structure"].result == {"name": "Ada", "age": 36}


def test_everything_that_ran_was_looked_at(outcomes: Outcomes) -> None:
    checks = {"errors", "router", "streamed_tools", "messages_api", "structure"}
    assert outcomes.names == {*SAID, *(f"check_{name}" for name in checks)}
