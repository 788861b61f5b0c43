"""Which model is meant by a caller who names none."""

import pytest

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import ProviderState, ProviderStatus
from llm_mcp_hub.errors import ConfigError, InvalidRequest, ProviderUnavailable, UnknownProvider
from llm_mcp_hub.providers.registry import Entry, Registry
from llm_mcp_hub.services.choice import ModelChoice
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

ANN = Principal("ann", frozenset(Scope))


class Some:
    def __init__(self, name, state, *models, reason=""):
        self.name = name
        self._status = ProviderStatus(state, reason)
        self._models = [ModelCard(model) for model in models]

    async def models(self):
        return self._models

    def status(self):
        return self._status


def choice_of(*providers, aliases=None):
    registry = Registry()
    for provider in providers:
        registry.add(provider.name, provider)
    return ModelChoice(registry, MemoryStore(), aliases or {}), registry


async def test_the_first_model_of_the_first_available_provider_is_meant():
    choice, _ = choice_of(
        Some("down", ProviderState.UNAVAILABLE, "a"),
        Some("soon", ProviderState.STARTING, "b"),
        Some("empty", ProviderState.AVAILABLE),
        Some("up", ProviderState.AVAILABLE, "c", "d"),
        Some("too", ProviderState.AVAILABLE, "e"),
    )
    assert await choice.choose(ANN) == "up/c"
    assert await choice.one_of_each() == ["up/c", "too/e"]


async def test_a_provider_that_is_drained_is_not_meant():
    choice, registry = choice_of(
        Some("first", ProviderState.AVAILABLE, "a"), Some("second", ProviderState.AVAILABLE, "b")
    )
    registry.entry("first").draining = True
    assert await choice.choose(ANN) == "second/b"
    assert await choice.one_of_each() == ["second/b"]


async def test_a_provider_that_still_starts_is_better_than_none():
    choice, _ = choice_of(
        Some("down", ProviderState.UNAVAILABLE, "a"), Some("soon", ProviderState.STARTING, "b")
    )
    assert await choice.choose(ANN) == "soon/b"


async def test_without_any_the_reasons_are_told():
    choice, registry = choice_of(Some("down", ProviderState.UNAVAILABLE, "a", reason="Log in."))
    registry.put(Entry("broken", failure=ConfigError("Not made.")))
    with pytest.raises(ProviderUnavailable, match=r"down: Log in.*broken: Not made"):
        await choice.choose(ANN)
    with pytest.raises(ProviderUnavailable, match="Not made"):
        await choice.choose(ANN, provider="broken")
    nothing, _ = choice_of()
    with pytest.raises(ProviderUnavailable, match="setup"):
        await nothing.choose(ANN)


async def test_what_is_named_is_meant():
    choice, _ = choice_of(
        Some("up", ProviderState.AVAILABLE, "c"),
        Some("down", ProviderState.UNAVAILABLE, "a"),
        Some("empty", ProviderState.UNAVAILABLE, reason="Log in."),
    )
    assert await choice.choose(ANN, model="anything") == "anything"
    assert await choice.choose(ANN, provider="down") == "down/a"
    assert await choice.choose(ANN, model="x", provider="down") == "down/x"
    assert await choice.choose(ANN, model="down/x", provider="down") == "down/x"
    assert await choice.choose(ANN, session_id="new") == "up/c"
    with pytest.raises(InvalidRequest):
        await choice.choose(ANN, model="up/c", provider="down")
    with pytest.raises(UnknownProvider):
        await choice.choose(ANN, provider="nobody")
    with pytest.raises(ProviderUnavailable, match="Log in"):
        await choice.choose(ANN, provider="empty")
