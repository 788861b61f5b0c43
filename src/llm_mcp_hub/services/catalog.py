"""Which models there are, and which provider serves one."""

from msgspec import Struct

from llm_mcp_hub.domain.alias import MAX_MEMBERS, Aliases, members
from llm_mcp_hub.domain.model import ModelCard, split_model_id
from llm_mcp_hub.errors import InvalidRequest, UnknownModel
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.providers.registry import Registry


class Target(Struct, frozen=True):
    """A model where it is: a provider, and the provider's own name for it."""

    provider: Provider
    model: str

    @property
    def id(self) -> str:
        """`provider/name`."""
        return f"{self.provider.name}/{self.model}"


class Offer(Struct, frozen=True):
    """A model as the hub offers it.

    Attributes:
        id: `provider/name`, or an alias.
        provider: Whose it is; of an alias, the first that is asked.
        stands_for: Of an alias, the ids of the models that are asked one after the other.
    """

    id: str
    provider: str
    card: ModelCard
    stands_for: tuple[str, ...] = ()


class Catalog:
    """Finds models by id, alias, chain, or a name that only one provider uses."""

    def __init__(self, registry: Registry, aliases: Aliases) -> None:
        self._registry = registry
        self._aliases = aliases

    async def offers(self) -> list[Offer]:
        """Every model of every provider, then the aliases."""
        offers = [
            Offer(f"{provider.name}/{card.name}", provider.name, card)
            for provider in self._registry
            for card in await provider.models()
        ]
        for alias in self._aliases:
            try:
                targets = await self.route(alias)
            except UnknownModel:
                continue
            first = targets[0]
            ids = tuple(target.id for target in targets)
            offers.append(Offer(alias, first.provider.name, ModelCard(first.model), ids))
        return offers

    async def offer(self, model_id: str) -> Offer:
        """One model.

        Raises:
            UnknownModel: Nobody offers it.
        """
        offers = {offer.id: offer for offer in reversed(await self.offers())}
        if model_id in offers:
            return offers[model_id]
        offer = offers.get((await self._locate(model_id)).id)
        if offer is None:
            raise _unknown(model_id)
        return offer

    async def route(self, model_id: str) -> tuple[Target, ...]:
        """Whom to ask for an answer, one after the other; at least one.

        What an alias names and nobody offers any more, because a provider was removed for instance,
        is left out as long as something is left.

        Raises:
            InvalidRequest: The chain is too long.
            UnknownModel: Nobody offers it, or several providers do and none is named.
        """
        if "," not in model_id and model_id not in self._aliases:
            return (await self._locate(model_id),)
        found: dict[str, Target] = {}
        unknown = _unknown(model_id)
        for member in members(model_id, self._aliases):
            try:
                target = await self._locate(member.model_id)
            except UnknownModel as error:
                if not member.configured:
                    raise
                unknown = error
            else:
                found.setdefault(target.id, target)
        if not found:
            raise unknown
        if len(found) > MAX_MEMBERS:
            raise InvalidRequest(
                f"`model` names {len(found)} models; at most {MAX_MEMBERS} are asked one after "
                "the other.",
                param="model",
            )
        return tuple(found.values())

    def admit(self, name: str) -> None:
        """Refuse a turn of a provider that takes none.

        Raises:
            ProviderDraining: It is drained, or being removed.
        """
        refusal = self._registry.entry(name).refusal
        if refusal is not None:
            raise refusal

    async def _locate(self, wanted: str) -> Target:
        parts = split_model_id(wanted)
        if parts is not None:
            provider = self._registry.find(parts[0])
            if provider is None:
                raise _unknown(wanted)
            return Target(provider, parts[1])
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
        return Target(found[0], wanted)


def _unknown(model_id: str) -> UnknownModel:
    return UnknownModel(
        f"No provider offers the model {model_id!r}. `GET /v1/models` lists what there is; "
        "an id looks like `claude/sonnet`.",
        param="model",
    )
