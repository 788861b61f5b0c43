"""`GET /v1/models` and `GET /v1/models/{id}`, for OpenAI's clients and Anthropic's alike."""

from datetime import UTC, datetime
from typing import Annotated

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter
from msgspec import UNSET

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY_WITH_HEADER, Gate, guard
from llm_mcp_hub.api.openai.schemas import ModelList, ModelObject
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.catalog import Offer

OWNER = "hub"
"""Whose the aliases are."""


def model_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub."""
    guards = [guard(gate, Scope.CHAT, token_header=True)]

    @get(
        "/v1/models",
        guards=guards,
        security=SECURITY_WITH_HEADER,
        tags=["models"],
        responses=error_responses(),
        summary="List the models",
    )
    async def list_models() -> ModelList:
        models = [_object(offer) for offer in await hub.catalog.offers()]
        if not models:
            return ModelList()
        return ModelList(models, first_id=models[0].id, last_id=models[-1].id)

    @get(
        "/v1/models/{model_id:path}",
        guards=guards,
        security=SECURITY_WITH_HEADER,
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
    created_at = datetime.fromtimestamp(offer.card.created, UTC)
    return ModelObject(
        offer.id,
        owned_by=OWNER if offer.stands_for else offer.provider,
        display_name=offer.card.title or offer.id,
        created=offer.card.created,
        created_at=created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        stands_for=offer.stands_for or UNSET,
    )
