"""How the hub says it is doing, and which models it says there are."""

import asyncio
import time

import pytest

from llm_mcp_hub.domain.alert import Severity
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import (
    CredentialState,
    CredentialStatus,
    Origin,
    ProviderState,
    ProviderStatus,
)
from llm_mcp_hub.errors import ConfigError, StateUnavailable, UnknownModel, UnknownProvider
from llm_mcp_hub.providers.registry import Entry, Registry
from llm_mcp_hub.services import status as status_module
from llm_mcp_hub.services.alerts import Facts, alerts_of
from llm_mcp_hub.services.catalog import Catalog
from llm_mcp_hub.services.status import TOKEN_HEALTH, Health, StatusService, TokenHealth
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Provider:
    capabilities: frozenset[str] = frozenset()

    def __init__(self, name, state=ProviderState.AVAILABLE, models=("m",), credential=None):
        self.name = name
        self._state = state
        self._models = models
        self._credential = credential

    async def models(self):
        return [ModelCard(name) for name in self._models]

    def status(self):
        return ProviderStatus(self._state)

    def workers(self):
        return ()

    def credential_status(self):
        return self._credential


def registry(*providers):
    made = Registry()
    for provider in providers:
        made.add(provider.name, provider)
    return made


UP, DOWN, STARTING = ProviderState.AVAILABLE, ProviderState.UNAVAILABLE, ProviderState.STARTING


@pytest.mark.parametrize(
    ("states", "health"),
    [
        ([UP], Health.HEALTHY),
        ([UP, UP], Health.HEALTHY),
        ([UP, DOWN], Health.DEGRADED),
        ([UP, STARTING], Health.DEGRADED),
        ([DOWN], Health.UNHEALTHY),
        ([STARTING], Health.UNHEALTHY),
        ([], Health.UNHEALTHY),
    ],
)
async def test_the_hub_is_as_well_as_what_it_can_serve(states, health):
    providers = [Provider(f"p{number}", state) for number, state in enumerate(states)]
    report = await StatusService(registry(*providers), MemoryStore()).health()

    assert report.status is health
    assert report.state.status is Health.HEALTHY
    assert list(report.providers.values()) == states


@pytest.mark.parametrize(
    ("origin", "login", "state", "set_up"),
    [
        (Origin.AUTOMATIC, CredentialState.MISSING, DOWN, False),
        (Origin.AUTOMATIC, CredentialState.MISSING, UP, True),
        (Origin.AUTOMATIC, CredentialState.EXPIRED, DOWN, True),
        (Origin.AUTOMATIC, None, DOWN, True),
        (Origin.CONFIGURED, CredentialState.MISSING, DOWN, True),
        (Origin.ADDED, CredentialState.MISSING, DOWN, True),
    ],
)
async def test_a_provider_nobody_has_set_up_makes_no_hub_ill_and_no_alert_but_a_hint(
    origin, login, state, set_up
):
    credential = CredentialStatus(login, remedy="Log in.") if login is not None else None
    providers = registry(Provider("used"))
    providers.put(Entry("other", origin=origin, provider=Provider("other", state, (), credential)))
    service = StatusService(providers, MemoryStore())
    health, reports = await service.health(), await service.providers()

    assert [report.set_up for report in reports] == [True, set_up]
    well = state is UP or not set_up
    assert health.status is (Health.HEALTHY if well else Health.DEGRADED)
    alerts = alerts_of(Facts(health, tuple(reports), ()), {}, 0.0)
    severities = {alert.severity for alert in alerts if alert.subject == "other"}
    if not set_up:
        assert severities == {Severity.INFO}
        assert alerts[0].remedy == "Log in."
    elif state is DOWN:
        assert severities == {Severity.ERROR}


async def test_a_hub_that_shuts_down_is_not_ready():
    service = StatusService(registry(Provider("p")), MemoryStore())
    assert await service.ready()
    service.draining = True

    assert not await service.ready()
    assert (await service.health()).hub.status is Health.UNHEALTHY


@pytest.mark.parametrize("fails", ["raises", "hangs"])
async def test_a_store_that_does_not_answer_is_told_in_time(monkeypatch, fails):
    monkeypatch.setattr(status_module, "PING_SECONDS", 0.01)
    store = MemoryStore()

    async def ping():
        if fails == "raises":
            raise StateUnavailable("gone fishing")
        await asyncio.Event().wait()

    store.ping = ping
    service = StatusService(registry(Provider("p")), store)
    report = await service.health()

    assert report.status is Health.UNHEALTHY
    assert report.state.message in {"gone fishing", "no answer within 0.01 s"}
    assert not await service.ready()


async def test_logins_are_told_with_their_end_and_remedy():
    day = 86_400
    credential = CredentialStatus(
        CredentialState.EXPIRING, "oauth_token", time.time() + 3.5 * day, remedy="Renew it."
    )
    expired = CredentialStatus(CredentialState.EXPIRED, "oauth_file", time.time() - 1.5 * day)
    service = StatusService(
        registry(
            Provider("a", credential=credential), Provider("b"), Provider("c", credential=expired)
        ),
        MemoryStore(),
    )
    first, second = service.tokens()

    assert (first.provider, first.status, first.days_left) == ("a", TokenHealth.WARNING, 3)
    assert first.remedy == "Renew it."
    assert first.renewal_url.endswith("#a")
    assert (second.status, second.days_left) == (TokenHealth.EXPIRED, -2)


def test_every_state_of_a_login_has_a_place_in_the_report():
    assert set(TOKEN_HEALTH) == set(CredentialState)


async def test_providers_that_could_not_be_made_are_reported_like_the_others():
    made = registry(Provider("good"))
    made.put(Entry("bad", failure=ConfigError("no such thing")))
    service = StatusService(made, MemoryStore())

    assert [report.name for report in await service.providers()] == ["good", "bad"]
    assert (await service.provider("bad")).reason == "no such thing"
    with pytest.raises(UnknownProvider):
        await service.provider("nobody")


async def test_a_name_that_one_provider_uses_needs_no_provider():
    catalog = Catalog(registry(Provider("a", models=("x", "y")), Provider("b", models=("y",))), {})

    assert [target.id for target in await catalog.route("x")] == ["a/x"]
    with pytest.raises(UnknownModel, match="a/y, b/y"):
        await catalog.route("y")
    assert [target.id for target in await catalog.route("b/y")] == ["b/y"]


async def test_an_alias_is_listed_exactly_if_it_leads_somewhere():
    aliases = {"good": "a/x", "bare": "x", "nowhere": "nobody/x", "unknown": "z", "twice": "good"}
    catalog = Catalog(registry(Provider("a", models=("x",))), aliases)
    listed = {offer.id for offer in await catalog.offers()}

    assert listed == {"a/x", "good", "bare", "twice"}
    for model_id in aliases:
        if model_id in listed:
            assert [target.model for target in await catalog.route(model_id)] == ["x"]
            assert (await catalog.offer(model_id)).id == model_id
        else:
            with pytest.raises(UnknownModel):
                await catalog.route(model_id)
            with pytest.raises(UnknownModel):
                await catalog.offer(model_id)


async def test_a_report_has_what_is_wrong_with_a_provider_that_is_available():
    class Limping(Provider):
        def status(self):
            return ProviderStatus(UP, warning="Update it.", deadlines={"idle": 2})

    service = StatusService(registry(Limping("a")), MemoryStore())
    report = await service.provider("a")
    assert (report.state, report.warning, report.deadlines) == (UP, "Update it.", {"idle": 2})
