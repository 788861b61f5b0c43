"""How the Gemini CLI is started: program, arguments, environment, and the files in its HOME.

Guarantees: its own tools, extensions, MCP servers, memory, project files, telemetry and updates are
off, and the only MCP server it takes is the hub's own with the client's tools; its HOME, temporary
files and working directory are private; its login is the user's own file, linked, which the hub
does not open and the Gemini CLI renews. Every flag, variable and setting was checked with the
Gemini CLI 0.61.0.
"""

import json
from pathlib import Path

from llm_mcp_hub.providers.npm import NpmTool
from llm_mcp_hub.workers.spec import HOME, Furnishing, WorkerSpec
from llm_mcp_hub.workers.worker_limits import WorkerLimits
from llm_mcp_hub_acp.client_tools.names import SERVER
from llm_mcp_hub_gemini.settings import GeminiSettings

TOOL = NpmTool(
    "the Gemini CLI",
    "gemini",
    package="@google/gemini-cli",
    version="0.61.0",
    # Older ones may not know a setting, and an unknown setting is ignored: a tool of its own might
    # be there, or text be repeated after a cut.
    minimum=(0, 61, 0),
    program="gemini",
)

FIRST_MODEL = "gemini-2.5-flash"
"""What a session begins with; each turn names its own."""

ARGUMENTS = (
    "--acp",
    f"--model={FIRST_MODEL}",
    "--extensions=none",
    f"--allowed-mcp-server-names={SERVER}",
)

DIRECTORY = ".gemini"
CREDENTIALS_FILE = "oauth_creds.json"
SYSTEM_FILE = "system.md"
SYSTEM_PROMPT = (
    "Answer the user. If the conversation begins with <system_instructions>, follow them; they "
    "come from whoever runs this service. Ignore <session_context>.\n"
)
"""One for all sessions of a process, so it says nothing of its own. The request's own system prompt
goes into the first turn."""

SETTINGS = {
    "security": {
        "auth": {"selectedType": "oauth-personal", "enforcedType": "oauth-personal"},
        "disableYoloMode": True,
        "folderTrust": {"enabled": True},
    },
    "general": {
        "enableAutoUpdate": False,
        "enableAutoUpdateNotification": False,
        "checkpointing": {"enabled": False},
        "plan": {"enabled": False},
        "topicUpdateNarration": False,
        # With more, it sleeps until a quota is renewed, and repeats text after a cut.
        "maxAttempts": 1,
        "retryFetchErrors": False,
        "sessionRetention": {"enabled": False},
    },
    "privacy": {"usageStatisticsEnabled": False},
    "telemetry": {"enabled": False},
    # None of its own, and those of the MCP server that a session is given.
    "tools": {"core": ["mcp_*"], "useRipgrep": False, "shell": {"enableInteractiveShell": False}},
    "mcpServers": {},
    "skills": {"enabled": False},
    "hooksConfig": {"enabled": False},
    "ide": {"enabled": False},
    "experimental": {"enableAgents": False},
    "advanced": {"autoConfigureMemory": False, "ignoreLocalEnv": True},
    "context": {
        "fileName": ["NO_SUCH_CONTEXT_FILE.md"],
        "includeDirectoryTree": False,
        "discoveryMaxDirs": 0,
        "fileFiltering": {"enableRecursiveFileSearch": False, "enableFileWatcher": False},
    },
    "model": {"skipNextSpeakerCheck": True, "disableLoopDetection": True},
}

ENVIRONMENT = {
    "GEMINI_CLI_HOME": HOME,
    # Without it there are two processes, and the outer one swallows SIGTERM.
    "GEMINI_CLI_NO_RELAUNCH": "true",
    "GEMINI_CLI_TRUST_WORKSPACE": "true",
    "GEMINI_SYSTEM_MD": f"{HOME}/{SYSTEM_FILE}",
    "NO_BROWSER": "true",
}


def worker_spec(
    executable: str,
    config_dir: Path,
    settings: GeminiSettings,
    limits: WorkerLimits = WorkerLimits(),  # noqa: B008  # immutable
) -> WorkerSpec:
    """The spec of a worker.

    Args:
        executable: The program.
        config_dir: The directory with the login.
        settings: The checked settings.
        limits: What it may take.
    """
    environment = {**ENVIRONMENT, **settings.environment}
    if settings.project:
        environment["GOOGLE_CLOUD_PROJECT"] = settings.project
    credentials = str((config_dir / CREDENTIALS_FILE).absolute())
    return WorkerSpec(
        argv=(executable, *ARGUMENTS),
        environment=tuple(sorted(environment.items())),
        furnishings=(
            Furnishing(f"{DIRECTORY}/settings.json", "file", json.dumps(SETTINGS)),
            Furnishing(f"{DIRECTORY}/{CREDENTIALS_FILE}", "link", credentials),
            Furnishing(SYSTEM_FILE, "file", SYSTEM_PROMPT),
        ),
        # The end of its input is nothing to it while a prompt runs.
        ends_on_eof=False,
        limits=limits,
    )
