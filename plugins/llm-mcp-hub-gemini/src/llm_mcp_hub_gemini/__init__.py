"""Gemini for LLM MCP Hub: drives the unmodified Gemini CLI with the user's own Code Assist login.

Guarantee: no API key is ever used, and no login token passes through the hub.
"""

from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.providers.base import Provider, ProviderContext, ProviderFactory
from llm_mcp_hub.providers.setup import ProviderSetup
from llm_mcp_hub_gemini.settings import GeminiRuntimeSettings, GeminiSettings


def _create(context: ProviderContext) -> Provider:
    from llm_mcp_hub_gemini.provider import GeminiProvider  # noqa: PLC0415  # keeps start-up light

    return GeminiProvider(context)


def _setup(context: ProviderContext) -> ProviderSetup:
    from llm_mcp_hub_gemini.setup import Setup  # noqa: PLC0415  # keeps start-up light

    return Setup.of(context)


@hookimpl
def hub_register_providers() -> list[ProviderFactory]:
    """The kind `gemini`, which is there without being configured."""
    return [
        ProviderFactory(
            "gemini",
            _create,
            GeminiSettings,
            setup=_setup,
            runtime_settings=GeminiRuntimeSettings,
        )
    ]
