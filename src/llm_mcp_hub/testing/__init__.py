"""What the hub is tested with, for the tests of plugins and of what talks to a hub."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_mcp_hub.testing.hub import TestHub, create_test_hub
    from llm_mcp_hub.testing.store_suite import check_store

__all__ = ["TestHub", "check_store", "create_test_hub"]

_HOMES = {
    "TestHub": "llm_mcp_hub.testing.hub",
    "check_store": "llm_mcp_hub.testing.store_suite",
    "create_test_hub": "llm_mcp_hub.testing.hub",
}


def __getattr__(name: str) -> Any:
    """Import on first use: pytest imports this package at every start, for its plugin."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
