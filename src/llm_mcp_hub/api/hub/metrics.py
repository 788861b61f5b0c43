"""`GET /metrics`: this hub's figures for Prometheus.

Needs the scope `admin`; with `access.open_metrics`, not from the machine itself.
"""

import ipaddress

from litestar import MediaType, Response, get
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import Scope as AsgiScope

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Connection, Gate
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.hub import Hub

_FORWARDED = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"})


def metrics_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The route for one hub."""

    async def admit(connection: Connection, _handler: BaseRouteHandler) -> None:
        if hub.config.access.open_metrics and _is_local(connection.scope):
            gate.check_site(connection.scope)
        else:
            await gate.admit(connection.scope, Scope.ADMIN)

    @get(
        "/metrics",
        guards=[admit],
        security=SECURITY,
        tags=["metrics"],
        media_type=MediaType.TEXT,
        responses=error_responses(),
        summary="This hub's figures, for Prometheus",
    )
    async def get_metrics() -> Response[bytes]:
        from llm_mcp_hub.api.hub import metrics_text  # noqa: PLC0415  # not every hub is scraped

        return Response(metrics_text.exposition(hub), media_type=metrics_text.CONTENT_TYPE)

    return [get_metrics]


def _is_local(scope: AsgiScope) -> bool:
    """Whether the request comes from this machine, and from no proxy on it."""
    client = scope.get("client")
    if client is None or any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
