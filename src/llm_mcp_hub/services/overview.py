"""The hub at a glance: what else takes half a dozen questions, in one look; spends nothing."""

import time

from msgspec import Struct

from llm_mcp_hub import __version__
from llm_mcp_hub.domain.alert import Alert, Severity
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.providers.registry import Registry
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.services.status import (
    ComponentHealth,
    Health,
    HealthReport,
    StateHealth,
    TokenHealth,
    TokenReport,
)


class ProviderCounts(Struct, frozen=True):
    """How many of the providers that are set up take requests; the states are everybody's."""

    available: int
    total: int
    states: dict[str, ProviderState]


class WorkerCounts(Struct, frozen=True):
    """The workers and queues of all providers together."""

    blank: int
    claimed: int
    parked: int
    starting: int
    queued: int


class AlertCounts(Struct, frozen=True):
    """How many alerts there are of each severity."""

    error: int
    warning: int
    info: int


class Overview(Struct, frozen=True):
    """The hub at a glance.

    Attributes:
        started_at: Unix seconds.
        running_turns: At this hub, those that are being opened included.
        logins: Those that have ended, or end soon.
    """

    status: Health
    version: str
    started_at: float
    uptime_seconds: float
    hub: ComponentHealth
    state: StateHealth
    providers: ProviderCounts
    running_turns: int
    workers: WorkerCounts
    alerts: AlertCounts
    logins: list[TokenReport]


def overview(
    health: HealthReport,
    registry: Registry,
    running: RunningTurns,
    alerts: list[Alert],
    logins: list[TokenReport],
    started_at: float,
) -> Overview:
    """Put it together."""
    pools = [provider.status().pool for provider in registry]
    states = health.providers
    counts = dict.fromkeys(Severity, 0)
    for alert in alerts:
        counts[alert.severity] += 1
    return Overview(
        status=health.status,
        version=__version__,
        started_at=started_at,
        uptime_seconds=max(0.0, time.time() - started_at),
        hub=health.hub,
        state=health.state,
        providers=ProviderCounts(
            available=sum(state is ProviderState.AVAILABLE for state in states.values()),
            total=sum(entry.set_up for entry in registry.entries()),
            states=states,
        ),
        running_turns=len(running),
        workers=WorkerCounts(
            blank=sum(pool.blank for pool in pools),
            claimed=sum(pool.claimed for pool in pools),
            parked=sum(pool.parked for pool in pools),
            starting=sum(pool.starting for pool in pools),
            queued=sum(pool.queued for pool in pools),
        ),
        alerts=AlertCounts(
            error=counts[Severity.ERROR],
            warning=counts[Severity.WARNING],
            info=counts[Severity.INFO],
        ),
        logins=[
            login for login in logins if login.status in (TokenHealth.WARNING, TokenHealth.EXPIRED)
        ],
    )
