"""curl: each command of its page."""

import json
import shutil
from pathlib import Path

import pytest
from tests.clients.clients import PATIENCE_SECONDS, Access, blocks_of, run
from tests.docs.conftest import Page

SAID = {
    "Ask": "echo: Name three quiet places by the sea.",
    "Go on with a conversation": "echo: My name is Ada.",
    "An answer that must not be paid for twice": "echo: Name three quiet places by the sea.",
}

pytestmark = [pytest.mark.real_cli, pytest.mark.timeout(PATIENCE_SECONDS)]


@pytest.fixture(scope="module")
def printed(access: Access, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each command prints, by the heading above it."""
    if shutil.which("curl", path="/usr/bin:/bin") is None:
        pytest.skip("CURL IS NOT INSTALLED: its page is untested")
    home: Path = tmp_path_factory.mktemp("home")
    found: dict[str, list[str]] = {}
    (_, token), *rest = blocks_of(Page("docs/clients/curl.md"), "sh", access)
    assert token == f"TOKEN={access.token}\n"
    for heading, command in rest:
        done = run(["bash", "-euc", token + command], home, {}, home)
        assert done.returncode == 0, done.stderr
        found.setdefault(heading, []).append(done.stdout)
    return found


@pytest.mark.parametrize("heading", SAID)
def test_a_question_is_answered(printed: dict[str, list[str]], heading: str) -> None:
    answer = json.loads(printed[heading][0])
    assert answer["choices"][0]["message"]["content"] == SAID[heading]


def test_a_stream_comes_to_its_end(printed: dict[str, list[str]]) -> None:
    (events,) = printed["Stream"]
    assert events.endswith("data: [DONE]\n\n")


def test_what_was_said_is_in_the_session(printed: dict[str, list[str]]) -> None:
    messages = json.loads(printed["Go on with a conversation"][1])["messages"]
    assert [one["message"]["role"] for one in messages] == ["user", "assistant"]
    assert "My name is Ada." in json.dumps(messages[0])


def test_models_are_listed(printed: dict[str, list[str]]) -> None:
    (listed,) = printed["Models"]
    assert "claude/sonnet" in {model["id"] for model in json.loads(listed)["data"]}


def test_every_command_was_looked_at(printed: dict[str, list[str]]) -> None:
    assert set(printed) == {*SAID, "Stream", "Models"}
