"""Real child processes from small scripts, on both event loops."""

import asyncio
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.workers.process import Worker
from llm_mcp_hub.workers.spec import WorkerSpec

WAIT_SECONDS = 20.0


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return ("asyncio", {"use_uvloop": request.param})


@pytest.fixture
def program(tmp_path: Path) -> Callable[..., WorkerSpec]:
    """Makes a worker spec from the text of a Python program."""

    def make(text: str, *arguments: str, **fields: Any) -> WorkerSpec:
        path = tmp_path / f"program{len(list(tmp_path.glob('program*')))}.py"
        path.write_text("import os, signal, sys, time\n" + textwrap.dedent(text))
        return WorkerSpec((sys.executable, "-I", "-S", str(path), *arguments), **fields)

    return make


@pytest.fixture
async def start(
    remains: Any, anyio_backend: object
) -> AsyncIterator[Callable[[WorkerSpec], Awaitable[Worker]]]:
    """Starts workers, closes them after the test, and checks that nothing is left of them."""
    started: list[Worker] = []

    async def start_one(spec: WorkerSpec) -> Worker:
        started.append(await Worker.start(spec))
        return started[-1]

    yield start_one
    async with asyncio.timeout(WAIT_SECONDS):
        for worker in started:
            await worker.aclose()
    remains.check()
