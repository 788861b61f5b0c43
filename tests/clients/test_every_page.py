"""Every page on a client is tested, listed, and true about versions."""

import json
import re
from pathlib import Path

import pytest
from tests.clients.clients import HERE, ROOT
from tests.clients.n8n import NAME, TRIGGER, WORKFLOWS
from tests.docs.conftest import Page

PAGES = sorted(path.stem for path in (ROOT / "docs/clients").glob("*.md") if path.stem != "index")
PINNED = {
    "openai-python": ["openai"],
    "anthropic-sdk": ["anthropic"],
    "langchain": ["langchain", "langchain-openai"],
    "litellm": ["litellm"],
    "vercel-ai-sdk": ["ai", "@ai-sdk/openai-compatible", "@ai-sdk/openai"],
    "n8n": ["n8n"],
}


def versions() -> dict[str, str]:
    """What the tests run, by the names of the packages."""
    lines = (ROOT / "requirements/clients.txt").read_text()
    found = dict(re.findall(r"^([\w-]+)==([\w.]+)", lines, re.MULTILINE))
    for file in (".ci/npm/clients/package.json", ".ci/n8n/package.json"):
        found |= json.loads((ROOT / file).read_text())["dependencies"]
    return found


@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_a_test_and_says_what_was_tested(name: str) -> None:
    tests = "".join(path.read_text() for path in HERE.glob("test_*.py") if path != Path(__file__))
    assert f"docs/clients/{name}.md" in tests or f'"{name}"' in tests
    assert "\n## What was tested\n" in Page(f"docs/clients/{name}.md").text


@pytest.mark.parametrize("name", PINNED)
def test_a_page_names_the_versions_that_are_run(name: str) -> None:
    text = " ".join(Page(f"docs/clients/{name}.md").section("## What was tested").split())
    pinned = versions()
    for package in PINNED[name]:
        assert f"{package} {pinned[package]}" in text


def test_the_overview_links_to_every_page() -> None:
    links = set(
        re.findall(
            r"^\| \[[^]]+\]\(([\w-]+)\.md\)", Page("docs/clients/index.md").text, re.MULTILINE
        )
    )
    assert links == set(PAGES)


def test_every_workflow_is_on_the_page_and_has_no_credentials_of_anybody_s() -> None:
    page = Page("docs/clients/n8n.md").text
    files = sorted(WORKFLOWS.glob("*.json"))
    assert set(re.findall(r"`([\w-]+\.json)`", page)) == {file.name for file in files}
    for file in files:
        nodes = json.loads(file.read_text())["nodes"]
        used = [one for node in nodes for one in node.get("credentials", {}).values()]
        assert used
        assert all(one == {"id": None, "name": NAME} for one in used)
        assert nodes[0]["name"] in {TRIGGER, "Webhook"}
