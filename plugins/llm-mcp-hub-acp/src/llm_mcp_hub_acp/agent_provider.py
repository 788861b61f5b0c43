"""What all providers of ACP agents have in common: the names of models, and what a turn may ask.

Guarantee: a turn is refused before anything is spent if its model is not offered or nothing is said
in it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from llm_mcp_hub.domain.chat import TurnOptions, TurnRequest
from llm_mcp_hub.domain.model import Capability, ModelCard
from llm_mcp_hub.errors import InvalidRequest, ProviderUnavailable
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.model_names import check_model, with_aliases
from llm_mcp_hub.providers.rotation import Rotation
from llm_mcp_hub.providers.shared import SharedProvider
from llm_mcp_hub.providers.shared_conversation import SharedConversation
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.providers.turn import CliTurn
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub_acp.client_tools.server import ToolServer
from llm_mcp_hub_acp.dialect import AcpDialect
from llm_mcp_hub_acp.errors import takes_no_tools
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_acp.prompt import says_something


class AgentProvider(SharedProvider):
    """See the module.

    Args:
        name: The name it is configured under.
        profile: What is particular about the agent.
        limits: Sizes of its pool, in conversations.
        deadlines: Of its turns.
        supervision: When a worker counts as hung, and the program as broken.
        rotation: How long one worker takes new conversations.
        names: Models to offer instead of those that the agent lists.
        aliases: Further names: alias to name.
        full_names: Names that are taken beside those offered.

    Attributes:
        capabilities: Tools, until the agent has said that it can't be given any.
        own_choice: A name that is always offered, first, for the model that the agent lists first.
    """

    own_choice: ModelCard | None = None
    capabilities = frozenset({Capability.TOOLS})

    def __init__(
        self,
        name: str,
        profile: AgentProfile,
        limits: PoolLimits,
        deadlines: Deadlines,
        supervision: Supervision,
        rotation: Rotation,
        *,
        names: Sequence[str] = (),
        aliases: Mapping[str, str] | None = None,
        full_names: "re.Pattern[str] | None" = None,
    ) -> None:
        super().__init__(name, limits, deadlines, supervision, rotation)
        self._profile = profile
        self._tools = ToolServer()
        self._own_names = tuple(ModelCard(name, name) for name in names)
        self._aliases = dict(aliases or {})
        self._full_names = None if names else full_names

    def new_dialect(self, directory: Path) -> AcpDialect:
        """A dialect for a fresh worker."""
        return AcpDialect(self._profile, directory, self._tools)

    async def open_turn(self, request: TurnRequest) -> CliTurn[SharedConversation]:
        """Begin a turn, under the name that an alias stands for."""
        name = self._aliases.get(request.model, request.model)
        if not (self._models or self._own_names):
            await self._supervisor.admit()  # the agent has not told its models yet
        if self.own_choice is not None and name == self.own_choice.name:
            listed = self._listed()
            name = listed[0].name if listed else name
        if request.tools:
            await self._offer_tools()
        return await super().open_turn(msgspec.structs.replace(request, model=name))

    async def aclose(self) -> None:
        """End the conversations, the agents and then what offers them tools."""
        await super().aclose()
        await self._tools.aclose()

    def check_request(self, request: TurnRequest) -> None:
        """Refuse a model that is not offered, and a turn in which nothing is said."""
        check_model(request.model, self._offered(), self._profile.title, self._full_names)
        if not any(says_something(message) for message in request.messages[request.prior :]):
            raise InvalidRequest("The last message is empty: say something.", param="messages")

    async def models(self) -> Sequence[ModelCard]:
        """The configured names, or those that the agent lists; then the aliases."""
        return with_aliases(self._offered(), self._aliases)

    def ignored(self, options: TurnOptions) -> Sequence[str]:
        """Version 1 of the protocol has no words for these options."""
        tokens = ("max_tokens",) if options.max_tokens is not None else ()
        return (*tokens, "reasoning_effort") if options.effort is not None else tokens

    async def _offer_tools(self) -> None:
        if not self._models:
            await self._supervisor.admit()  # the agent has not told what it can do yet
        if Capability.TOOLS not in self.capabilities:
            raise takes_no_tools(self._profile.title)
        try:
            await self._tools.start()
        except OSError as error:
            raise ProviderUnavailable(
                "The hub could not open a port on 127.0.0.1, at which the agent would find the "
                "tools. See what limits its sockets, or leave `tools` out.",
                detail=str(error),
            ) from error

    def _offered(self) -> tuple[ModelCard, ...]:
        own = (self.own_choice,) if self.own_choice is not None else ()
        return (*own, *self._listed()) or self.fallback_models()

    def _listed(self) -> tuple[ModelCard, ...]:
        cards = self._own_names or self._models
        return cards[:1] if self._profile.model_switch == "none" else cards
