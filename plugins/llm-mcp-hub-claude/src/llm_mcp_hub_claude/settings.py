"""`[providers.claude]`.

Guarantee: no setting takes an API key, and no setting can bring one, a gateway or another back end
than the vendor's into the tool's environment.
"""

from typing import Annotated

from msgspec import Struct

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.login_places import login_directory, login_file
from llm_mcp_hub.providers.model_names import check_aliases
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.providers.variables import VariableRules, check_variables
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.worker_limits import WorkerLimits

OWN_VARIABLES = frozenset(
    {
        "API_TIMEOUT_MS",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY",
        "CLAUDE_CODE_DISABLE_CLAUDE_MDS",
        "CLAUDE_CODE_DISABLE_FILE_MENTIONS",
        "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
        "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK",
        "CLAUDE_CODE_DISABLE_REFUSAL_RETRY",
        "CLAUDE_CODE_MAX_MCP_DESCRIPTION_LENGTH",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "CLAUDE_CODE_MAX_RETRIES",
        "CLAUDE_CODE_MAX_TOOL_USE_CONCURRENCY",
        "CLAUDE_CODE_MCP_AUTO_BACKGROUND_MS",
        "CLAUDE_CODE_MCP_TOOL_IDLE_TIMEOUT",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
        "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
        "CLAUDE_CODE_TMPDIR",
        "CLAUDE_CONFIG_DIR",
        "DISABLE_AUTOUPDATER",
        "DISABLE_AUTO_COMPACT",
        "DISABLE_ERROR_REPORTING",
        "DISABLE_TELEMETRY",
        "ENABLE_TOOL_SEARCH",
        "MAX_MCP_OUTPUT_TOKENS",
        "MCP_TOOL_TIMEOUT",
    }
)
"""The hub decides about these, beside those of every tool."""

RULES = VariableRules(
    login="a Claude subscription",
    own=OWN_VARIABLES,
    elsewhere=("CLAUDE_CODE_USE_", "CLAUDE_CODE_SIMPLE", "AWS_", "GOOGLE_", "AZURE_"),
    elsewhere_marks=(
        "GATEWAY",
        "CUSTOM_HEADERS",
        "HOST_AUTH",
        "IDENTITY_TOKEN",
        "PROVIDER_MANAGED",
    ),
    addresses=("BASE_URL",),
)


class ClaudeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How Claude Code is run.

    Attributes:
        executable: The program; empty for the one installed by `llm-mcp-hub setup claude`, or
            else `claude` on the PATH.
        config_dir: Directory of a login made with Claude Code itself. The hub does not read its
            tokens; Claude Code renews them there.
        oauth_token_file: File with a token of `claude setup-token`. The hub does not read it.
        models: Names to offer instead of those that Claude Code lists.
        aliases: Further names: alias to name.
        environment: Further variables for Claude Code.
    """

    executable: str = ""
    config_dir: str = ""
    oauth_token_file: str = ""
    models: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    environment: dict[str, str] = {}
    pool: PoolLimits = PoolLimits()
    deadlines: Deadlines = Deadlines()
    supervision: Supervision = Supervision()
    limits: WorkerLimits = WorkerLimits()


class ClaudeRuntimeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What of it a provider may be given when it is added at run time."""

    config_dir: Annotated[str, login_directory(".credentials.json")] = ""
    oauth_token_file: Annotated[str, login_file()] = ""
    models: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    pool: PoolLimits = PoolLimits()


def check_settings(settings: ClaudeSettings, where: str) -> None:
    """Refuse settings that make no sense or endanger the guarantee.

    Args:
        settings: The settings.
        where: Their path in the configuration, such as `providers.claude`.

    Raises:
        ConfigError: With the path of the setting at fault.
    """
    if settings.config_dir and settings.oauth_token_file:
        raise ConfigError(
            f"{where}.oauth_token_file: excludes `config_dir`; keep one of the two",
            param=f"{where}.oauth_token_file",
        )
    check_aliases(settings.aliases, where)
    check_variables(settings.environment, f"{where}.environment", RULES)
