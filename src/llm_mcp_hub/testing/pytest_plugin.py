"""Fixtures that every pytest run has once this package is installed.

Nothing of the hub is imported until a test asks for a fixture: whoever installs the package pays
nothing for it in other tests.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from llm_mcp_hub.testing.hub import TestHub


@pytest.fixture
def hub_server() -> "Iterator[TestHub]":
    """A hub with the echo provider, fresh for the test, that serves on a loopback port."""
    from llm_mcp_hub.testing.hub import create_test_hub  # noqa: PLC0415  # see the module

    with create_test_hub() as hub:
        yield hub
