"""What administrators look at: `GET /v1/overview`, `/v1/alerts`, `/v1/config`, `/v1/plugins`.

And `POST /v1/providers/{name}/verify`.
"""

from typing import Annotated, Literal

from litestar import Request, get, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter
from msgspec import Struct

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.alert import Alert
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.plugins import PluginInfo
from llm_mcp_hub.services.configuration import Setting, effective
from llm_mcp_hub.services.overview import Overview
from llm_mcp_hub.services.verify import Verification

VERIFY_ERRORS = (404, 409, 410, 429, 502, 504)


class AlertList(Struct, frozen=True):
    """What is wrong now, the worst first."""

    data: list[Alert]
    object: Literal["list"] = "list"


class PluginList(Struct, frozen=True):
    """Every plugin that was found; `error` says why one is left out."""

    data: list[PluginInfo]
    object: Literal["list"] = "list"


class Configuration(Struct, frozen=True):
    """The configuration in effect. `file` is the configuration file, null if there is none."""

    file: str | None
    data_dir: str
    data: list[Setting]
    object: Literal["list"] = "list"


def admin_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub."""
    guards = [guard(gate, Scope.ADMIN)]

    @get(
        "/v1/overview",
        guards=guards,
        security=SECURITY,
        tags=["hub"],
        responses=error_responses(),
        summary="The hub at a glance",
    )
    async def get_overview() -> Overview:
        return await hub.overview()

    @get(
        "/v1/alerts",
        guards=guards,
        security=SECURITY,
        tags=["hub"],
        responses=error_responses(),
        summary="What is wrong now",
    )
    async def list_alerts() -> AlertList:
        return AlertList(await hub.monitor.alerts())

    @get(
        "/v1/config",
        guards=guards,
        security=SECURITY,
        tags=["hub"],
        responses=error_responses(),
        summary="The configuration in effect, without secrets",
    )
    async def get_config() -> Configuration:
        return Configuration(
            file=hub.sources.file,
            data_dir=str(hub.config.data_path.absolute()),
            data=effective(hub.config, hub.sources),
        )

    @get(
        "/v1/plugins",
        guards=guards,
        security=SECURITY,
        tags=["hub"],
        responses=error_responses(),
        summary="The plugins, those that were left out included",
    )
    async def list_plugins() -> PluginList:
        return PluginList(list(hub.plugins.infos))

    @post(
        "/v1/providers/{name:str}/verify",
        guards=guards,
        security=SECURITY,
        tags=["providers"],
        status_code=200,
        responses=error_responses(*VERIFY_ERRORS),
        summary="Have a provider answer, to see that it does",
    )
    async def verify_provider(
        request: Request[None, None, State],
        name: Annotated[str, PathParameter(description="The name it is configured under.")],
    ) -> Verification:
        return await hub.verify.verify(caller(request.scope), name)

    return [get_overview, list_alerts, get_config, list_plugins, verify_provider]
