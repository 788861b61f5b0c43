"""The hub itself, without any door: state, plugins, providers and services put together.

Guarantee: `async with Hub(config)` has everything running inside the block and nothing left after
it. The constructor does no I/O beyond importing plugins, so a wrong configuration is refused
before anything is started.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import structlog

from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.config_sources import Sources
from llm_mcp_hub.domain.event import EventName
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.domain.usage import Counts
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.plugins import Plugins, load_plugins
from llm_mcp_hub.providers.maker import ProviderMaker, configured_providers
from llm_mcp_hub.providers.registry import build_registry
from llm_mcp_hub.services.access import AccessService
from llm_mcp_hub.services.background import BackgroundTurns
from llm_mcp_hub.services.catalog import Catalog
from llm_mcp_hub.services.chat import ChatService
from llm_mcp_hub.services.choice import ModelChoice
from llm_mcp_hub.services.courier import Courier
from llm_mcp_hub.services.events import Events
from llm_mcp_hub.services.finished_turns import FinishedTurns
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.services.kept_turns import KeptTurns
from llm_mcp_hub.services.leases import LeaseKeeper
from llm_mcp_hub.services.limits import LimitKeeper
from llm_mcp_hub.services.linked_images import LinkedImages
from llm_mcp_hub.services.monitor import Monitor
from llm_mcp_hub.services.overview import Overview, overview
from llm_mcp_hub.services.pressure import Pressure, pressure
from llm_mcp_hub.services.provider_lifecycle import ProviderLifecycle
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.services.sessions import SessionService, session_ended
from llm_mcp_hub.services.status import StatusService
from llm_mcp_hub.services.turn import Turn
from llm_mcp_hub.services.turn_context import TurnContext
from llm_mcp_hub.services.usage import UsageService
from llm_mcp_hub.services.usage_recorder import UsageRecorder
from llm_mcp_hub.services.verify import VerifyService
from llm_mcp_hub.state.base import SessionKey
from llm_mcp_hub.state.factory import create_store

DAY_SECONDS = 86_400
STOP_SECONDS = 5.0
"""How long turns may take to end once they are stopped, and their callers to be told."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Hub:
    """See the module. The services are its attributes.

    Args:
        config: The configuration.
        plugins: The plugins; by default those installed.
        environment: By default that of the process. Child processes see an allow-list of it.
        sources: Where the configuration comes from, for whoever looks at it.
        only: The one provider that is needed, if there is such; the others are not started.

    Raises:
        ConfigError: The configuration names something that does not exist.
    """

    def __init__(
        self,
        config: HubConfig,
        plugins: Plugins | None = None,
        environment: Mapping[str, str] | None = None,
        sources: Sources | None = None,
        only: str | None = None,
    ) -> None:
        config.check()
        self.config = config
        self.sources = sources if sources is not None else Sources()
        self.started_at = time.time()
        self.plugins = plugins if plugins is not None else load_plugins()
        self.store = create_store(config.state_url, self.plugins.store_factories())
        settings = dict(config.providers)
        if config.demo:
            settings.setdefault("echo", {})
        maker = ProviderMaker(
            self.plugins.provider_factories(),
            config.data_path,
            os.environ if environment is None else environment,
        )
        configured = configured_providers(settings, maker.kinds.values())
        self.registry = build_registry(configured, maker)
        self.mounts = self.plugins.mounts()
        self.access = AccessService(self.store, enabled=config.access.enabled)
        self.catalog = Catalog(self.registry, config.aliases)
        self.choice = ModelChoice(self.registry, self.store, config.aliases)
        self.events = Events()
        self._running = RunningTurns()
        self.sessions = SessionService(self.store, self._running, self.events)
        self.status = StatusService(self.registry, self.store)
        self._leases = LeaseKeeper(self.store, self._session_lost)
        self._ending: set[asyncio.Task[bool]] = set()
        self.providers = ProviderLifecycle(
            self.registry,
            self.store,
            maker,
            configured,
            self._running,
            config.server.drain_seconds,
            only,
        )
        self.journals = Journals(
            self.store,
            config.turns.resume_seconds,
            config.turns.journal_seconds,
            config.sessions.ttl_seconds,
            self._turn_cancelled,
        )
        self.usage = UsageService(self.store, config.usage.retention_days * DAY_SECONDS)
        self._recorder = UsageRecorder(self.store, config.usage.retention_days * DAY_SECONDS)
        self._limits = LimitKeeper(self.store)
        self._finished = FinishedTurns(self.plugins.turn_finished)
        context = TurnContext(
            store=self.store,
            leases=self._leases,
            running=self._running,
            journals=self.journals,
            limits=self._limits,
            session_ttl=config.sessions.ttl_seconds,
            finished=self._turn_finished,
            refused=self._recorder.record,
        )
        self.chat = ChatService(
            self.catalog, self.choice, context, self.events, LinkedImages(config.images)
        )
        self.background = BackgroundTurns()
        self.kept_turns = KeptTurns(self.journals, self.store)
        self._when_stopped: list[Callable[[], None]] = []
        self.verify = VerifyService(self.registry, self.chat)
        self.monitor = Monitor(
            self.status,
            self.registry,
            lambda: self.plugins.infos,
            self.events,
            config.alerts.days,
            config.alerts.provider_seconds,
            Courier(config.alerts.webhook_url, self.store) if config.alerts.webhook_url else None,
        )

    async def open(self) -> None:
        """Connect the state store and let the providers get ready."""
        try:
            await self.store.open()
        except StateUnavailable as error:
            # A server that is away for a moment must not keep the hub from starting.
            log.warning("state.unavailable", reason=error.message)
        self._leases.start()
        await self.providers.open()
        self.started_at = time.time()
        self.monitor.start()

    def drain(self) -> None:
        """Refuse new turns from now on, and say that this hub is not ready."""
        if not self.status.draining:
            self.status.draining = True
            self.events.publish(EventName.HUB_DRAINING)
        self.chat.drain()

    async def overview(self) -> Overview:
        """The hub at a glance."""
        alerts = await self.monitor.alerts()
        return overview(
            await self.status.health(),
            self.registry,
            self._running,
            alerts,
            self.status.tokens(),
            self.started_at,
        )

    def pressure(self) -> Pressure:
        """How close the hub is to refusing requests."""
        return pressure(self.registry.entries(), self._running, draining=self.status.draining)

    def turns(self) -> list[Turn]:
        """The turns that run at this hub, the longest running one first."""
        return sorted(
            (turn for turn in self._running if isinstance(turn, Turn)),
            key=lambda turn: turn.created_at,
        )

    def counted(self) -> dict[tuple[str, str], Counts]:
        """What this hub has counted of its turns since its start, by provider and model."""
        return self._recorder.totals()

    async def wait_until_idle(self, seconds: float) -> None:
        """Wait for the end of the last running turn, at most for so long."""
        await self._running.wait_until_none(seconds)

    async def stop_turns(self) -> None:
        """End the turns that still run, and the following of others' turns; all callers are told.

        Bounded.
        """
        self.journals.hub_stops = True
        if self._running:
            log.warning("hub.turns_stopped", turns=len(self._running))
        await self._running.stop(STOP_SECONDS)
        self.events.end()
        for tell in self._when_stopped:
            tell()

    def when_stopped(self, tell: Callable[[], None]) -> None:
        """Have `tell` called once no turn runs any more: what is open without a turn may end."""
        self._when_stopped.append(tell)

    async def aclose(self) -> None:
        """End everything; bounded, and done when it returns, even if it is cancelled."""
        self.drain()
        closing = asyncio.get_running_loop().create_task(self._close())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await asyncio.wait([closing])
            raise

    def _turn_finished(self, turn: TurnRecord) -> None:
        self._recorder.record(turn)
        self._finished.add(turn)
        if not self.events.listening:
            return
        told = {
            "owner": turn.principal,
            "turn_id": turn.turn_id,
            "session_id": turn.session_id,
            "model": f"{turn.provider}/{turn.model}",
        }
        if turn.session_id is not None and turn.outcome is Outcome.DONE:
            self.events.publish(EventName.SESSION_CHANGED, **told)
        self.events.publish(
            EventName.TURN_FINISHED,
            **told,
            provider=turn.provider,
            outcome=turn.outcome.value,
            code=turn.error_code,
            seconds=turn.seconds,
        )

    def _session_lost(self, turn_id: str, key: SessionKey) -> None:
        """Another hub has deleted the session of a turn."""
        ending = self._running.end(key, session_ended(key[1]), STOP_SECONDS, turn_id)
        task = asyncio.get_running_loop().create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _turn_cancelled(self, turn_id: str) -> None:
        """Another hub has ended a turn of this one's."""
        turn = self.background.find(turn_id)
        if turn is not None:
            turn.cancel()

    async def _close(self) -> None:
        try:
            await self.stop_turns()
            await self.background.aclose()
            await self.monitor.aclose()
            await self.status.verified.aclose()
            await self.providers.aclose()
            await self.registry.aclose()
            await self._leases.aclose()
            await self.journals.aclose()
            await self._limits.aclose()
            self._finished.flush()
            await self._recorder.aclose()
            await self.access.aclose()
        finally:
            await self.store.aclose()

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
