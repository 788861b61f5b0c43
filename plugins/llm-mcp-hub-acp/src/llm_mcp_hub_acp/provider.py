"""The ACP provider: any agent that speaks the Agent Client Protocol, as its settings say.

Guarantee: nothing is started while a file of the login is missing, and an agent that was never
tried here says so in its status.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from llm_mcp_hub.domain.chat import TurnOptions, TurnRequest
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import CredentialState, CredentialStatus, ProviderStatus
from llm_mcp_hub.errors import (
    InvalidRequest,
    LoginRequired,
    ProviderUnavailable,
    UnknownModel,
)
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.shared import SharedProvider
from llm_mcp_hub.providers.shared_conversation import SharedConversation
from llm_mcp_hub.providers.turn import CliTurn
from llm_mcp_hub.workers.spec import Furnishing, WorkerSpec
from llm_mcp_hub_acp.dialect import AcpDialect
from llm_mcp_hub_acp.presets import Preset
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_acp.prompt import says_something
from llm_mcp_hub_acp.settings import AcpSettings, with_preset

DEFAULT_MODEL = ModelCard("default", "The agent's own choice")


class AcpProvider(SharedProvider):
    """See the module.

    Raises:
        ConfigError: The settings make no sense.
    """

    def __init__(self, context: ProviderContext) -> None:
        settings, preset = with_preset(context.settings, f"providers.{context.name}")
        super().__init__(
            context.name,
            settings.pool,
            settings.deadlines,
            settings.supervision,
            settings.rotation,
        )
        self._settings = settings
        self._preset = preset
        self._environment = context.environment
        self._profile = profile_of(context.name, settings, preset)

    def worker_spec(self) -> WorkerSpec:
        """How to start the agent now."""
        settings = self._settings
        missing = missing_login(settings)
        if missing is not None:
            raise LoginRequired(
                f"{self._profile.title} is not logged in. {settings.login_remedy}",
                detail=f"no file {missing}",
            )
        program = find_program(settings, self._environment)
        if program is None:
            raise ProviderUnavailable(
                f"The program of {self._profile.title} does not exist or can't be run. Install it, "
                "or correct `command`.",
                detail=settings.command[0],
            )
        environment = dict(settings.environment)
        if settings.home:
            environment["HOME"] = str(Path(settings.home).expanduser().absolute())
        files = [Furnishing(p, "file", text) for p, text in sorted(settings.home_files.items())]
        links = [
            Furnishing(p, "link", str(Path(target).expanduser().absolute()))
            for p, target in sorted(settings.home_links.items())
        ]
        return WorkerSpec(
            argv=(program, *settings.command[1:]),
            environment=tuple(sorted(environment.items())),
            furnishings=(*files, *links),
            limits=settings.limits,
        )

    def new_dialect(self, directory: Path) -> AcpDialect:
        """A dialect for a fresh worker."""
        return AcpDialect(self._profile, directory)

    async def open_turn(self, request: TurnRequest) -> CliTurn[SharedConversation]:
        """Begin a turn, under the name that an alias stands for."""
        if not (self._models or self._settings.models):
            await self._supervisor.admit()  # the agent has not told its models yet
        name = self._settings.aliases.get(request.model, request.model)
        return await super().open_turn(msgspec.structs.replace(request, model=name))

    def check_request(self, request: TurnRequest) -> None:
        """Refuse a model that is not offered, and a turn in which nothing is said."""
        check_request(request, [card.name for card in self._offered()], self._profile.title)

    async def models(self) -> Sequence[ModelCard]:
        """The configured names, or those that the agent lists; then the aliases."""
        aliases = self._settings.aliases
        return (*self._offered(), *(ModelCard(a, f"{name} ({a})") for a, name in aliases.items()))

    def ignored(self, options: TurnOptions) -> Sequence[str]:
        """The protocol has no words for these options."""
        return ignored_options(options)

    def fallback_models(self) -> tuple[ModelCard, ...]:
        """One that stands for whatever the agent uses."""
        return (DEFAULT_MODEL,)

    def status(self) -> ProviderStatus:
        """State, reason and figures; with a warning if the agent was never tried here."""
        status = super().status()
        if self._preset is None or self._preset.verified or status.reason or status.warning:
            return status
        return msgspec.structs.replace(status, warning=f"Unverified: {self._preset.notice}")

    def credential_status(self) -> CredentialStatus | None:
        """Whether the files of the login are there; None if the settings name none."""
        settings = self._settings
        if not settings.home_links:
            return None
        missing = missing_login(settings)
        status = CredentialStatus(
            CredentialState.UNKNOWN if missing is None else CredentialState.MISSING,
            method="oauth_file",
            verified_at=self._verified_at,
            message="The files of the login are there; how long it lasts is not known."
            if missing is None
            else "A file of the login is missing.",
            remedy="" if missing is None else settings.login_remedy,
        )
        if missing is None and self._verified_at is not None:
            status = msgspec.structs.replace(status, state=CredentialState.READY)
        return status

    def _offered(self) -> tuple[ModelCard, ...]:
        cards = tuple(ModelCard(name, name) for name in self._settings.models)
        if self._settings.model_switch == "none":
            return cards or (self._models or self.fallback_models())[:1]
        return cards or self._models or self.fallback_models()


def profile_of(name: str, settings: AcpSettings, preset: Preset | None) -> AgentProfile:
    """The profile that settings describe."""
    return AgentProfile(
        title=preset.title if preset is not None else name,
        remedy=settings.login_remedy,
        authentication=settings.authentication,
        model_switch=settings.model_switch,
        model_option=settings.model_option,
        session_mode=settings.session_mode,
        usage=settings.usage,
        noise=settings.noise,
        pings=settings.pings,
    )


def find_program(settings: AcpSettings, environment: Mapping[str, str]) -> str | None:
    """The program that `command` names."""
    name = str(Path(settings.command[0]).expanduser())
    return shutil.which(name, path=environment.get("PATH"))


def missing_login(settings: AcpSettings) -> str | None:
    """The first file of the login that is not there."""
    for target in settings.home_links.values():
        if not Path(target).expanduser().is_file():
            return target
    return None


def ignored_options(options: TurnOptions) -> tuple[str, ...]:
    """The names of those that are set, of which version 1 of the protocol knows none."""
    tokens = ("max_tokens",) if options.max_tokens is not None else ()
    return (*tokens, "reasoning_effort") if options.effort is not None else tokens


def check_request(request: TurnRequest, names: Sequence[str], title: str) -> None:
    """Refuse what no agent could serve.

    Raises:
        UnknownModel: The model is not offered.
        InvalidRequest: Nothing is said in it.
    """
    if request.model not in names:
        raise UnknownModel(
            f"{title} does not offer the model {request.model!r}. Offered: {', '.join(names)}.",
            param="model",
        )
    if not any(says_something(message) for message in request.messages[request.prior :]):
        raise InvalidRequest("The last message is empty: say something.", param="messages")
