"""Agents that speak the Agent Client Protocol, for LLM MCP Hub: any of them, by settings alone.

Guarantee: no API key reaches an agent, every request for permission is rejected, and none of these
providers exists without being configured.
"""

from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.providers.base import Provider, ProviderContext, ProviderFactory
from llm_mcp_hub.providers.setup import ProviderSetup
from llm_mcp_hub_acp.settings import AcpSettings


def _create(context: ProviderContext) -> Provider:
    from llm_mcp_hub_acp.provider import AcpProvider  # noqa: PLC0415  # keeps start-up light

    return AcpProvider(context)


def _setup(context: ProviderContext) -> ProviderSetup:
    from llm_mcp_hub_acp.setup import setup_of  # noqa: PLC0415  # keeps start-up light

    return setup_of(context)


@hookimpl
def hub_register_providers() -> list[ProviderFactory]:
    """The kind `acp`, never there by itself: only the configuration file says what is run."""
    return [
        ProviderFactory("acp", _create, AcpSettings, automatic=False, setup=_setup, addable=False)
    ]
