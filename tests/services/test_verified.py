"""When a login was last proved outlives the hub, and is the latest of all hubs'."""

import asyncio

import pytest

from llm_mcp_hub.domain.status import CredentialState, CredentialStatus
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.providers.registry import Entry, Registry
from llm_mcp_hub.services import verified
from llm_mcp_hub.services.verified import COLLECTION, KEEP_SECONDS, VerifiedLogins
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Provider:
    name = "p"

    def __init__(self, verified_at=None):
        self.verified_at = verified_at

    def credential_status(self):
        return CredentialStatus(CredentialState.READY, verified_at=self.verified_at)


class Hub:
    def __init__(self, store, verified_at=None, made_of=""):
        self.provider = Provider(verified_at)
        self.entry = Entry("p", provider=self.provider, made_of=made_of)
        registry = Registry()
        registry.put(self.entry)
        self.verified = VerifiedLogins(store, registry)

    @property
    def shown(self):
        return self.verified.credential(self.entry).verified_at


@pytest.fixture
def store():
    return MemoryStore()


async def test_a_hub_that_starts_knows_when_a_login_was_last_proved(store):
    await Hub(store, 1000.0).verified.aclose()
    later = Hub(store)
    assert later.shown is None
    await later.verified.exchange()
    assert later.shown == 1000.0


async def test_the_latest_of_all_hubs_is_shown_and_an_earlier_one_takes_nothing_back(store):
    first, second = Hub(store, 1000.0), Hub(store, 5000.0)
    for hub in (first, second, first):
        await hub.verified.exchange()
    assert (first.shown, second.shown) == (5000.0, 5000.0)
    await first.verified.aclose()
    await second.verified.exchange()
    assert second.shown == 5000.0


async def test_a_time_that_is_little_later_is_shown_at_once_and_kept_at_the_end(store):
    hub = Hub(store, 1000.0)
    await hub.verified.exchange()
    version = await store.records_version(COLLECTION)
    hub.provider.verified_at = 1000.0 + KEEP_SECONDS / 2
    await hub.verified.exchange()
    assert hub.shown == 1000.0 + KEEP_SECONDS / 2
    assert await store.records_version(COLLECTION) == version
    await hub.verified.aclose()
    again = Hub(store)
    await again.verified.exchange()
    assert again.shown == 1000.0 + KEEP_SECONDS / 2


async def test_another_provider_of_the_same_name_was_never_proved(store):
    await Hub(store, 1000.0, made_of="first").verified.aclose()
    other = Hub(store, made_of="second")
    await other.verified.exchange()
    assert other.shown is None
    other.provider.verified_at = 900.0
    await other.verified.aclose()
    again = Hub(store, made_of="second")
    await again.verified.exchange()
    assert again.shown == 900.0


async def test_a_record_that_nobody_can_read_counts_for_nothing_and_is_replaced(store):
    await store.put_record(COLLECTION, "p", b"?")
    hub = Hub(store, 1000.0)
    await hub.verified.exchange()
    again = Hub(store)
    await again.verified.exchange()
    assert again.shown == 1000.0


@pytest.mark.parametrize("fails", ["raises", "hangs"])
async def test_a_store_that_is_away_delays_the_keeping_and_nothing_else(store, monkeypatch, fails):
    monkeypatch.setattr(verified, "EXCHANGE_SECONDS", 0.01)
    answers = store.records_version

    async def away(collection):
        if fails == "raises":
            raise StateUnavailable("gone fishing")
        await asyncio.Event().wait()

    hub = Hub(store, 1000.0)
    store.records_version = away
    await hub.verified.exchange()
    assert hub.shown == 1000.0
    store.records_version = answers
    await hub.verified.exchange()
    again = Hub(store)
    await again.verified.exchange()
    assert again.shown == 1000.0
