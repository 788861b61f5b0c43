"""Which models there are, and which provider serves one."""

from collections.abc import Mapping
from contextlib import suppress

from msgspec import Struct

from llm_mcp_hub.domain.model import ModelCard, split_model_id
from llm_mcp_hub.errors import UnknownModel
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.providers.registry import Registry


class Offer(Struct, frozen=True):
    """A model as the hub offers it. `id` is `provider/name`, or an alias."""

    id: str
    provider: str
    card: ModelCard


class Catalog:
    """Finds models by id, alias, or a name that only one provider uses."""

    def __init__(self, registry: Registry, aliases: Mapping[str, str]) -> None:
        self._registry = registry
        self._aliases = aliases

    async def offers(self) -> list[Offer]:
        """Every model of every provider, then the aliases."""
        offers = [
            Offer(f"{provider.name}/{card.name}", provider.name, card)
            for provider in self._registry
            for card in await provider.models()
        ]
        for alias, target in self._aliases.items():
            with suppress(UnknownModel):
                provider, name = await self._locate(target)
                offers.append(Offer(alias, provider.name, ModelCard(name)))
        return offers

    async def offer(self, model_id: str) -> Offer:
        """One model.

        Raises:
            UnknownModel: Nobody offers it.
        """
        offers = {offer.id: offer for offer in reversed(await self.offers())}
        if model_id in offers:
            return offers[model_id]
        provider, name = await self.resolve(model_id)
        offer = offers.get(f"{provider.name}/{name}")
        if offer is None:
            raise _unknown(model_id)
        return offer

    async def resolve(self, model_id: str) -> tuple[Provider, str]:
        """The provider that serves a model, and the provider's own name for it.

        Raises:
            UnknownModel: Nobody offers it, or several providers do and none is named.
        """
        return await self._locate(self._aliases.get(model_id, model_id))

    def admit(self, name: str) -> None:
        """Refuse a turn of a provider that takes none.

        Raises:
            ProviderDraining: It is drained, or being removed.
        """
        refusal = self._registry.entry(name).refusal
        if refusal is not None:
            raise refusal

    async def _locate(self, wanted: str) -> tuple[Provider, str]:
        parts = split_model_id(wanted)
        if parts is not None:
            provider = self._registry.find(parts[0])
            if provider is None:
                raise _unknown(wanted)
            return provider, parts[1]
        found = [
            provider
            for provider in self._registry
            if any(card.name == wanted for card in await provider.models())
        ]
        if len(found) > 1:
            names = ", ".join(f"{provider.name}/{wanted}" for provider in found)
            raise UnknownModel(f"Several providers offer {wanted!r}: say {names}.", param="model")
        if not found:
            raise _unknown(wanted)
        return found[0], wanted


def _unknown(model_id: str) -> UnknownModel:
    return UnknownModel(
        f"No provider offers the model {model_id!r}. `GET /v1/models` lists what there is; "
        "an id looks like `claude/sonnet`.",
        param="model",
    )
