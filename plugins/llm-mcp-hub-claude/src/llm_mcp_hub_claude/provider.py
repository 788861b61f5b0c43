"""The Claude provider: a pool of Claude Code processes under the user's own subscription.

Guarantee: nothing is started without a login that can still work, and nothing is served by a
Claude Code that is older than the one every promise here was tested with.
"""

import re
import time
from collections.abc import Sequence

import msgspec

from llm_mcp_hub.domain.calls import results_in
from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.model import Capability, ModelCard
from llm_mcp_hub.domain.status import CredentialState, CredentialStatus
from llm_mcp_hub.errors import InvalidRequest, LoginRequired, UnsupportedParameter
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.cli import CliProvider
from llm_mcp_hub.providers.conversation import Conversation
from llm_mcp_hub.providers.model_names import check_model, with_aliases
from llm_mcp_hub.providers.turn import CliTurn
from llm_mcp_hub.workers.spec import WorkerSpec
from llm_mcp_hub_claude import command
from llm_mcp_hub_claude.credentials import credential_status, find_login
from llm_mcp_hub_claude.dialect import ClaudeDialect
from llm_mcp_hub_claude.history import says_something
from llm_mcp_hub_claude.settings import ClaudeSettings, check_settings
from llm_mcp_hub_claude.tool_names import unnameable
from llm_mcp_hub_claude.tool_server import goes_through

FALLBACK_MODELS = (
    ModelCard("default", "Default"),
    ModelCard("sonnet", "Sonnet"),
    ModelCard("opus", "Opus"),
    ModelCard("haiku", "Haiku"),
)
"""Names that Claude Code has always had."""

FULL_ID = re.compile(r"claude-[a-z0-9][a-z0-9.-]{1,80}(\[1m\])?")


class ClaudeProvider(CliProvider):
    """See the module.

    Raises:
        ConfigError: The settings make no sense.
    """

    capabilities = frozenset({Capability.TOOLS, Capability.FILES})

    def __init__(self, context: ProviderContext) -> None:
        settings: ClaudeSettings = context.settings
        check_settings(settings, f"providers.{context.name}")
        super().__init__(context.name, settings.pool, settings.deadlines, settings.supervision)
        self._settings = settings
        self._data_dir = context.data_dir
        self._kind_dir = context.kind_dir
        self._environment = context.environment

    def worker_spec(self) -> WorkerSpec:
        """How to start Claude Code with the login there is now."""
        settings = self._settings
        installed = command.TOOL.at(self._data_dir, self._kind_dir)
        executable = installed.find(settings.executable, self._environment)
        login = find_login(settings, self._data_dir, self._environment)
        status = credential_status(login, time.time())
        if status.state in (CredentialState.MISSING, CredentialState.EXPIRED):
            raise LoginRequired(f"{status.message} {self._own(status.remedy)}")
        return command.worker_spec(
            executable,
            login,
            self._data_dir,
            settings.environment,
            settings.deadlines,
            settings.limits,
        )

    def new_dialect(self) -> ClaudeDialect:
        """A dialect for a fresh worker."""
        return ClaudeDialect(self._settings.aliases)

    def check_version(self, version: str | None) -> None:
        """Refuse a Claude Code that is too old."""
        command.TOOL.check_version(version)

    def check_request(self, request: TurnRequest) -> None:
        """Refuse a model that is not offered, and a turn in which nothing is said."""
        full = None if self._settings.models else FULL_ID
        check_model(request.model, self._offered(), "Claude", full)
        if not any(says_something(message) for message in request.messages[request.prior :]):
            raise InvalidRequest("The last message is empty: say something.", param="messages")
        for tool in request.tools:
            if names := unnameable(tool):
                raise UnsupportedParameter(
                    f"Claude takes no parameter that is named {names[0]!r}, as one of {tool.name} "
                    "is: a name is 1 to 64 of A-Z a-z 0-9 _ . - there. Name it otherwise.",
                    param="tools",
                )

    async def open_turn(self, request: TurnRequest) -> CliTurn[Conversation]:
        """Begin a turn; with the whole history where a worker that waits would spoil a result."""
        if not all(map(goes_through, results_in(request.messages[request.prior :]))):
            request = msgspec.structs.replace(request, prior=0)
        return await super().open_turn(request)

    async def models(self) -> Sequence[ModelCard]:
        """The configured names, or those that Claude Code lists; then the aliases."""
        return self._offered()

    def fallback_models(self) -> tuple[ModelCard, ...]:
        """Names to show until Claude Code has listed its own."""
        return FALLBACK_MODELS

    def credential_status(self) -> CredentialStatus:
        """The login's dates and plan."""
        login = find_login(self._settings, self._data_dir, self._environment)
        status = credential_status(login, time.time())
        return msgspec.structs.replace(
            status, verified_at=self._verified_at, remedy=self._own(status.remedy)
        )

    def _own(self, remedy: str) -> str:
        """The remedy for this provider's login, of which there can be several."""
        return remedy.replace("setup claude", f"setup {self.name}")

    def _offered(self) -> tuple[ModelCard, ...]:
        cards = tuple(ModelCard(name, name) for name in self._settings.models)
        return with_aliases(cards or self._models or self.fallback_models(), self._settings.aliases)
