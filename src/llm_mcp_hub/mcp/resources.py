"""The resources: what the hub knows of its providers, and the caller's own sessions, as JSON.

Guarantee: a session is listed, read and completed for the principal it belongs to and nobody
else; to everybody else it does not exist.
"""

from urllib.parse import quote, unquote

import msgspec
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.ids import is_session_id
from llm_mcp_hub.domain.session import SessionSummary
from llm_mcp_hub.errors import HubError, NotFound
from llm_mcp_hub.mcp.call import Call
from llm_mcp_hub.mcp.errors import resource_code
from llm_mcp_hub.mcp.results import provider_object, session_result, told
from llm_mcp_hub.mcp.schemas import ProvidersResult

PROVIDER = "provider://"
SESSION = "session://"
PROVIDER_LIST = f"{PROVIDER}list"
PROVIDER_TEMPLATE = f"{PROVIDER}{{name}}"
SESSION_TEMPLATE = f"{SESSION}{{session_id}}"
JSON = "application/json"
PAGE = 50

TEMPLATES = [
    ResourceTemplate(
        name="provider",
        title="A provider",
        uri_template=PROVIDER_TEMPLATE,
        description="Whether a provider is available, how its login stands, and its models.",
        mime_type=JSON,
    ),
    ResourceTemplate(
        name="session",
        title="A session",
        uri_template=SESSION_TEMPLATE,
        description="A conversation of yours that the hub remembers, with all its messages.",
        mime_type=JSON,
    ),
]


def session_uri(session_id: str) -> str:
    """The URI of a session."""
    return f"{SESSION}{session_id}"


async def list_resources(call: Call, cursor: str | None) -> ListResourcesResult:
    """The providers, then the caller's sessions, newest first, page by page.

    Raises:
        MCPError: The cursor is not one of these lists.
    """
    resources = [] if cursor else [_provider_list(), *map(_provider, _provider_names(call))]
    next_cursor = None
    if call.principal.may(Scope.SESSIONS):
        try:
            page = await call.hub.sessions.list(call.principal, None, PAGE, cursor)
        except HubError as error:
            raise _refusal(call, error) from None
        resources += [_session(one) for one in page.sessions]
        next_cursor = page.next_cursor
    return ListResourcesResult(resources=resources, next_cursor=next_cursor)


async def list_templates(_call: Call) -> ListResourceTemplatesResult:
    """The templates."""
    return ListResourceTemplatesResult(resource_templates=TEMPLATES)


async def read_resource(call: Call, uri: str) -> ReadResourceResult:
    """One resource.

    Raises:
        MCPError: There is none of that URI for the caller.
    """
    try:
        content = await _content(call, uri)
    except HubError as error:
        raise _refusal(call, error) from None
    text = msgspec.json.encode(content).decode()
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=JSON, text=text)])


def session_id_of(uri: str) -> str | None:
    """The id of the session that a URI names, None if it names something else.

    Raises:
        MCPError: It names nothing that this hub has.
    """
    if uri.startswith(SESSION):
        session_id = unquote(uri.removeprefix(SESSION))
        if is_session_id(session_id):
            return session_id
    elif uri.startswith(PROVIDER) and uri != PROVIDER:
        return None
    raise MCPError(INVALID_PARAMS, _unknown(uri).message)


async def _content(call: Call, uri: str) -> msgspec.Struct:
    if uri == PROVIDER_LIST:
        reports = await call.hub.status.providers()
        return ProvidersResult([provider_object(one) for one in reports])
    if uri.startswith(PROVIDER):
        return provider_object(await call.hub.status.provider(unquote(uri.removeprefix(PROVIDER))))
    if uri.startswith(SESSION):
        session_id = unquote(uri.removeprefix(SESSION))
        return session_result(await call.hub.sessions.get(call.principal, None, session_id))
    raise _unknown(uri)


def _unknown(uri: str) -> NotFound:
    return NotFound(
        f"There is no resource {uri!r}. There are {PROVIDER_LIST}, {PROVIDER_TEMPLATE} and "
        f"{SESSION_TEMPLATE}."
    )


def _refusal(call: Call, error: HubError) -> MCPError:
    handshake = call.context.protocol_version in HANDSHAKE_PROTOCOL_VERSIONS
    return MCPError(resource_code(error, handshake=handshake), told(error))


def _provider_names(call: Call) -> list[str]:
    return [entry.name for entry in call.hub.registry.entries()]


def _provider_list() -> Resource:
    return Resource(
        uri=PROVIDER_LIST,
        name="providers",
        title="All providers",
        description="Every provider: its state, its login, its models.",
        mime_type=JSON,
    )


def _provider(name: str) -> Resource:
    return Resource(
        uri=f"{PROVIDER}{quote(name)}",
        name=f"provider {name}",
        title=name,
        description=f"The provider {name}: its state, its login, its models.",
        mime_type=JSON,
    )


def _session(summary: SessionSummary) -> Resource:
    return Resource(
        uri=session_uri(summary.id),
        name=f"session {summary.id}",
        title=summary.id,
        description=f"A conversation of {summary.message_count} messages with {summary.model}.",
        mime_type=JSON,
    )
