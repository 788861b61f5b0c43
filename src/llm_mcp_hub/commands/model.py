"""Which model a command means when it says little or nothing."""

import time

from llm_mcp_hub.commands.embedded import SETTLE_SECONDS, until_tested
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.alias import DEFAULT_MODEL, members
from llm_mcp_hub.domain.model import split_model_id
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.hub import Hub


def provider_of(config: HubConfig, model: str | None) -> str | None:
    """The one provider that a model needs, where its id tells."""
    named = [split_model_id(one.model_id) for one in members(model or "", config.aliases)]
    providers = {parts[0] if parts is not None else None for parts in named}
    return providers.pop() if len(providers) == 1 else None


async def choose_model(hub: Hub, model: str | None) -> str:
    """The model named, or the default, or the first model of the first provider that is available.

    Raises:
        UnknownModel: Nobody offers the one named.
        ProviderUnavailable: No provider is available; says why.
    """
    if model is None and DEFAULT_MODEL in hub.config.aliases:
        model = DEFAULT_MODEL
    if model is not None:
        await hub.catalog.route(model)
        return model
    deadline = time.monotonic() + SETTLE_SECONDS
    for provider in hub.registry:
        await until_tested(provider, deadline)
        models = await provider.models()
        state = hub.registry.entry(provider.name).status().state
        if state is ProviderState.AVAILABLE and models:
            return f"{provider.name}/{models[0].name}"
    reasons = [f"{one.name}: {one.reason}" for one in await hub.status.providers() if one.reason]
    raise ProviderUnavailable(
        "No provider is available. "
        + (" ".join(reasons) or "None is configured: `llm-mcp-hub setup claude` makes one.")
    )
