"""A hub as a person runs it, and the judges."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llm_mcp_hub.testing import TestHub, create_test_hub

from .judges import Judges, find_judges


@pytest.fixture
def judges(tmp_path: Path) -> Judges:
    home = tmp_path / "judges"
    home.mkdir()
    return find_judges(home)


@pytest.fixture(scope="module")
def served() -> Iterator[TestHub]:
    """With access control."""
    with create_test_hub(word_seconds=0.01) as hub:
        yield hub
