"""`/v1/providers` and below, but for their pools; `GET /v1/provider-kinds`.

Looking is for any caller, changing for administrators. What may be given to a new provider is
decided in `providers/runtime_settings.py`.
"""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, delete, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import Body, PathParameter
from msgspec import Struct

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.api.hub.schemas import ProviderList
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.status import ProviderReport

AnyRequest = Request[None, None, State]
Name = Annotated[str, PathParameter(description="The provider's name.")]


class NewProvider(Struct, frozen=True, forbid_unknown_fields=True):
    """A provider to add.

    Attributes:
        name: How it is to be called; the first half of its models' ids.
        kind: One of `GET /v1/provider-kinds`.
        settings: What that kind may be given at run time.
    """

    name: str
    kind: str
    settings: dict[str, Any] = {}


class ProviderKind(Struct, frozen=True):
    """A kind of provider that an installed plugin makes.

    Attributes:
        settings: JSON Schema of what it may be given at run time; null for nothing.
    """

    kind: str
    settings: dict[str, Any] | None


class ProviderKindList(Struct, frozen=True):
    """All kinds."""

    data: list[ProviderKind]
    object: Literal["list"] = "list"


def provider_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub."""
    anyone, admin = [guard(gate)], [guard(gate, Scope.ADMIN)]

    @get(
        "/v1/providers",
        guards=anyone,
        security=SECURITY,
        tags=["providers"],
        responses=error_responses(),
        summary="List the providers",
    )
    async def list_providers(request: AnyRequest) -> ProviderList:
        may_see = caller(request.scope).may(Scope.ADMIN)
        return ProviderList(await hub.status.providers(settings=may_see))

    @get(
        "/v1/providers/{name:str}",
        guards=anyone,
        security=SECURITY,
        tags=["providers"],
        responses=error_responses(404),
        summary="Look at one provider",
    )
    async def get_provider(request: AnyRequest, name: Name) -> ProviderReport:
        may_see = caller(request.scope).may(Scope.ADMIN)
        return await hub.status.provider(name, settings=may_see)

    @post(
        "/v1/providers",
        guards=admin,
        security=SECURITY,
        tags=["providers"],
        responses=error_responses(409, 415),
        summary="Add a provider of an installed plugin's",
    )
    async def add_provider(
        request: AnyRequest, data: Annotated[NewProvider, Body()]
    ) -> ProviderReport:
        by = caller(request.scope).name
        await hub.providers.add(data.name, data.kind, data.settings, by)
        return await hub.status.provider(data.name, settings=True)

    @delete(
        "/v1/providers/{name:str}",
        guards=admin,
        security=SECURITY,
        tags=["providers"],
        status_code=202,
        responses=error_responses(404, 409),
        summary="Drain and remove a provider that was added",
    )
    async def remove_provider(name: Name) -> ProviderReport:
        # It may be gone as soon as it is asked to go.
        before = await hub.status.provider(name, settings=True)
        await hub.providers.remove(name)
        return msgspec.structs.replace(
            before,
            state=ProviderState.UNAVAILABLE,
            reason=f"The provider {name!r} is being removed and takes no new turn.",
            draining=True,
            removing=True,
        )

    @post(
        "/v1/providers/{name:str}/drain",
        guards=admin,
        security=SECURITY,
        tags=["providers"],
        status_code=200,
        responses=error_responses(404, 409),
        summary="Have a provider take no new turns",
    )
    async def drain_provider(name: Name) -> ProviderReport:
        await hub.providers.drain(name, draining=True)
        return await hub.status.provider(name, settings=True)

    @post(
        "/v1/providers/{name:str}/resume",
        guards=admin,
        security=SECURITY,
        tags=["providers"],
        status_code=200,
        responses=error_responses(404, 409),
        summary="Have a drained provider take turns again",
    )
    async def resume_provider(name: Name) -> ProviderReport:
        await hub.providers.drain(name, draining=False)
        return await hub.status.provider(name, settings=True)

    @post(
        "/v1/providers/{name:str}/restart",
        guards=admin,
        security=SECURITY,
        tags=["providers"],
        status_code=200,
        responses=error_responses(404, 409),
        summary="Have all of a provider's workers replaced",
    )
    async def restart_provider(name: Name) -> ProviderReport:
        await hub.providers.restart(name)
        return await hub.status.provider(name, settings=True)

    @get(
        "/v1/provider-kinds",
        guards=admin,
        security=SECURITY,
        tags=["providers"],
        responses=error_responses(),
        summary="What can be added, and with which settings",
    )
    async def list_provider_kinds() -> ProviderKindList:
        return ProviderKindList(
            [ProviderKind(kind, schema) for kind, schema in hub.providers.kinds()]
        )

    return [
        list_providers,
        get_provider,
        add_provider,
        remove_provider,
        drain_provider,
        resume_provider,
        restart_provider,
        list_provider_kinds,
    ]
