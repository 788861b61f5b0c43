"""LLM MCP Hub: the subscriptions you already pay for, as an OpenAI-compatible API.

The public surface is `create_app`, `HubPlugin` and `HubConfig`; plugin authors also use
`hookimpl` and the modules named in `docs/plugins`.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_mcp_hub.app import create_app
    from llm_mcp_hub.config import HubConfig
    from llm_mcp_hub.hookspecs import hookimpl
    from llm_mcp_hub.plugin import HubPlugin

__all__ = ["HubConfig", "HubPlugin", "create_app", "hookimpl"]
__version__ = version("llm-mcp-hub")

_HOMES = {
    "HubConfig": "llm_mcp_hub.config",
    "HubPlugin": "llm_mcp_hub.plugin",
    "create_app": "llm_mcp_hub.app",
    "hookimpl": "llm_mcp_hub.hookspecs",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that a plugin does not pay for Litestar."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
