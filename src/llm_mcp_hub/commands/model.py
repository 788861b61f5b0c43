"""Which model a command means when it says little or nothing."""

import time

from llm_mcp_hub.commands.embedded import SETTLE_SECONDS, until_tested
from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.domain.model import split_model_id
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.hub import Hub


def provider_of(config: HubConfig, model: str | None) -> str | None:
    """The one provider that a model needs, where its id tells."""
    if model is None:
        return None
    parts = split_model_id(config.aliases.get(model, model))
    return parts[0] if parts is not None else None


async def choose_model(hub: Hub, model: str | None) -> str:
    """The model named, or the first model of the first provider that turns out available.

    Raises:
        UnknownModel: Nobody offers the one named.
        ProviderUnavailable: No provider is available; says why.
    """
    if model is not None:
        await hub.catalog.resolve(model)
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
