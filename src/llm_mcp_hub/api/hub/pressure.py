"""`GET /v1/pressure` and `GET /v1/providers/{name}/pool`: how the workers are doing."""

from typing import Annotated, Literal

import msgspec
from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter
from msgspec import Struct

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.status import PoolFigures, WorkerFigures
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.pressure import Pressure


class PoolDetail(Struct, frozen=True):
    """A provider's pool and each of its workers. Whose conversation one holds, `admin` sees."""

    provider: str
    pool: PoolFigures
    workers: tuple[WorkerFigures, ...]
    object: Literal["pool"] = "pool"


def pressure_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub. Any caller may look."""
    guards = [guard(gate)]

    @get(
        "/v1/pressure",
        guards=guards,
        security=SECURITY,
        tags=["providers"],
        responses=error_responses(),
        summary="How close the hub is to refusing requests",
    )
    async def get_pressure() -> Pressure:
        return hub.pressure()

    @get(
        "/v1/providers/{name:str}/pool",
        guards=guards,
        security=SECURITY,
        tags=["providers"],
        responses=error_responses(404),
        summary="A provider's workers, one by one",
    )
    async def get_pool(
        request: Request[None, None, State],
        name: Annotated[str, PathParameter(description="The name it is configured under.")],
    ) -> PoolDetail:
        provider = hub.registry.get(name)
        workers = tuple(provider.workers())
        if not caller(request.scope).may(Scope.ADMIN):
            workers = tuple(msgspec.structs.replace(one, principal=None) for one in workers)
        return PoolDetail(name, provider.status().pool, workers)

    return [get_pressure, get_pool]
