"""What is wrong becomes an alert, what changes an event, and what matters a notice."""

import time

import pytest

from llm_mcp_hub.domain.alert import Severity
from llm_mcp_hub.domain.status import (
    CredentialState,
    CredentialStatus,
    ProviderState,
    ProviderStatus,
    credential_state,
)
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.plugins import PluginInfo
from llm_mcp_hub.providers.registry import Registry
from llm_mcp_hub.services.alerts import DAY_SECONDS, due_threshold
from llm_mcp_hub.services.events import Events
from llm_mcp_hub.services.monitor import Monitor
from llm_mcp_hub.services.status import StatusService
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Provider:
    capabilities: frozenset[str] = frozenset()

    def __init__(self, name: str = "p") -> None:
        self.name = name
        self.state = ProviderState.AVAILABLE
        self.warning = ""
        self.login: CredentialStatus | None = None

    async def models(self):
        return ()

    def status(self) -> ProviderStatus:
        down = self.state is ProviderState.UNAVAILABLE
        return ProviderStatus(self.state, "It is down." if down else "", warning=self.warning)

    def credential_status(self) -> CredentialStatus | None:
        return self.login

    def ends_in(self, days: float) -> None:
        expires_at = time.time() + days * DAY_SECONDS
        state = credential_state(expires_at, time.time())
        self.login = CredentialStatus(
            state, "oauth_token", expires_at, message="It ends.", remedy="Renew it."
        )


class Store(MemoryStore):
    away = False

    async def ping(self) -> None:
        if self.away:
            raise StateUnavailable("It can't be reached.")


class Told:
    """A courier that writes down what it is to tell."""

    trouble = ""

    def __init__(self) -> None:
        self.notices = []
        self.keys = set()

    def tell(self, notice, key="", remember=0.0) -> None:
        if not key or key not in self.keys:
            self.notices.append(notice)
        self.keys.add(key)

    async def aclose(self) -> None: ...


class World:
    def __init__(self) -> None:
        self.provider = Provider()
        self.store = Store()
        self.events = Events()
        self.told = Told()
        self.plugins: tuple[PluginInfo, ...] = ()
        registry = Registry()
        registry.add("p", self.provider)
        self.status = StatusService(registry, self.store)
        self.monitor = Monitor(
            self.status,
            registry,
            lambda: self.plugins,
            self.events,
            (7, 3, 1),
            0.0,
            self.told,
        )

    async def ids(self) -> list[str]:
        return [alert.id for alert in await self.monitor.alerts()]

    async def types(self) -> list[str]:
        await self.monitor.alerts()
        return [notice.type for notice in self.told.notices]


@pytest.fixture
def world() -> World:
    return World()


async def test_there_is_no_alert_while_all_is_well(world):
    world.provider.ends_in(100)
    assert await world.ids() == []
    assert await world.types() == []


@pytest.mark.parametrize(
    ("state", "severity"),
    [
        (CredentialState.EXPIRING, Severity.WARNING),
        (CredentialState.EXPIRED, Severity.ERROR),
        (CredentialState.MISSING, Severity.ERROR),
    ],
)
async def test_a_login_that_ends_is_one_alert_with_its_remedy(world, state, severity):
    world.provider.login = CredentialStatus(state, message="It ends.", remedy="Renew it.")
    if severity is Severity.ERROR:
        world.provider.state = ProviderState.UNAVAILABLE  # for that very reason
    (alert,) = await world.monitor.alerts()
    assert (alert.id, alert.severity, alert.remedy) == ("login:p", severity, "Renew it.")


async def test_all_that_can_be_wrong_is_listed_the_worst_first(world):
    world.store.away = True
    world.provider.warning = "The new version failed."
    world.plugins = (PluginInfo("bad", "bad 1", "ImportError: no"), PluginInfo("good", "good 1"))
    world.told.trouble = "The webhook could not be told."
    world.status.draining = True
    assert await world.ids() == [
        "state",
        "plugin:bad",
        "provider:p:warning",
        "webhook",
        "hub:draining",
    ]


async def test_an_alert_keeps_its_time_until_it_is_over_and_is_told_at_both_ends(world):
    with world.events.subscribe() as subscription:
        await world.monitor.look()
        world.store.away = True
        await world.monitor.look()
        (first,) = await world.monitor.alerts()
        (again,) = await world.monitor.alerts()
        assert first == again
        world.store.away = False
        await world.monitor.look()
        names = [event.name for event in await subscription.take()]
    assert names == [
        "provider.changed",
        "state.lost",
        "alert.raised",
        "state.back",
        "alert.cleared",
    ]


async def test_a_provider_that_goes_and_comes_back_is_an_event_and_a_notice_each(world):
    await world.monitor.look()
    with world.events.subscribe("provider.changed") as subscription:
        world.provider.state = ProviderState.UNAVAILABLE
        await world.monitor.look()
        world.provider.state = ProviderState.AVAILABLE
        await world.monitor.look()
        states = [event.state for event in await subscription.take()]
    assert states == ["unavailable", "available"]
    assert await world.types() == ["provider.unavailable", "provider.available"]


async def test_a_provider_that_is_away_for_a_moment_is_no_notice(world):
    world.monitor._down_seconds = 60.0
    await world.monitor.look()
    world.provider.state = ProviderState.UNAVAILABLE
    await world.monitor.look()
    assert await world.types() == []


async def test_a_login_is_told_of_once_for_each_threshold_and_when_it_has_ended(world, monkeypatch):
    start = time.time()
    world.provider.ends_in(8)
    counts = []
    for days_left in (8, 6.5, 6, 2.5, 2, 0.5, -1, -2):
        now = start + (8 - days_left) * DAY_SECONDS
        monkeypatch.setattr(time, "time", lambda now=now: now)
        counts.append(len(await world.types()))
    assert counts == [0, 1, 1, 2, 2, 3, 4, 4]
    assert await world.types() == ["login.expiring"] * 3 + ["login.expired"]


async def test_a_renewed_login_is_another_one(world):
    world.provider.ends_in(2.5)
    assert await world.types() == ["login.expiring"]
    world.provider.ends_in(2.6)
    assert await world.types() == ["login.expiring"] * 2


@pytest.mark.parametrize(
    ("days_left", "threshold"), [(8, None), (7, 7), (3.1, 7), (3, 3), (0.2, 1), (0, 0), (-9, 0)]
)
def test_the_threshold_is_the_least_that_applies(days_left, threshold):
    assert due_threshold(days_left * DAY_SECONDS, (7, 3, 1), 0.0) == threshold


async def test_a_provider_that_fails_to_answer_does_not_end_the_monitor(world, monkeypatch):
    import asyncio

    from llm_mcp_hub.services import monitor

    looks = 0

    def fails():
        nonlocal looks
        looks += 1
        raise ValueError("foreign")

    monkeypatch.setattr(monitor, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(world.provider, "status", fails)
    world.monitor.start()
    async with asyncio.timeout(5):
        while looks < 3:  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0)
    await world.monitor.aclose()
