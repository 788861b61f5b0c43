"""The suite can fail: for each of these defects the promise that it breaks is named."""

import asyncio
import os
import types
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from tests.testing.defects import counts, endings, surface, talks, tools, turns
from tests.testing.defects.good import ABILITIES, Good

from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.testing import (
    BrokenPromiseError,
    check_provider,
    provider_endings,
    provider_promises,
    provider_surface,
    provider_trial,
)
from llm_mcp_hub.testing.provider_suite import PROVIDER_PROMISES

pytestmark = pytest.mark.anyio


def defects(module: types.ModuleType) -> list[type[Good]]:
    """The providers of a module that break a promise."""
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type)]
    return [kind for kind in kinds if issubclass(kind, Good) and kind.breaks]


MODULES = (surface, turns, talks, endings, tools, counts)
DEFECTS = [kind for module in MODULES for kind in defects(module)]


@pytest.fixture
def context(tmp_path: Path) -> ProviderContext:
    return ProviderContext("good", None, tmp_path, {})


@pytest.fixture
async def short_times(
    monkeypatch: pytest.MonkeyPatch, anyio_backend: object
) -> AsyncIterator[None]:
    """What hangs is to be noticed soon, and what is left behind to be cleared away."""
    monkeypatch.setattr(provider_trial, "CLOSE_SECONDS", 0.5)
    monkeypatch.setattr(provider_endings, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(provider_surface, "START_SECONDS", 0.25)
    yield
    Good.generating = 0
    for process in endings.LeavesAProcess.left:
        process.kill()
        process.wait()
    for descriptor in endings.LeavesADescriptor.open:
        os.close(descriptor)
    for end in endings.LeavesAThread.ends:
        end.set()
    endings.LeavesAProcess.left.clear()
    endings.LeavesADescriptor.open.clear()
    endings.LeavesAThread.ends.clear()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if task.get_name() == "left behind":
            task.cancel()


def number_of(words: str) -> int:
    (number,) = (n for n, each in enumerate(PROVIDER_PROMISES, 1) if words in each.text)
    return number


@pytest.mark.parametrize("kind", DEFECTS)
async def test_a_provider_with_a_defect_is_rejected(
    kind: type[Good], context: ProviderContext, short_times: None
) -> None:
    number = number_of(kind.breaks)
    with pytest.raises(BrokenPromiseError, match=f"promise {number} is broken"):
        await check_provider(lambda: kind(context), ABILITIES, number)


async def test_a_provider_without_a_defect_passes(context: ProviderContext) -> None:
    await check_provider(lambda: Good(context), ABILITIES)


@pytest.mark.parametrize("kind", [talks.Forgets, turns.CountsNothing, turns.HasAnEmptyBatch])
async def test_the_whole_suite_names_a_promise_too(
    kind: type[Good], context: ProviderContext
) -> None:
    with pytest.raises(BrokenPromiseError, match=r"promise \d+ is broken: .+\n\w+: .+"):
        await check_provider(lambda: kind(context), ABILITIES)


def test_every_promise_can_be_broken() -> None:
    broken = {number_of(kind.breaks) for kind in DEFECTS}
    assert broken == set(range(1, len(PROVIDER_PROMISES) + 1))
    assert provider_promises(ABILITIES) == sorted(broken)


async def test_what_a_provider_can_t_show_is_not_asked_of_it(context: ProviderContext) -> None:
    class Forgetful(talks.Forgets):
        breaks = ""

    able = msgspec.structs.replace(ABILITIES, remembers=False, calls="")
    await check_provider(lambda: Forgetful(context), able)
