"""`[providers.NAME]` with `kind = "acp"`: an agent, and what is particular about it.

Guarantees: no setting takes an API key; what runs, with which variables and which files, comes from
the configuration file only; no mode in which an agent acts without asking can be set.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.model_names import check_aliases
from llm_mcp_hub.providers.rotation import Rotation
from llm_mcp_hub.providers.shared import SHARED_POOL
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.providers.variables import VariableRules, check_variables
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.worker_limits import WorkerLimits
from llm_mcp_hub_acp.presets import PRESETS, Preset
from llm_mcp_hub_acp.profile import ModelSwitch, Noise

RULES = VariableRules(
    login="the login of the agent itself",
    elsewhere=("AWS_", "AZURE_", "OPENAI_", "ANTHROPIC_"),
    elsewhere_marks=("GATEWAY", "CUSTOM_HEADERS"),
)

ACTS_UNASKED = ("yolo", "auto", "bypass", "dangerous", "full", "accept")
"""Parts of the names of modes in which agents use their tools without asking."""


class AcpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How an agent is run and spoken to.

    Attributes:
        preset: Known settings to begin with; what is set here goes before them.
        command: Program and arguments that speak the Agent Client Protocol on standard input and
            output.
        environment: Further variables for it.
        home: Directory to be its HOME; empty for a private one that is deleted with it.
        home_files: Files to write into a private HOME: path in it to content. The place to turn the
            agent's own tools off.
        home_links: Files of yours, such as its login, to link into a private HOME: path in it to
            your file. Each must exist, or the agent counts as not logged in.
        authentication: Method to call `authenticate` with; empty: it is not called.
        login_remedy: What to do about a missing login, as a sentence.
        models: Names to offer instead of those that the agent lists.
        aliases: Further names: alias to name.
        model_switch: How another model is chosen.
        model_option: The option that holds the model, for `set_config_option`.
        session_mode: Mode to put each session into.
        usage: Where the token counts of an answer are: `result` or `update`, and names, by dots.
        noise: What a line on standard output that is no JSON means.
        pings: Whether the agent is asked for signs of life by a request that it does not know.
        rotation: How long one process takes new conversations.
    """

    preset: str = ""
    command: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    home: str = ""
    home_files: dict[str, str] = {}
    home_links: dict[str, str] = {}
    authentication: str = ""
    login_remedy: str = "Log in with the agent's own program."
    models: tuple[str, ...] = ()
    aliases: dict[str, str] = {}
    model_switch: ModelSwitch = "none"
    model_option: str = "model"
    session_mode: str = ""
    usage: str = "result.usage"
    noise: Noise = "garbled"
    pings: bool = True
    pool: PoolLimits = SHARED_POOL
    deadlines: Deadlines = Deadlines()
    supervision: Supervision = Supervision()
    limits: WorkerLimits = WorkerLimits()
    rotation: Rotation = Rotation()


Root = Literal["result", "update"]


def with_preset(settings: AcpSettings, where: str) -> tuple[AcpSettings, Preset | None]:
    """The settings over those of their preset, checked.

    Args:
        settings: As configured.
        where: Their path in the configuration, such as `providers.goose`.

    Raises:
        ConfigError: With the path of the setting at fault.
    """
    preset = None
    if settings.preset:
        preset = PRESETS.get(settings.preset)
        if preset is None:
            raise ConfigError(
                f"{where}.preset: there is no preset {settings.preset!r}; "
                f"known: {', '.join(sorted(PRESETS))}",
                param=f"{where}.preset",
            )
        settings = _over(preset, settings)
    _check(settings, where)
    return settings, preset


def _over(preset: Preset, settings: AcpSettings) -> AcpSettings:
    default = AcpSettings()
    known = {
        name: value
        for name, value in preset.settings.items()
        if getattr(settings, name) == getattr(default, name)
    }
    return msgspec.structs.replace(settings, **known)


def _check(settings: AcpSettings, where: str) -> None:
    if not settings.command or not settings.command[0]:
        raise _wrong(
            where, "command", "name the program that speaks the protocol, and its arguments"
        )
    if settings.home and (settings.home_files or settings.home_links):
        raise _wrong(
            where, "home", "excludes `home_files` and `home_links`, which are for a private HOME"
        )
    mode = settings.session_mode.lower()
    if any(part in mode for part in ACTS_UNASKED):
        raise _wrong(
            where,
            "session_mode",
            "the agent would use its tools without asking, which is not allowed",
        )
    if settings.usage.partition(".")[0] not in ("result", "update"):
        raise _wrong(where, "usage", "begins with `result` or `update`")
    check_aliases(settings.aliases, where)
    check_variables(settings.environment, f"{where}.environment", RULES)


def _wrong(where: str, name: str, problem: str) -> ConfigError:
    return ConfigError(f"{where}.{name}: {problem}", param=f"{where}.{name}")
