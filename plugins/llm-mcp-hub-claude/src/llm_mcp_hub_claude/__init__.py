"""Claude for LLM MCP Hub: drives the unmodified Claude Code CLI with the user's own subscription.

Guarantee: no API key is ever used, and no login token passes through the hub.
"""

from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.providers.base import Provider, ProviderContext, ProviderFactory
from llm_mcp_hub.providers.setup import ProviderSetup
from llm_mcp_hub_claude.settings import ClaudeRuntimeSettings, ClaudeSettings


def _create(context: ProviderContext) -> Provider:
    from llm_mcp_hub_claude.provider import ClaudeProvider  # noqa: PLC0415  # keeps start-up light

    return ClaudeProvider(context)


def _setup(context: ProviderContext) -> ProviderSetup:
    from llm_mcp_hub_claude.setup import Setup  # noqa: PLC0415  # keeps start-up light

    return Setup.of(context)


@hookimpl
def hub_register_providers() -> list[ProviderFactory]:
    """The kind `claude`, which is there without being configured."""
    return [
        ProviderFactory(
            "claude",
            _create,
            ClaudeSettings,
            setup=_setup,
            runtime_settings=ClaudeRuntimeSettings,
        )
    ]
