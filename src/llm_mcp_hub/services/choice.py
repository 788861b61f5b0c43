"""Which model a caller means who does not name one."""

import time

from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.alias import DEFAULT_MODEL, Aliases
from llm_mcp_hub.domain.model import split_model_id
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.errors import InvalidRequest, ProviderUnavailable
from llm_mcp_hub.providers.registry import Entry, Registry
from llm_mcp_hub.state.base import SessionStore


class ModelChoice:
    """Chooses among what is there at the moment it is asked."""

    def __init__(self, registry: Registry, store: SessionStore, aliases: Aliases) -> None:
        self._registry = registry
        self._store = store
        self._aliases = aliases

    async def choose(
        self,
        principal: Principal,
        model: str | None = None,
        provider: str | None = None,
        session_id: str | None = None,
    ) -> str:
        """A model's id: as named, or the provider's first, or the session's, or the default.

        The default is the alias `default`, or without one the first model there is. Empty names no
        model.

        Raises:
            InvalidRequest: Provider and model exclude each other.
            UnknownProvider: There is none of that name.
            ProviderUnavailable: No provider has a model to offer; says why.
            StateUnavailable: The session can't be looked up.
        """
        if provider is not None:
            return await self._of(self._registry.entry(provider), model)
        if model and model != DEFAULT_MODEL:
            return model
        if not model and session_id is not None:
            session = await self._store.get(principal.name, session_id, time.time())
            if session is not None:
                return session.summary.model
        if DEFAULT_MODEL in self._aliases:
            return DEFAULT_MODEL
        found = await self.one_of_each()
        if not found:
            raise self._none()
        return found[0]

    async def one_of_each(self) -> list[str]:
        """The first model of every provider that is available, else of those that soon may be."""
        found: dict[ProviderState, list[str]] = {state: [] for state in ProviderState}
        for entry in self._registry.entries():
            if entry.provider is not None:
                models = await entry.provider.models()
                state = entry.status().state
                found[state] += [f"{entry.name}/{card.name}" for card in models[:1]]
        return found[ProviderState.AVAILABLE] or found[ProviderState.STARTING]

    async def _of(self, entry: Entry, model: str | None) -> str:
        if model:
            parts = split_model_id(model)
            if parts is None:
                return f"{entry.name}/{model}"
            if parts[0] != entry.name:
                raise InvalidRequest(
                    f"The model {model!r} is not one of the provider {entry.name!r}: name one "
                    "of the two.",
                    param="provider",
                )
            return model
        models = await entry.provider.models() if entry.provider is not None else []
        if not models:
            raise ProviderUnavailable(
                f"The provider {entry.name!r} offers no model now. {entry.status().reason}".rstrip()
            )
        return f"{entry.name}/{models[0].name}"

    def _none(self) -> ProviderUnavailable:
        reasons = [
            f"{entry.name}: {reason}"
            for entry in self._registry.entries()
            if (reason := entry.status().reason)
        ]
        return ProviderUnavailable(
            "No provider is available. "
            + (" ".join(reasons) or "None is configured: `llm-mcp-hub setup claude` makes one.")
        )
