"""The ACP provider: any agent that speaks the Agent Client Protocol, as its settings say.

Guarantee: nothing is started while a file of the login is missing, and an agent that was never
tried here says so in its status.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import CredentialState, CredentialStatus, ProviderStatus
from llm_mcp_hub.errors import LoginRequired, ProviderUnavailable
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.workers.spec import Furnishing, WorkerSpec
from llm_mcp_hub_acp.agent_provider import AgentProvider
from llm_mcp_hub_acp.presets import Preset
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_acp.settings import AcpSettings, with_preset

DEFAULT_MODEL = ModelCard("default", "The agent's own choice")


class AcpProvider(AgentProvider):
    """See the module.

    Raises:
        ConfigError: The settings make no sense.
    """

    own_choice = DEFAULT_MODEL

    def __init__(self, context: ProviderContext) -> None:
        settings, preset = with_preset(context.settings, f"providers.{context.name}")
        super().__init__(
            context.name,
            profile_of(context.name, settings, preset),
            settings.pool,
            settings.deadlines,
            settings.supervision,
            settings.rotation,
            names=settings.models,
            aliases=settings.aliases,
        )
        self._settings = settings
        self._preset = preset
        self._environment = context.environment

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


def profile_of(name: str, settings: AcpSettings, preset: Preset | None) -> AgentProfile:
    """The profile that settings describe."""
    return AgentProfile(
        title=preset.title if preset is not None else name[:1].upper() + name[1:],
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
