"""The tools that look: `list_providers`, `list_models` and `get_session`. They spend nothing."""

from mcp_types import CallToolResult

from llm_mcp_hub.mcp.call import Call
from llm_mcp_hub.mcp.results import provider_object, result, session_result
from llm_mcp_hub.mcp.schemas import (
    GetSessionArguments,
    ListModelsArguments,
    ListProvidersArguments,
    ModelObject,
    ModelsResult,
    ProvidersResult,
)


async def list_providers(call: Call, _arguments: ListProvidersArguments) -> CallToolResult:
    """The providers, their logins and models."""
    reports = await call.hub.status.providers()
    return result(ProvidersResult([provider_object(one) for one in reports]))


async def list_models(call: Call, arguments: ListModelsArguments) -> CallToolResult:
    """The models and aliases."""
    if arguments.provider is not None:
        call.hub.registry.entry(arguments.provider)
    models = [
        ModelObject(offer.id, offer.provider, offer.card.name, offer.card.title)
        for offer in await call.hub.catalog.offers()
        if arguments.provider in (None, offer.provider)
    ]
    return result(ModelsResult(models))


async def get_session(call: Call, arguments: GetSessionArguments) -> CallToolResult:
    """A session with its conversation, if it is the caller's."""
    session = await call.hub.sessions.get(call.principal, None, arguments.session_id)
    return result(session_result(session))
