"""The pages on MCP say what the server has."""

import msgspec
import pytest

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.mcp import mount, schemas, subscriptions
from llm_mcp_hub.mcp.prompts import PROMPTS
from llm_mcp_hub.mcp.resources import PROVIDER_LIST, PROVIDER_TEMPLATE, SESSION_TEMPLATE
from llm_mcp_hub.mcp.tools import TOOLS

TOOLS_PAGE = "docs/mcp/tools.md"
RESOURCES_PAGE = "docs/mcp/resources.md"
SCOPES = {"any", *(f"`{scope.value}`" for scope in Scope)}


def test_every_tool_is_listed_and_no_other(read):
    table = read(TOOLS_PAGE).table("## All tools")
    assert list(table) == [kind.name for kind in TOOLS]
    assert {row[0] for row in table.values()} <= SCOPES


@pytest.mark.parametrize("kind", TOOLS, ids=lambda kind: kind.name)
def test_every_argument_of_a_tool_is_explained(kind, read):
    names = [field.name for field in msgspec.structs.fields(kind.takes)]
    if names:
        assert list(read(TOOLS_PAGE).table(f"## {kind.name}")) == names


def test_every_resource_and_prompt_is_listed(read):
    page = read(RESOURCES_PAGE)
    assert set(page.table("## Resources")) == {PROVIDER_LIST, PROVIDER_TEMPLATE, SESSION_TEMPLATE}
    prompts = {name: row[0].replace("`", "") for name, row in page.table("## Prompts").items()}
    assert prompts == {kind.name: ", ".join(one.name for one in kind.arguments) for kind in PROMPTS}


def test_the_figures_are_those_of_the_code(read):
    assert f"up to {schemas.MAX_QUESTIONED} models" in read(TOOLS_PAGE).text
    assert f"up to {subscriptions.MAX_WATCHED} resources" in read(RESOURCES_PAGE).text
    transports = read("docs/mcp/transports.md").text
    assert f"at most {mount.MAX_SSE_CONNECTIONS}" in transports
    assert f"at most {mount.MAX_SESSIONS}" in transports


def test_the_example_with_mcp_s_own_library_runs(read, hub):
    (block,) = read("docs/mcp/index.md").blocks("python")
    here = block.replace("http://127.0.0.1:8642", hub.base_url).replace(
        "claude/sonnet", "echo/echo"
    )
    said: list[str] = []
    exec(compile(here, "example", "exec"), {"TOKEN": hub.admin_token, "print": said.append})
    assert said == ["Name three quiet places by the sea."]
