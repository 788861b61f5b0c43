"""The gate before every route: is this request meant for this hub, and from whom is it?

Guarantees: a web page on another site can't reach the hub through the visitor's browser (Host and
Origin are checked, which also stops DNS rebinding); a route that is not public is never run
without a principal that has its scope.
"""

import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.types import Scope as AsgiScope

from llm_mcp_hub.config import ServerConfig
from llm_mcp_hub.config_checks import LOOPBACK
from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.errors import InvalidRequest, NotPermitted
from llm_mcp_hub.services.access import AccessService, is_vendor_key, require

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

SECURITY = [{"AccessToken": list[str]()}]
"""For `security=` of every route that is not public."""

TOKEN_HEADER = b"x-api-key"
"""Where some of Anthropic's clients put an access token. Taken on the routes that they call."""

SECURITY_WITH_HEADER = [*SECURITY, {"AccessTokenHeader": list[str]()}]
"""For `security=` of the routes that take an access token in `TOKEN_HEADER`, too."""

_HOST = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]*))(?::[0-9]*)?")
_PRINCIPAL = "hub_principal"


class Gate:
    """Checks requests for one hub."""

    def __init__(self, server: ServerConfig, access: AccessService) -> None:
        self._any_host = "*" in server.allowed_hosts
        named = {server.host, *server.allowed_hosts}
        self._hosts = LOOPBACK | {name.lower() for name in named}
        self._origins = frozenset(server.allowed_origins)
        self._access = access
        self._known: set[bytes] = set()

    async def admit(
        self, scope: AsgiScope, *needed: Scope, token_header: bool = False
    ) -> Principal:
        """Let a request in, or say why not.

        Args:
            scope: The request.
            needed: The caller must have one of these scopes; none given means any caller.
            token_header: The access token may stand in `TOKEN_HEADER` instead.

        Raises:
            NotPermitted: A foreign Host or Origin, or a missing scope.
            InvalidRequest: Two hosts.
            NotAuthenticated: No working access token.
        """
        presented = _bearer(self.check_site(scope))
        if token_header:
            presented = _either(presented, scope)
        principal = await self._access.authenticate(presented)
        if needed and not any(principal.may(one) for one in needed):
            require(principal, needed[0])
        return principal

    def check_site(self, scope: AsgiScope) -> bytes:
        """Check Host and Origin; return the Authorization header, empty if there is none.

        Raises:
            NotPermitted: The request is not meant for this hub.
            InvalidRequest: It says two hosts.
        """
        host = authorization = b""
        origin: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"host":
                if host not in (b"", value):
                    raise InvalidRequest("Send one Host header, not several.", param="Host")
                host = value
            elif name == b"authorization":
                authorization = value
            elif name == b"origin":
                origin = value
        if host not in self._known:
            self._check_host(host)
        if origin is not None:
            self._check_origin(origin.decode("latin-1"), host.decode("latin-1"))
        return authorization

    def _check_host(self, raw: bytes) -> None:
        name = _host_name(raw.decode("latin-1"))
        if not (self._any_host or name in self._hosts or _is_address(name)):
            raise NotPermitted(
                "This hub is not known by the name in the Host header. Add the name to "
                "`server.allowed_hosts` if it is right."
            )
        if len(self._known) < 256:  # a bound for what strangers can make it hold
            self._known.add(raw)

    def _check_origin(self, origin: str, host: str) -> None:
        try:
            site = urlsplit(origin).netloc
        except ValueError:
            site = ""
        same_site = site != "" and site.lower() == host.lower()
        if not (same_site or origin in self._origins or "*" in self._origins):
            raise NotPermitted(
                "Web pages of this origin may not call the hub. Add the origin to "
                "`server.allowed_origins` if they should."
            )


def guard(gate: Gate, *needed: Scope, token_header: bool = False) -> Guard:
    """A Litestar guard that admits callers and notes who they are."""

    async def admit(connection: Connection, _handler: BaseRouteHandler) -> None:
        principal = await gate.admit(connection.scope, *needed, token_header=token_header)
        connection.scope["state"][_PRINCIPAL] = principal

    return admit


def public(gate: Gate) -> Guard:
    """A Litestar guard for routes that need no token but still check Host and Origin."""

    async def admit(connection: Connection, _handler: BaseRouteHandler) -> None:
        gate.check_site(connection.scope)

    return admit


def caller(scope: AsgiScope) -> Principal:
    """The principal that `guard` has admitted."""
    principal: Principal = scope["state"][_PRINCIPAL]
    return principal


def _bearer(header: bytes) -> str | None:
    scheme, _, value = header.decode("latin-1").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _either(bearer: str | None, scope: AsgiScope) -> str | None:
    """What is presented in either place; what looks like a vendor's key first, to be refused."""
    found = [] if bearer is None else [bearer]
    found += [
        value.decode("latin-1").strip() for name, value in scope["headers"] if name == TOKEN_HEADER
    ]
    return next(filter(is_vendor_key, found), next(filter(None, found), None))


def _host_name(host: str) -> str:
    """The name without its port; all of it if there is something else, so that nobody has it."""
    match = _HOST.fullmatch(host)
    return host if match is None else (match.group(1) or match.group(2)).lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
