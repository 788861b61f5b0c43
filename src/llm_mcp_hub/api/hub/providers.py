"""`GET /v1/providers` and `GET /v1/providers/{name}`."""

from typing import Annotated

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, guard
from llm_mcp_hub.api.hub.schemas import ProviderList
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.status import ProviderReport


def provider_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub. Any caller may look."""
    guards = [guard(gate)]

    @get(
        "/v1/providers",
        guards=guards,
        security=SECURITY,
        tags=["providers"],
        responses=error_responses(),
        summary="List the providers",
    )
    async def list_providers() -> ProviderList:
        return ProviderList(await hub.status.providers())

    @get(
        "/v1/providers/{name:str}",
        guards=guards,
        security=SECURITY,
        tags=["providers"],
        responses=error_responses(404),
        summary="Look at one provider",
    )
    async def get_provider(
        name: Annotated[str, PathParameter(description="The name it is configured under.")],
    ) -> ProviderReport:
        return await hub.status.provider(name)

    return [list_providers, get_provider]
