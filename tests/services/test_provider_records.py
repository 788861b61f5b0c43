"""Records of providers, and what becomes of them, beyond what REST shows."""

import asyncio

import pytest

from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import Origin, ProviderState, ProviderStatus
from llm_mcp_hub.errors import ConfigError, NameTaken, UnknownProvider
from llm_mcp_hub.providers.base import Provider, ProviderFactory
from llm_mcp_hub.providers.maker import Configured, ProviderMaker
from llm_mcp_hub.providers.registry import Entry, Registry
from llm_mcp_hub.services.provider_lifecycle import ProviderLifecycle
from llm_mcp_hub.services.provider_records import COLLECTION, ProviderRecords
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

AT_ONCE = 6
SECONDS = 10.0


class Told(Provider):
    """Remembers what it is told, and can refuse to be made or told."""

    made: list["Told"] = []  # noqa: RUF012  # emptied for each test

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name = name
        self.told: list[str] = []
        self._fails = fails
        self.made.append(self)

    async def start(self) -> None:
        self.told.append("start")

    async def models(self) -> list[ModelCard]:
        return []

    def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.AVAILABLE)

    def credential_status(self) -> None:
        return None

    def _tell(self, what: str) -> None:
        self.told.append(what)
        if self._fails:
            raise ZeroDivisionError

    def drain(self) -> None:
        self._tell("drain")

    def resume(self) -> None:
        self._tell("resume")

    def restart(self) -> None:
        self._tell("restart")

    async def aclose(self) -> None:
        self._tell("close")


class Situation:
    """A hub's part that is about providers, on a store."""

    def __init__(self, store, tmp_path, configured=(), create=None, *, fails=False):
        factory = ProviderFactory(
            "told", create or (lambda context: Told(context.name, fails=fails))
        )
        self.store = store
        self.maker = ProviderMaker([factory], tmp_path, {})
        names = {name: Configured("told", {}, Origin.CONFIGURED) for name in configured}
        self.registry = Registry()
        for name in configured:
            self.registry.put(Entry(name, provider=Told(name, fails=fails)))
        self.records = ProviderRecords(store, self.maker, names)
        self.lifecycle = ProviderLifecycle(
            self.registry, store, self.maker, names, RunningTurns(), 0.0
        )

    async def __aenter__(self):
        await self.lifecycle.open()
        return self

    async def __aexit__(self, *_):
        await self.lifecycle.aclose()
        await self.registry.aclose()

    async def until_gone(self, name):
        async with asyncio.timeout(SECONDS):
            while self.registry.find_entry(name) is not None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def nobody_made():
    Told.made.clear()


class Distant(MemoryStore):
    """Others get between a reading and the writing that follows."""

    async def get_record(self, collection, name):
        found = await super().get_record(collection, name)
        await asyncio.sleep(0)
        return found


async def test_changes_at_once_are_all_made(tmp_path):
    records = Situation(Distant(), tmp_path, ["p"]).records
    await asyncio.gather(*[records.restart("p") for _ in range(AT_ONCE)])
    _, found = await records.all()
    assert found["p"].restarts == AT_ONCE


async def test_a_change_that_changes_nothing_writes_nothing(tmp_path):
    records = Situation(MemoryStore(), tmp_path, ["p"]).records
    await records.drain("p", draining=True)
    version = await records.version()
    await records.drain("p", draining=True)
    assert await records.version() == version


async def test_a_record_of_a_newer_hub_is_passed_over_and_not_overwritten_by_an_addition(tmp_path):
    store = MemoryStore()
    await store.put_record(COLLECTION, "odd", b"what is this")
    async with Situation(store, tmp_path) as hub:
        await hub.lifecycle.add("work", "told", {}, "me")
        assert [entry.name for entry in hub.registry.entries()] == ["work"]
        with pytest.raises(NameTaken):
            await hub.lifecycle.add("odd", "told", {}, "me")


async def test_what_was_drained_in_the_configuration_once_can_be_added_later(tmp_path):
    store = MemoryStore()
    await Situation(store, tmp_path, ["p"]).records.drain("p", draining=True)
    async with Situation(store, tmp_path) as hub:
        with pytest.raises(UnknownProvider):
            await hub.lifecycle.remove("p")
        with pytest.raises(UnknownProvider):
            await hub.lifecycle.drain("p", draining=False)
        await hub.lifecycle.add("p", "told", {}, "me")
        assert hub.registry.entry("p").draining is False


async def test_a_name_that_the_configuration_takes_later_is_its_own(tmp_path):
    store = MemoryStore()
    async with Situation(store, tmp_path) as hub:
        await hub.lifecycle.add("p", "told", {}, "me")
    async with Situation(store, tmp_path, ["p"]) as hub:
        assert hub.registry.entry("p").origin is Origin.CONFIGURED
        with pytest.raises(NameTaken):
            await hub.lifecycle.add("p", "told", {}, "me")


async def test_a_provider_is_told_of_everything_once_and_of_old_restarts_never(tmp_path):
    store = MemoryStore()
    async with Situation(store, tmp_path) as hub:
        await hub.lifecycle.add("p", "told", {}, "me")
        await hub.lifecycle.drain("p", draining=True)
        await hub.lifecycle.restart("p")
        await hub.lifecycle.drain("p", draining=False)
        await hub.lifecycle.drain("p", draining=True)
    assert Told.made[0].told == ["start", "drain", "restart", "resume", "drain", "close"]
    async with Situation(store, tmp_path) as hub:
        assert Told.made[1].told == ["drain", "start"]
        await hub.lifecycle.remove("p")
        await hub.until_gone("p")
    assert Told.made[1].told == ["drain", "start", "drain", "close"]


async def test_a_restart_before_the_hub_began_is_none_of_its_own(tmp_path):
    store = MemoryStore()
    await Situation(store, tmp_path, ["p"]).records.restart("p")
    Told.made.clear()
    async with Situation(store, tmp_path, ["p"]) as hub:
        await hub.lifecycle.drain("p", draining=True)
    assert Told.made[0].told == ["start", "drain", "close"]


async def test_a_provider_that_fails_when_it_is_told_keeps_no_other_from_being_told(tmp_path):
    async with Situation(MemoryStore(), tmp_path, ["a", "b"], fails=True) as hub:
        for name in ("a", "b"):
            await hub.lifecycle.drain(name, draining=True)
            await hub.lifecycle.restart(name)
        assert all("restart" in one.told for one in Told.made)
        await hub.lifecycle.add("c", "told", {}, "me")
        await hub.lifecycle.remove("c")
        await hub.until_gone("c")
        assert hub.registry.entry("a").refusal is not None


async def test_one_that_can_not_be_made_is_listed_and_tried_again_by_a_restart(tmp_path):
    broken = [ConfigError("Not now.")]

    def create(context):
        if broken:
            raise broken.pop()
        return Told(context.name)

    async with Situation(MemoryStore(), tmp_path, create=create) as hub:
        await hub.lifecycle.add("p", "told", {}, "me")
        assert hub.registry.entry("p").status().reason == "Not now."
        await hub.lifecycle.restart("p")
        assert Told.made[0].told == ["start"]
        assert hub.registry.entry("p").status().state is ProviderState.AVAILABLE


async def test_what_is_being_removed_when_the_hub_stops_is_closed_once(tmp_path):
    async with Situation(MemoryStore(), tmp_path) as hub:
        await hub.lifecycle.add("p", "told", {}, "me")
        await hub.lifecycle.remove("p")
    assert Told.made[0].told.count("close") == 1
