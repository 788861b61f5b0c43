"""A hub, or only its state, inside a command: no server needed, and none disturbed."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llm_mcp_hub.commands.options import Place, make_data_directory
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.plugins import load_plugins
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.factory import create_store

SETTLE_SECONDS = 45.0
"""Longer than a self-test may take."""
_LOOK_SECONDS = 0.02
"""A provider has no event for the end of its self-test."""


@asynccontextmanager
async def open_store(place: Place) -> AsyncIterator[Store]:
    """The state store, for a command that changes or shows what running hubs use.

    Raises:
        ConfigError: The state is inside of a running hub, out of reach.
        StateUnavailable: It can't be reached.
    """
    config = place.read()
    store = create_store(config.state_url, load_plugins().store_factories())
    if store.name == "memory":
        raise ConfigError(
            "state: memory:// is inside of one running hub and can't be reached from here; use "
            "the hub's REST API, or a state store such as sqlite:///hub.db",
            param="state",
        )
    make_data_directory(config)
    try:
        await store.open()
        yield store
    finally:
        await store.aclose()


@asynccontextmanager
async def open_hub(config: HubConfig, only: str | None = None) -> AsyncIterator[Hub]:
    """A hub for the time of a command.

    Args:
        config: The configuration.
        only: The one provider that is needed; the others are not started.
    """
    make_data_directory(config)
    async with Hub(config, load_plugins(), only=only) as hub:
        yield hub


async def settle(hub: Hub, seconds: float = SETTLE_SECONDS) -> None:
    """Wait until no provider is starting any more, or the time is up."""
    deadline = time.monotonic() + seconds
    for provider in hub.registry:
        await until_tested(provider, deadline)


async def until_tested(provider: Provider, deadline: float) -> None:
    """Wait until a provider is no longer starting; `deadline` on the monotonic clock."""
    while provider.status().state is ProviderState.STARTING and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_SECONDS)
