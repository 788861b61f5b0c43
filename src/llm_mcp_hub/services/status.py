"""How the hub is doing: its state store, its providers and their logins."""

import asyncio
import time
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

from llm_mcp_hub.domain.model import Capability, ModelCard
from llm_mcp_hub.domain.status import (
    CredentialState,
    CredentialStatus,
    Origin,
    PoolFigures,
    ProviderState,
    QuotaWindow,
)
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.registry import Entry, Registry
from llm_mcp_hub.services.verified import VerifiedLogins
from llm_mcp_hub.state.base import Store

PING_SECONDS = 2.0
RENEWAL_PAGE = "https://llm-mcp-hub.readthedocs.io/en/latest/logins/"
"""Where the documentation says how a login is renewed; `#NAME` is the provider."""


class Health(StrEnum):
    """The hub as a whole."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class ComponentHealth(Struct, frozen=True):
    """One part of the hub. `message` is empty when it is well."""

    status: Health
    message: str = ""


class StateHealth(Struct, frozen=True):
    """The state store, and which kind it is."""

    status: Health
    kind: str
    message: str = ""


class HealthReport(Struct, frozen=True):
    """The hub, its state store and its providers, each by its state."""

    status: Health
    hub: ComponentHealth
    state: StateHealth
    providers: dict[str, ProviderState]


class TokenHealth(StrEnum):
    """A provider's login at a glance."""

    VALID = "valid"
    WARNING = "warning"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


TOKEN_HEALTH: Mapping[CredentialState, TokenHealth] = {
    CredentialState.READY: TokenHealth.VALID,
    CredentialState.EXPIRING: TokenHealth.WARNING,
    CredentialState.EXPIRED: TokenHealth.EXPIRED,
    CredentialState.MISSING: TokenHealth.UNKNOWN,
    CredentialState.UNKNOWN: TokenHealth.UNKNOWN,
}


class TokenReport(Struct, frozen=True):
    """A provider's login.

    Attributes:
        expires_at: Unix seconds, None where the vendor does not tell.
        days_left: Whole days until then, negative once it has passed.
        renewal_url: Page of the documentation that says how to renew it.
        account: Whose login it is, masked.
        refreshed_at: When the vendor's tool last renewed it, Unix seconds.
        last_error: Why the vendor last refused it, empty once it has worked again.
    """

    provider: str
    status: TokenHealth
    method: str | None
    expires_at: float | None
    days_left: int | None
    plan: str | None
    verified_at: float | None
    message: str
    remedy: str
    renewal_url: str
    account: str | None = None
    refreshed_at: float | None = None
    last_error: str = ""


class ProviderReport(Struct, frozen=True):
    """A provider as the hub shows it.

    Attributes:
        reason: Why it is not available; empty when it is.
        warning: What is wrong although it is available; empty when nothing is.
        deadlines: How often each deadline has passed since the hub's start, by name.
        kind: What its plugin calls its sort.
        draining: Whether an administrator has it take no new turns.
        removing: Whether it is being removed.
        settings: What it was given, if it was added at run time and an administrator asks.
        set_up: False if it came with its plugin and nobody has logged in.
        capabilities: What its models can do beyond answering text with text.
    """

    name: str
    state: ProviderState
    reason: str
    version: str | None
    authentication: str | None
    models: tuple[ModelCard, ...]
    credential: CredentialStatus | None
    pool: PoolFigures
    quota: tuple[QuotaWindow, ...]
    warning: str = ""
    deadlines: dict[str, int] = {}
    kind: str = ""
    origin: Origin = Origin.CONFIGURED
    draining: bool = False
    removing: bool = False
    settings: dict[str, Any] | None = None
    set_up: bool = True
    capabilities: tuple[Capability, ...] = ()


class StatusService:
    """Asks everyone; spends nothing."""

    def __init__(self, registry: Registry, store: Store) -> None:
        self._registry = registry
        self._store = store
        self.verified = VerifiedLogins(store, registry)
        self.draining = False

    async def health(self) -> HealthReport:
        """The whole hub. Unhealthy: nothing can be served. Degraded: something can't be.

        A provider that was never set up is no part of what can be.
        """
        state = await self._state()
        entries = self._registry.entries()
        providers = {entry.name: entry.status().state for entry in entries}
        available = [
            providers[entry.name] is ProviderState.AVAILABLE for entry in entries if entry.set_up
        ]
        hub = ComponentHealth(Health.HEALTHY)
        if self.draining:
            hub = ComponentHealth(Health.UNHEALTHY, "shutting down")
        if Health.UNHEALTHY in (state.status, hub.status) or not any(available):
            status = Health.UNHEALTHY
        else:
            status = Health.HEALTHY if all(available) else Health.DEGRADED
        return HealthReport(status, hub, state, providers)

    async def ready(self) -> bool:
        """Whether requests should be sent here: the state store answers, and no shutdown runs."""
        return not self.draining and (await self._state()).status is Health.HEALTHY

    async def providers(self, *, settings: bool = False) -> list[ProviderReport]:
        """Every provider, those that could not be made included; with settings for admins only."""
        entries = self._registry.entries()
        return [await self._report(entry, settings=settings) for entry in entries]

    async def provider(self, name: str, *, settings: bool = False) -> ProviderReport:
        """One provider.

        Raises:
            UnknownProvider: There is none of that name.
        """
        return await self._report(self._registry.entry(name), settings=settings)

    def tokens(self) -> list[TokenReport]:
        """The login of every provider that has one."""
        now = time.time()
        return [
            _token_report(entry.name, credential, now)
            for entry in self._registry.entries()
            if (credential := self.verified.credential(entry)) is not None
        ]

    async def _report(self, entry: Entry, *, settings: bool) -> ProviderReport:
        status, provider = entry.status(), entry.provider
        credential = self.verified.credential(entry)
        return ProviderReport(
            name=entry.name,
            state=status.state,
            reason=status.reason,
            version=status.version,
            authentication=credential.method if credential is not None else None,
            models=tuple(await provider.models()) if provider is not None else (),
            credential=credential,
            pool=status.pool,
            quota=status.quota,
            warning=status.warning,
            deadlines=status.deadlines,
            kind=entry.kind,
            origin=entry.origin,
            draining=entry.draining or entry.leaving,
            removing=entry.leaving,
            settings=entry.settings if settings else None,
            set_up=entry.set_up,
            capabilities=tuple(sorted(provider.capabilities)) if provider is not None else (),
        )

    async def _state(self) -> StateHealth:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._store.ping()
        except TimeoutError:
            message = f"no answer within {PING_SECONDS:g} s"
        except HubError as error:
            message = error.message
        else:
            return StateHealth(Health.HEALTHY, self._store.name)
        return StateHealth(Health.UNHEALTHY, self._store.name, message)


def _token_report(name: str, credential: CredentialStatus, now: float) -> TokenReport:
    expires = credential.expires_at
    return TokenReport(
        provider=name,
        status=TOKEN_HEALTH[credential.state],
        method=credential.method,
        expires_at=expires,
        days_left=None if expires is None else int((expires - now) // 86_400),
        plan=credential.plan,
        verified_at=credential.verified_at,
        message=credential.message,
        remedy=credential.remedy,
        renewal_url=f"{RENEWAL_PAGE}#{name}",
        account=credential.account,
        refreshed_at=credential.refreshed_at,
        last_error=credential.last_error,
    )
