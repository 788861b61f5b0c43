"""Fixtures of the ACP plugin's tests: providers that run the scripted agent."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from llm_mcp_hub.config import convert_settings
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub_acp.provider import AcpProvider
from llm_mcp_hub_acp.settings import AcpSettings
from llm_mcp_hub_acp.testing import agent

MakeProvider = Callable[..., AcpProvider]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # a process outside sets no event
            await asyncio.sleep(0.005)


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Waits for a condition outside of the event loop's knowledge."""
    return wait_until


@pytest.fixture
async def make_provider(tmp_path: Path, anyio_backend: object) -> AsyncIterator[MakeProvider]:
    """Makes providers of the scripted agent, with its options and the provider's settings."""
    made: list[AcpProvider] = []

    def make(*options: str, **settings: object) -> AcpProvider:
        directory = tmp_path / f"agent-{len(made)}"
        directory.mkdir()
        program = agent.install(directory, *options)
        values = {"command": [str(program)], "model_switch": "set_model", **settings}
        context = ProviderContext(
            "scripted",
            convert_settings(values, AcpSettings, "providers.scripted"),
            directory,
            {"PATH": os.environ["PATH"]},
        )
        made.append(AcpProvider(context))
        return made[-1]

    yield make
    for provider in made:
        await provider.aclose()
