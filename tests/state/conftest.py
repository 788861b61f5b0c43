"""Stores to test: each test gets empty ones, all tests share the two servers."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from llm_mcp_hub.state import sqlite_shortcut
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.factory import create_store
from llm_mcp_hub.state.memory import hub_register_stores as memory_stores
from llm_mcp_hub.state.redis import hub_register_stores as redis_stores
from llm_mcp_hub.state.sqlite import SqliteStore
from llm_mcp_hub.state.sqlite import hub_register_stores as sqlite_stores
from llm_mcp_hub.testing.redis_server import RedisServer, redis_server, redis_server_binary

FACTORIES = [*memory_stores(), *sqlite_stores(), *redis_stores()]
KINDS = ["memory", "sqlite", "sqlite-memory", "redis", "redis-cluster"]

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]

_numbers = itertools.count()


def opener(url: Callable[[], str]) -> OpenStore:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        store = create_store(url(), FACTORIES)
        await store.open()
        try:
            yield store
        finally:
            await store.aclose()

    return open_store


def _server(cluster: bool) -> Iterator[RedisServer]:
    if redis_server_binary() is None:
        pytest.skip("no redis-server on the path")
    with redis_server(cluster=cluster) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """A server to be left running."""
    yield from _server(cluster=False)


@pytest.fixture(scope="session")
def redis_cluster() -> Iterator[RedisServer]:
    """A cluster of one node, which refuses scripts that reach into several slots."""
    yield from _server(cluster=True)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server to stop and to torment."""
    yield from _server(cluster=False)


@pytest.fixture(
    params=[
        pytest.param(kind, marks=[pytest.mark.redis] if "redis" in kind else []) for kind in KINDS
    ]
)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStore:
    """Opens an empty store of each kind, as often as wanted."""
    if request.param == "memory":
        return opener(lambda: "memory://")
    if request.param == "sqlite-memory":
        return opener(lambda: "sqlite:///:memory:")
    if request.param == "sqlite":
        return opener(lambda: f"sqlite:///{tmp_path}/{next(_numbers)}.db")
    name = "redis_cluster" if request.param == "redis-cluster" else "redis"
    server: RedisServer = request.getfixturevalue(name)
    return opener(lambda: f"{server.url}?prefix=test-{next(_numbers)}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Of a database file."""
    return tmp_path / "hub.db"


@pytest.fixture
async def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SqliteStore]:
    """In that file, and never taken for one on a slow disk."""
    # On a busy machine a job may take as long as on a slow disk.
    monkeypatch.setattr(sqlite_shortcut, "SLOW_SECONDS", 60.0)
    made = SqliteStore(str(path))
    await made.open()
    yield made
    await made.aclose()
