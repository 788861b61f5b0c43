"""Looks at the hub once a second: what has changed is an event, what is wrong is an alert.

Guarantees: a state store that is lost or back, and a provider whose state changes, is an event
within `LOOK_SECONDS` and the time the store's ping may take; a defect of one look or one provider
ends neither the others nor the monitor; it spends nothing at any vendor.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable
from weakref import WeakSet

import structlog

from llm_mcp_hub.domain.alert import Alert
from llm_mcp_hub.domain.event import EventName
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.plugins import PluginInfo
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.providers.registry import Registry
from llm_mcp_hub.services.alerts import (
    DAY_SECONDS,
    Facts,
    alerts_of,
    due_threshold,
    login_notice,
    provider_notice,
)
from llm_mcp_hub.services.courier import REMEMBER_SECONDS, Courier
from llm_mcp_hub.services.events import Events
from llm_mcp_hub.services.status import Health, HealthReport, ProviderReport, StatusService
from llm_mcp_hub.workers.events import PoolEvent

LOOK_SECONDS = 1.0
FULL_LOOK_SECONDS = 10.0
"""How often logins are looked at as well, which are in files."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


@runtime_checkable
class Observable(Protocol):
    """A provider that tells what happens to its workers."""

    def observe(self, tell: Callable[[PoolEvent], None]) -> None:
        """Tell it from now on."""
        ...


class Monitor:
    """Owns one background task between `start` and `aclose`.

    Args:
        status: Who is asked.
        registry: The providers.
        plugins: What became of the plugins.
        events: Who is told.
        days: So many days before its end a login is told of to the webhook.
        down_seconds: So long a provider must be unavailable, or available again, before that is.
        courier: The webhook, if there is one.
    """

    def __init__(
        self,
        status: StatusService,
        registry: Registry,
        plugins: Callable[[], tuple[PluginInfo, ...]],
        events: Events,
        days: tuple[int, ...] = (),
        down_seconds: float = 60.0,
        courier: Courier | None = None,
    ) -> None:
        self._status = status
        self._registry = registry
        self._plugins = plugins
        self._events = events
        self._days = days
        self._down_seconds = down_seconds
        self._courier = courier
        self._hub_name = socket.gethostname()
        self._observed: WeakSet[Provider] = WeakSet()
        self._state: Health | None = None
        self._providers: dict[str, ProviderState] = {}
        self._since: dict[str, float] = {}
        self._changed_at: dict[str, float] = {}
        self._told_down: set[str] = set()
        self._full_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._observe()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def alerts(self) -> list[Alert]:
        """What is wrong at this moment."""
        health = await self._status.health()
        self._compare(health)
        return await self._look_closely(health)

    async def look(self) -> None:
        """Look once."""
        self._observe()
        health = await self._status.health()
        changed = self._compare(health)
        if changed or time.monotonic() >= self._full_at:
            await self._status.verified.exchange()
            await self._look_closely(health)

    async def aclose(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._courier is not None:
            await self._courier.aclose()

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # whatever a foreign provider does, the next look is taken
                log.exception("monitor.failed")
            await asyncio.sleep(LOOK_SECONDS)

    def _observe(self) -> None:
        """Hear of the workers of every provider, also of one that has come since."""
        for provider in self._registry:
            if provider not in self._observed and isinstance(provider, Observable):
                self._observed.add(provider)
                provider.observe(self._teller(provider.name))

    def _teller(self, provider: str) -> Callable[[PoolEvent], None]:
        def tell(event: PoolEvent) -> None:
            if self._events.listening:
                self._events.publish(
                    EventName(event.name),
                    provider=provider,
                    pid=event.pid,
                    reason=event.reason or None,
                    seconds=event.seconds,
                )

        return tell

    def _compare(self, health: HealthReport) -> bool:
        """Tell what has changed since the last look; whether anything has."""
        before, self._state = self._state, health.state.status
        changed = before is not None and before is not self._state
        if changed:
            lost = self._state is not Health.HEALTHY
            name = EventName.STATE_LOST if lost else EventName.STATE_BACK
            self._events.publish(name, reason=health.state.message or None)
            log.warning(name.value, kind=health.state.kind, reason=health.state.message)
        was, self._providers = self._providers, health.providers
        for provider, state in health.providers.items():
            if was.get(provider) is not state:
                changed = True
                self._changed_at[provider] = time.monotonic()
                self._events.publish(EventName.PROVIDER_CHANGED, provider=provider, state=state)
        for provider in was.keys() - health.providers.keys():
            changed = True
            self._changed_at.pop(provider, None)
            self._told_down.discard(provider)
            self._events.publish(EventName.PROVIDER_CHANGED, provider=provider, state="removed")
        return changed

    async def _look_closely(self, health: HealthReport) -> list[Alert]:
        reports = tuple(await self._status.providers())
        self._full_at = time.monotonic() + FULL_LOOK_SECONDS
        trouble = self._courier.trouble if self._courier is not None else ""
        facts = Facts(health, reports, self._plugins(), trouble)
        now = time.time()
        alerts = alerts_of(facts, self._since, now)
        before, self._since = self._since, {alert.id: alert.since for alert in alerts}
        for alert in alerts:
            if alert.id not in before:
                self._events.publish(
                    EventName.ALERT_RAISED,
                    alert=alert.id,
                    reason=alert.message,
                    state=alert.severity.value,
                )
        for gone in before.keys() - self._since.keys():
            self._events.publish(
                EventName.ALERT_CLEARED, alert=gone, seconds=max(0.0, now - before[gone])
            )
        if self._courier is not None and not self._status.draining:
            for report in reports:
                self._tell_login(self._courier, report, now)
                self._tell_provider(self._courier, report, now)
        return alerts

    def _tell_login(self, courier: Courier, report: ProviderReport, now: float) -> None:
        login = report.credential
        if login is None or login.expires_at is None:
            return
        threshold = due_threshold(login.expires_at, self._days, now)
        if threshold is not None:
            # A login that is renewed ends at another time, and so is another login.
            key = f"login:{report.name}:{login.expires_at:.0f}:{threshold}"
            remember = max(0.0, login.expires_at - now) + REMEMBER_SECONDS + DAY_SECONDS
            notice = login_notice(report.name, login, self._hub_name, now)
            courier.tell(notice, key, remember)

    def _tell_provider(self, courier: Courier, report: ProviderReport, now: float) -> None:
        for_seconds = time.monotonic() - self._changed_at.get(report.name, time.monotonic())
        down = report.state is ProviderState.UNAVAILABLE
        if for_seconds < self._down_seconds or report.state is ProviderState.STARTING:
            return
        if down is (report.name in self._told_down) or not report.set_up:
            return
        if down:
            self._told_down.add(report.name)
        else:
            self._told_down.discard(report.name)
        reason = report.reason or "No reason is known." if down else ""
        courier.tell(provider_notice(report.name, reason, self._hub_name, now))
