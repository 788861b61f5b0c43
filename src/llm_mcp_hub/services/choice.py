"""Which model a caller means who does not name one."""

import time

from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.model import split_model_id
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import InvalidRequest, ProviderUnavailable
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.providers.registry import Registry
from llm_mcp_hub.state.base import SessionStore


class ModelChoice:
    """Chooses among what is there at the moment it is asked."""

    def __init__(self, registry: Registry, store: SessionStore) -> None:
        self._registry = registry
        self._store = store

    async def choose(
        self,
        principal: Principal,
        model: str | None = None,
        provider: str | None = None,
        session_id: str | None = None,
    ) -> str:
        """A model's id: as named, or the provider's first, or the session's, or the first there is.

        Raises:
            InvalidRequest: Provider and model exclude each other.
            UnknownProvider: There is none of that name.
            ProviderUnavailable: No provider has a model to offer; says why.
            StateUnavailable: The session can't be looked up.
        """
        if provider is not None:
            return await self._of(self._registry.get(provider), model)
        if model is not None:
            return model
        if session_id is not None:
            session = await self._store.get(principal.name, session_id, time.time())
            if session is not None:
                return session.summary.model
        found = await self.one_of_each()
        if not found:
            raise self._none()
        return found[0]

    async def one_of_each(self) -> list[str]:
        """The first model of every provider that is available, else of those that soon may be."""
        found: dict[ProviderState, list[str]] = {state: [] for state in ProviderState}
        for provider in self._registry:
            models = await provider.models()
            state = provider.status().state
            found[state] += [f"{provider.name}/{card.name}" for card in models[:1]]
        return found[ProviderState.AVAILABLE] or found[ProviderState.STARTING]

    async def _of(self, provider: Provider, model: str | None) -> str:
        if model is not None:
            parts = split_model_id(model)
            if parts is None:
                return f"{provider.name}/{model}"
            if parts[0] != provider.name:
                raise InvalidRequest(
                    f"The model {model!r} is not one of the provider {provider.name!r}: name one "
                    "of the two.",
                    param="provider",
                )
            return model
        models = await provider.models()
        if not models:
            reason = provider.status().reason
            raise ProviderUnavailable(
                f"The provider {provider.name!r} offers no model now. {reason}".rstrip()
            )
        return f"{provider.name}/{models[0].name}"

    def _none(self) -> ProviderUnavailable:
        reasons = [f"{name}: {error.message}" for name, error in self._registry.failures.items()]
        reasons += [
            f"{one.name}: {reason}" for one in self._registry if (reason := one.status().reason)
        ]
        return ProviderUnavailable(
            "No provider is available. "
            + (" ".join(reasons) or "None is configured: `llm-mcp-hub setup claude` makes one.")
        )
