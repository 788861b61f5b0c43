"""The MCP server of a hub, without any transport.

    subscriptions = Subscriptions(hub.events, principal_of)
    server = make_server(hub, principal_of, subscriptions)
    await server.run(read, write, server.create_initialization_options())

Guarantee: every request is served for the principal that `principal_of` names for it, and for
nobody else. It keeps nothing of its clients: one server serves any number of connections at once.
"""

from typing import Any

from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.lowlevel import Server
from mcp_types import (
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)

from llm_mcp_hub import __version__
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.mcp.call import Call, Context, PrincipalOf
from llm_mcp_hub.mcp.completions import complete
from llm_mcp_hub.mcp.prompts import PROMPTS, get_prompt
from llm_mcp_hub.mcp.resources import list_resources, list_templates, read_resource
from llm_mcp_hub.mcp.subscriptions import Subscriptions
from llm_mcp_hub.mcp.tools import call_tool, input_schema, tool_list

NAME = "llm-mcp-hub"
TITLE = "LLM MCP Hub"
DESCRIPTION = "Your Claude and Gemini subscriptions, with conversations that are remembered."
INSTRUCTIONS = (
    "This hub asks large language models through the subscriptions of its owner. Use chat for one "
    "model, ask_all to compare several, list_models for the ids. A result's session_id goes on "
    "with that conversation. If a result's status is `running`, get_turn fetches the answer."
)

LASTING_LISTS: dict[CacheableMethod, CacheHint] = {
    "tools/list": CacheHint(300_000, "public"),
    "prompts/list": CacheHint(300_000, "public"),
    "resources/templates/list": CacheHint(300_000, "public"),
}
"""The same for everybody, and other only in another version of the hub: fresh for five minutes."""


def make_server(
    hub: Hub,
    principal_of: PrincipalOf,
    subscriptions: Subscriptions,
    *,
    lasting: bool = True,
) -> Server[Any]:
    """A server for one hub.

    Args:
        hub: The hub; it must be open while the server serves.
        principal_of: Who a request comes from.
        subscriptions: The clients that watch resources; closing them is the caller's.
        lasting: Whether a connection of a handshake revision lasts longer than one request, so
            that its client can be told of changes.
    """

    def call(context: Context) -> Call:
        return Call(hub, principal_of(context), context)

    async def list_tools(
        _context: Context, _params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        return ListToolsResult(tools=tool_list())

    async def on_call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        return await call_tool(call(context), params.name, params.arguments)

    async def on_list_resources(
        context: Context, params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        return await list_resources(call(context), params.cursor if params is not None else None)

    async def on_list_templates(
        context: Context, _params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return await list_templates(call(context))

    async def on_read(context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        return await read_resource(call(context), params.uri)

    async def list_prompts(
        _context: Context, _params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        return ListPromptsResult(prompts=[kind.prompt for kind in PROMPTS])

    async def on_get_prompt(_context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        return get_prompt(params.name, params.arguments)

    async def on_complete(context: Context, params: CompleteRequestParams) -> CompleteResult:
        return await complete(call(context), params)

    return Server(
        NAME,
        cache_hints=LASTING_LISTS,
        version=__version__,
        title=TITLE,
        description=DESCRIPTION,
        instructions=INSTRUCTIONS,
        get_tool_input_schema=input_schema,
        on_list_tools=list_tools,
        on_call_tool=on_call_tool,
        on_list_resources=on_list_resources,
        on_list_resource_templates=on_list_templates,
        on_read_resource=on_read,
        on_subscribe_resource=subscriptions.subscribe if lasting else None,
        on_unsubscribe_resource=subscriptions.unsubscribe if lasting else None,
        on_subscriptions_listen=subscriptions.listen,
        on_list_prompts=list_prompts,
        on_get_prompt=on_get_prompt,
        on_completion=on_complete,
    )
