"""The official conformance suite, on a hub that has the suite's fixtures beside what is its own."""

import json
import re
from pathlib import Path

import pytest
from mcp import Client

from llm_mcp_hub.mcp import mount
from llm_mcp_hub.mcp.prompts import PROMPTS as OWN_PROMPTS
from llm_mcp_hub.mcp.server import make_server
from llm_mcp_hub.mcp.tools import TOOLS as OWN_TOOLS
from llm_mcp_hub.testing import create_test_hub

from .conformance_fixtures import PROMPTS, RESOURCES, TEMPLATE, TOOLS, add_fixtures
from .judges import MODULES

# What the fixtures show of logging and sampling, the SDK has deprecated.
pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::mcp.MCPDeprecationWarning")]

PASSED = re.compile(r"✓ ([\w-]+): ([1-9]\d*) passed, 0 failed")
NEVER_CHANGE = {
    "sep-2575-server-sends-prompts-list-changed-on-subscription",
    "sep-2575-server-sends-tools-list-changed-on-subscription",
}
"""A SHOULD for servers whose lists change; a hub's tools and prompts are always the same."""


@pytest.fixture
def hub(monkeypatch):
    """A hub without access control, for the suite has no way to present a token."""

    def with_fixtures(*arguments, **more):
        server = make_server(*arguments, **more)
        add_fixtures(server)
        return server

    monkeypatch.setattr(mount, "make_server", with_fixtures)
    with create_test_hub({"access": {"enabled": False}}) as running:
        yield running


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_every_fixture_is_there_and_everything_of_the_hub_s_own(hub, mode):
    async with Client(f"{hub.base_url}/mcp", mode=mode) as client:
        tools = {one.name for one in (await client.list_tools()).tools}
        prompts = {one.name for one in (await client.list_prompts()).prompts}
        resources = {str(one.uri) for one in (await client.list_resources()).resources}
        templates = await client.list_resource_templates()
    assert tools == {*TOOLS, *(one.name for one in OWN_TOOLS)}
    assert prompts == {*PROMPTS, *(one.prompt.name for one in OWN_PROMPTS)}
    assert resources >= {*RESOURCES, "provider://list"}
    assert {one.uri_template for one in templates.resource_templates} >= {
        TEMPLATE,
        "session://{session_id}",
    }


@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_every_scored_scenario_passes(hub, judges, revision, tmp_path):
    results = tmp_path / "results"
    done = judges.run(
        "conformance",
        "server",
        *("--url", f"{hub.base_url}/mcp"),
        *("--requirements", revision),
        *("-o", str(results)),
    )
    summary = done.stdout.partition("=== SUMMARY ===")[2]
    assert done.returncode == 0, summary + done.stderr
    scored = scored_scenarios(revision)
    assert len(scored) > 25
    passed = {match[1] for match in PASSED.finditer(summary)}
    assert scored - passed == set(), summary
    assert warned(results, scored) == (NEVER_CHANGE if revision == "2026-07-28" else set())


def scored_scenarios(revision: str) -> set[str]:
    """What the suite's own list says a server of the revision must pass."""
    file = MODULES / f"@modelcontextprotocol/conformance/requirements/{revision}.yaml"
    section = re.search(r"^server:\n((?:  - .*\n)+)", file.read_text(), re.MULTILINE)
    assert section is not None
    return set(re.findall(r"^  - ([\w-]+)$", section[1], re.MULTILINE))


def warned(results: Path, scored: set[str]) -> set[str]:
    """The checks of scored scenarios that are neither passed nor for information."""
    found = set()
    for file in results.glob("*/checks.json"):
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*$", "", file.parent.name).removeprefix("server-")
        if scenario in scored:
            checks = json.loads(file.read_text())
            found |= {one["id"] for one in checks if one["status"] not in {"SUCCESS", "INFO"}}
    return found
