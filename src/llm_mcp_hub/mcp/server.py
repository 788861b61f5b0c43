"""The MCP server of a hub, without any transport.

    server = make_server(hub, principal_of)
    await server.run(read, write, server.create_initialization_options())

Guarantee: every request is served for the principal that `principal_of` names for it, and for
nobody else. Stateless in itself: one server serves any number of connections at once.
"""

from mcp.server.lowlevel import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
)

from llm_mcp_hub import __version__
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.mcp.call import Call, Context, PrincipalOf
from llm_mcp_hub.mcp.tools import call_tool, input_schema, tool_list

NAME = "llm-mcp-hub"
TITLE = "LLM MCP Hub"
DESCRIPTION = "Your Claude and Gemini subscriptions, with conversations that are remembered."
INSTRUCTIONS = (
    "This hub asks large language models through the subscriptions of its owner. Use chat for one "
    "model, ask_all to compare several, list_models for the ids. A result's session_id goes on "
    "with that conversation. If a result's status is `running`, get_turn fetches the answer."
)


def make_server(hub: Hub, principal_of: PrincipalOf) -> Server[object]:
    """A server for one hub.

    Args:
        hub: The hub; it must be open while the server serves.
        principal_of: Who a request comes from.
    """

    def call(context: Context) -> Call:
        return Call(hub, principal_of(context), context)

    async def list_tools(
        _context: Context, _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=tool_list())

    async def on_call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        return await call_tool(call(context), params.name, params.arguments)

    return Server(
        NAME,
        version=__version__,
        title=TITLE,
        description=DESCRIPTION,
        instructions=INSTRUCTIONS,
        get_tool_input_schema=input_schema,
        on_list_tools=list_tools,
        on_call_tool=on_call_tool,
    )
