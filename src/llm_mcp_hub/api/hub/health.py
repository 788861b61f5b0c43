"""`GET /health` and below: for load balancers, dashboards and people.

`/health`, `/health/live` and `/health/ready` need no access token, and say nothing that would
need one; to `HEAD` they answer alike, as probes ask. `/health/tokens` tells of logins and needs
one.
"""

from litestar import HttpMethod, Response, get, route
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, guard, public
from llm_mcp_hub.api.hub.schemas import Liveness, Readiness, TokenList
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.status import Health, HealthReport

UNAVAILABLE = 503


def health_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub."""
    open_to_all = [public(gate)]

    @get(
        "/health",
        guards=open_to_all,
        tags=["health"],
        responses=error_responses()
        | {UNAVAILABLE: ResponseSpec(HealthReport, description="Nothing can be served")},
        summary="How the hub is doing",
    )
    async def health() -> Response[HealthReport]:
        report = await hub.status.health()
        status = UNAVAILABLE if report.status is Health.UNHEALTHY else 200
        return Response(report, status_code=status)

    @get(
        "/health/live",
        guards=open_to_all,
        tags=["health"],
        responses=error_responses(),
        summary="Whether the process answers",
    )
    async def live() -> Liveness:
        return Liveness()

    @get(
        "/health/ready",
        guards=open_to_all,
        tags=["health"],
        responses=error_responses()
        | {UNAVAILABLE: ResponseSpec(Readiness, description="Send requests elsewhere")},
        summary="Whether requests should be sent here",
    )
    async def ready() -> Response[Readiness]:
        is_ready = await hub.status.ready()
        return Response(Readiness(is_ready), status_code=200 if is_ready else UNAVAILABLE)

    @get(
        "/health/tokens",
        guards=[guard(gate)],
        security=SECURITY,
        tags=["health"],
        responses=error_responses(),
        summary="The providers' logins and when they end",
    )
    async def tokens() -> TokenList:
        return TokenList(hub.status.tokens())

    heads = [
        route(path, http_method=[HttpMethod.HEAD], guards=open_to_all, include_in_schema=False)(
            handler.fn
        )
        for path, handler in (("/health", health), ("/health/live", live), ("/health/ready", ready))
    ]
    return [health, live, ready, tokens, *heads]
