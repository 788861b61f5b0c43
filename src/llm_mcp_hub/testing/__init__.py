"""What the hub is tested with, for the tests of plugins and of what talks to a hub."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_mcp_hub.testing.hub import TestHub, create_test_hub
    from llm_mcp_hub.testing.promise import BrokenPromiseError
    from llm_mcp_hub.testing.provider_suite import check_provider, provider_promises
    from llm_mcp_hub.testing.provider_trial import Abilities
    from llm_mcp_hub.testing.store_suite import check_store

__all__ = [
    "Abilities",
    "BrokenPromiseError",
    "TestHub",
    "check_provider",
    "check_store",
    "create_test_hub",
    "provider_promises",
]

_HOMES = {
    "Abilities": "llm_mcp_hub.testing.provider_trial",
    "BrokenPromiseError": "llm_mcp_hub.testing.promise",
    "TestHub": "llm_mcp_hub.testing.hub",
    "check_provider": "llm_mcp_hub.testing.provider_suite",
    "check_store": "llm_mcp_hub.testing.store_suite",
    "create_test_hub": "llm_mcp_hub.testing.hub",
    "provider_promises": "llm_mcp_hub.testing.provider_suite",
}


def __getattr__(name: str) -> Any:
    """Import on first use: pytest imports this package at every start, for its plugin."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
