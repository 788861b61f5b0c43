"""The Gemini provider: the Gemini CLI under the user's own Code Assist login.

Guarantee: nothing is started without a login that can still work, and nothing is served by a
Gemini CLI that is older than the one every promise here was tested with.
"""

import re
import time

import msgspec

from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import CredentialState, CredentialStatus, ProviderState
from llm_mcp_hub.errors import HubError, LoginRequired
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.program import Program, ProgramFile, identify
from llm_mcp_hub.workers.spec import WorkerSpec
from llm_mcp_hub_acp.agent_provider import AgentProvider
from llm_mcp_hub_acp.profile import AgentProfile
from llm_mcp_hub_gemini import command
from llm_mcp_hub_gemini.credentials import (
    REMEDY,
    active_account,
    credential_status,
    find_config_dir,
)
from llm_mcp_hub_gemini.errors import to_hub_error
from llm_mcp_hub_gemini.history import TOOL_PREFIX, leftovers, restoration
from llm_mcp_hub_gemini.settings import GeminiSettings, check_settings

FALLBACK_MODELS = (ModelCard("auto", "Auto"), ModelCard("gemini-2.5-pro"))
FULL_NAME = re.compile(r"gemini-[a-z0-9][a-z0-9.-]{1,80}")
"""The Gemini CLI takes any name, and the back end those it knows."""

PROFILE = AgentProfile(
    title="Gemini",
    remedy=REMEDY,
    model_switch="set_model",
    usage="result._meta.quota.token_count",
    # With bad credentials it prints a link, and takes whatever it is sent for a code.
    noise="login",
    # An answer that was blocked or cut by a limit ends like any other, but without counts.
    counts_prove_an_end=True,
    to_error=to_hub_error,
    restore=restoration,
    client_call=lambda call_id: call_id.startswith(TOOL_PREFIX),
    leftovers=leftovers,
)


class GeminiProvider(AgentProvider):
    """See the module.

    Raises:
        ConfigError: The settings make no sense.
    """

    def __init__(self, context: ProviderContext) -> None:
        settings: GeminiSettings = context.settings
        check_settings(settings, f"providers.{context.name}")
        super().__init__(
            context.name,
            PROFILE,
            settings.pool,
            settings.deadlines,
            settings.supervision,
            settings.rotation,
            names=settings.models,
            aliases=settings.aliases,
            full_names=FULL_NAME,
        )
        self._settings = settings
        self._data_dir = context.data_dir
        self._kind_dir = context.kind_dir
        self._environment = context.environment

    def worker_spec(self) -> WorkerSpec:
        """How to start the Gemini CLI with the login there is now."""
        settings = self._settings
        installed = command.TOOL.at(self._data_dir, self._kind_dir)
        executable = installed.find(settings.executable, self._environment)
        config_dir = find_config_dir(settings, self._data_dir, self._environment)
        status = credential_status(config_dir, time.time())
        if status.state in (CredentialState.MISSING, CredentialState.EXPIRED):
            raise LoginRequired(f"{status.message} {status.remedy}")
        return command.worker_spec(executable, config_dir, settings, settings.limits)

    def check_version(self, version: str | None) -> None:
        """Refuse a Gemini CLI that is too old."""
        command.TOOL.check_version(version)

    def fallback_models(self) -> tuple[ModelCard, ...]:
        """Names to show until the Gemini CLI has listed its own."""
        return FALLBACK_MODELS

    def credential_status(self) -> CredentialStatus:
        """What the files say, and what came of using the login."""
        config_dir = find_config_dir(self._settings, self._data_dir, self._environment)
        status = credential_status(config_dir, time.time())
        status = msgspec.structs.replace(status, verified_at=self._verified_at)
        if status.state is not CredentialState.UNKNOWN:
            return status
        failure: HubError | None = self._supervisor.failure or self._refused
        if isinstance(failure, LoginRequired):
            return msgspec.structs.replace(
                status,
                state=CredentialState.EXPIRED,
                message="The login was refused.",
                remedy=REMEDY,
                last_error=failure.message,
            )
        if failure is not None:
            return msgspec.structs.replace(status, last_error=failure.message)
        if self._supervisor.state is ProviderState.AVAILABLE:
            return msgspec.structs.replace(status, state=CredentialState.READY)
        return status

    def _identify(self) -> Program:
        """Another account is as good as another program. A renewal of the login is neither."""
        config_dir = find_config_dir(self._settings, self._data_dir, self._environment)
        account = ProgramFile(f"account {active_account(config_dir)}", 0, 0, 0, 0)
        return (*identify(self.worker_spec().argv), account)
