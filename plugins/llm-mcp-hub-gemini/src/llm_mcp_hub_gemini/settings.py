"""`[providers.gemini]`.

Guarantee: no setting takes an API key, and no setting can bring one, a gateway or another back end
than the vendor's into the tool's environment.
"""

from typing import Annotated

from msgspec import Struct

from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.login_places import login_directory
from llm_mcp_hub.providers.model_names import check_aliases
from llm_mcp_hub.providers.rotation import Rotation
from llm_mcp_hub.providers.shared import SHARED_POOL
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.providers.variables import VariableRules, check_variables
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.worker_limits import WorkerLimits

OWN_VARIABLES = frozenset(
    {
        "GEMINI_CLI_HOME",
        "GEMINI_CLI_NO_RELAUNCH",
        "GEMINI_CLI_TRUST_WORKSPACE",
        "GEMINI_SYSTEM_MD",
        "GOOGLE_CLOUD_PROJECT",
        "NO_BROWSER",
    }
)
"""The hub decides about these, beside those of every tool."""

RULES = VariableRules(
    login="a Gemini Code Assist login",
    own=OWN_VARIABLES,
    elsewhere=("GEMINI_", "GOOGLE_", "GCLOUD_", "CLOUDSDK_", "CLOUD_SHELL", "SANDBOX"),
    elsewhere_marks=("GATEWAY", "CUSTOM_HEADERS"),
)


class GeminiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the Gemini CLI is run.

    Attributes:
        executable: The program; empty for the one installed by `llm-mcp-hub setup gemini`, or else
            `gemini` on the PATH.
        config_dir: Directory of a login made with the Gemini CLI itself, usually `~/.gemini`. The
            hub does not read its tokens; the Gemini CLI renews them there.
        project: The Google Cloud project that a Code Assist licence belongs to, if it needs one.
        models: Names to offer instead of those that the Gemini CLI lists.
        aliases: Further names: alias to name.
        environment: Further variables for the Gemini CLI.
        rotation: How long one process takes new conversations.
    """

    executable: str = ""
    config_dir: str = ""
    project: str = ""
    models: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    environment: dict[str, str] = {}
    pool: PoolLimits = SHARED_POOL
    deadlines: Deadlines = Deadlines()
    supervision: Supervision = Supervision()
    limits: WorkerLimits = WorkerLimits()
    rotation: Rotation = Rotation()


class GeminiRuntimeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What of it a provider may be given when it is added at run time."""

    config_dir: Annotated[str, login_directory("oauth_creds.json")] = ""
    models: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    pool: PoolLimits = SHARED_POOL


def check_settings(settings: GeminiSettings, where: str) -> None:
    """Refuse settings that make no sense or endanger the guarantee.

    Args:
        settings: The settings.
        where: Their path in the configuration, such as `providers.gemini`.

    Raises:
        ConfigError: With the path of the setting at fault.
    """
    check_aliases(settings.aliases, where)
    check_variables(settings.environment, f"{where}.environment", RULES)
