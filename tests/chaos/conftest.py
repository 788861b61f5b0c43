"""A hub whose provider runs a program that misbehaves on command."""

import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.testing.hub import TestHub, create_test_hub

from . import chaos_provider, processes

SEED_VARIABLE = "HUB_TEST_CHAOS_SEED"
TIMES_VARIABLE = "HUB_TEST_CHAOS_TIMES"


@pytest.fixture
def seed() -> int:
    """The same always, unless told otherwise; printed, so that a failure can be repeated."""
    chosen = int(os.environ.get(SEED_VARIABLE, "1"))
    print(f"{SEED_VARIABLE}={chosen}")  # noqa: T201  # shown when the test fails
    return chosen


@pytest.fixture
def chaos_times() -> int:
    """How often each fault is committed, however long that takes."""
    return int(os.environ.get(TIMES_VARIABLE, "5"))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all temporary files go, the children's too."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


@pytest.fixture
def marker() -> str:
    """An argument of every worker of this test, and of nobody else's."""
    return f"chaos-{secrets.token_hex(6)}"


@pytest.fixture
def make_hub(tmp_path: Path, temporary: Path, marker: str) -> Iterator[Callable[..., TestHub]]:
    """Makes hubs on one SQLite file, with the chaos provider under the given settings."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc to see what is left")

    def make(**settings: Any) -> TestHub:
        provider = {"marker": marker, "manner": "chaos", **settings}
        return create_test_hub(
            {"providers": {"chaos": provider, "echo": {"enabled": False}}},
            state=f"sqlite:///{tmp_path / 'hub.db'}",
            plugins=[("chaos", chaos_provider)],
        )

    yield make
    processes.kill_all(str(temporary))
