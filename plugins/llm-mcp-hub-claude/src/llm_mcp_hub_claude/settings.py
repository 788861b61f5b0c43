"""`[providers.claude]`.

Guarantee: no setting takes an API key, and no setting can bring one, a gateway or another back end
than the vendor's into the tool's environment.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Struct

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.login_places import login_directory, login_file
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.workers.environment import refuse_forbidden
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
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "CLAUDE_CODE_MAX_RETRIES",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR",
        "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
        "CLAUDE_CODE_TMPDIR",
        "CLAUDE_CONFIG_DIR",
        "DISABLE_AUTOUPDATER",
        "DISABLE_AUTO_COMPACT",
        "DISABLE_ERROR_REPORTING",
        "DISABLE_TELEMETRY",
        "HOME",
        "PATH",
        "TMPDIR",
    }
)
"""The hub decides about these."""

OTHER_BILLING = ("CLAUDE_CODE_USE_", "CLAUDE_CODE_SIMPLE", "AWS_", "GOOGLE_", "AZURE_")
"""Beginnings of names that lead to a back end that bills by use, or away from the login."""

GATEWAY_MARKS = ("GATEWAY", "CUSTOM_HEADERS", "HOST_AUTH", "IDENTITY_TOKEN", "PROVIDER_MANAGED")


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
    for alias, name in settings.aliases.items():
        if not alias or not name:
            raise ConfigError(
                f"{where}.aliases: an alias and what it stands for can't be empty",
                param=f"{where}.aliases",
            )
    check_environment(settings.environment, f"{where}.environment")


def check_environment(environment: Mapping[str, str], where: str) -> None:
    """Refuse variables that could change who pays, or that the hub sets itself.

    Raises:
        ConfigError: With the path of the variable at fault.
    """
    refuse_forbidden(environment, where)
    for name, value in environment.items():
        upper = name.upper()
        path = f"{where}.{name}"
        if upper in OWN_VARIABLES:
            raise ConfigError(f"{path}: the hub sets this variable itself", param=path)
        if upper.startswith(OTHER_BILLING) or any(mark in upper for mark in GATEWAY_MARKS):
            raise ConfigError(
                f"{path}: the hub works with a Claude subscription only; this variable leads to "
                "another back end or login. Remove it",
                param=path,
            )
        if "BASE_URL" in upper and not is_loopback(value):
            raise ConfigError(
                f"{path}: only a loopback address is allowed here; the login must go to the "
                "vendor and nowhere else",
                param=path,
            )


def is_loopback(url: str) -> bool:
    """Whether a URL's host is `localhost` or a literal loopback address."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
