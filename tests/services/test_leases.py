"""What a renewal says about the sessions of running turns."""

import time

import pytest

from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.services import leases
from llm_mcp_hub.services.leases import LeaseKeeper
from llm_mcp_hub.state.base import Lease
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

KEY = ("ann", "s")


@pytest.fixture
def lost() -> list[str]:
    return []


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def keeper(store, lost, monkeypatch) -> LeaseKeeper:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.0)
    keeper = LeaseKeeper(store, lambda turn_id, key: lost.append(turn_id))
    await store.begin(*KEY, Lease("t", 30.0), time.time())
    keeper.hold("t", *KEY)
    return keeper


async def test_a_lease_that_is_held_is_renewed_and_nobody_is_told(keeper, store, lost):
    await keeper.renew()
    assert lost == []
    assert await store.holders([KEY], time.time() + 29) == ("t",)


async def test_the_owner_of_a_deleted_session_is_told_once(keeper, store, lost):
    await store.delete(*KEY, time.time())
    await keeper.renew()
    await keeper.renew()
    assert lost == ["t"]


async def test_a_lease_that_may_have_passed_by_itself_is_left_alone(
    keeper, store, lost, monkeypatch
):
    late = time.time() + 40
    monkeypatch.setattr(time, "time", lambda: late)
    await keeper.renew()
    assert lost == []


async def test_a_lease_given_back_while_it_is_renewed_is_not_lost(keeper, store, lost, monkeypatch):
    async def renew(*_call):
        keeper.drop("t")
        return ()

    monkeypatch.setattr(store, "renew", renew)
    await keeper.renew()
    assert lost == []


async def test_a_store_that_is_away_says_nothing_about_sessions(keeper, store, lost, monkeypatch):
    async def away(*_call):
        raise StateUnavailable("Away.")

    monkeypatch.setattr(store, "renew", away)
    await keeper.renew()
    assert lost == []
