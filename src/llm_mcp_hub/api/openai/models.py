"""`GET /v1/models` and `GET /v1/models/{id}`."""

from typing import Annotated

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, guard
from llm_mcp_hub.api.openai.schemas import ModelList, ModelObject
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.catalog import Offer

OWNER = "hub"
"""Whose the aliases are."""


def model_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub."""
    guards = [guard(gate, Scope.CHAT)]

    @get(
        "/v1/models",
        guards=guards,
        security=SECURITY,
        tags=["models"],
        responses=error_responses(),
        summary="List the models",
    )
    async def list_models() -> ModelList:
        return ModelList([_object(offer) for offer in await hub.catalog.offers()])

    @get(
        "/v1/models/{model_id:path}",
        guards=guards,
        security=SECURITY,
        tags=["models"],
        responses=error_responses(404),
        summary="Look at one model",
    )
    async def get_model(
        model_id: Annotated[str, PathParameter(description="`provider/name`, or an alias.")],
    ) -> ModelObject:
        return _object(await hub.catalog.offer(model_id.removeprefix("/")))

    return [list_models, get_model]


def _object(offer: Offer) -> ModelObject:
    if offer.stands_for:
        return ModelObject(offer.id, owned_by=OWNER, stands_for=offer.stands_for)
    return ModelObject(offer.id, owned_by=offer.provider, created=offer.card.created)
