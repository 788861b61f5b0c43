"""How Claude Code is started: program, arguments, environment.

Guarantees: its own tools, settings files, memory, project instructions and updates are off; its
HOME, temporary files and working directory are private; a login token is given as an open file
that the hub does not read. Every flag and variable was checked with Claude Code 2.1.329.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from llm_mcp_hub.errors import ProviderUnavailable
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.workers.spec import TMP, WorkerSpec
from llm_mcp_hub.workers.worker_limits import WorkerLimits
from llm_mcp_hub_claude.credentials import Login
from llm_mcp_hub_claude.settings import ClaudeSettings

ARGUMENTS = (
    "-p",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--verbose",
    "--include-partial-messages",
    "--tools=",
    "--setting-sources=",
    "--strict-mcp-config",
    "--no-session-persistence",
    "--disable-slash-commands",
    "--permission-mode=dontAsk",
    # Both are replaced for every conversation; without them the tool's own prompt is loaded.
    "--system-prompt=-",
    "--model=sonnet",
)

ENVIRONMENT = {
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",
    # `@/some/path` in a text would put that file into the request.
    "CLAUDE_CODE_DISABLE_FILE_MENTIONS": "1",
    # An id of an older model would be replaced by that of the newest.
    "CLAUDE_CODE_DISABLE_LEGACY_MODEL_REMAP": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    # A stream that breaks would be followed by the same answer in one piece. (A 404 still is.)
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    "CLAUDE_CODE_DISABLE_REFUSAL_RETRY": "1",
    # The default of 10 keeps a caller waiting for minutes.
    "CLAUDE_CODE_MAX_RETRIES": "2",
    "CLAUDE_CODE_TMPDIR": TMP,
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_AUTO_COMPACT": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}

API_TIMEOUT_SECONDS = 300.0
STATE_DIRECTORY = "state"
"""Below the provider's directory: what Claude Code itself keeps when the login is a token."""
TOKEN_DESCRIPTOR = "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR"  # noqa: S105  # a variable's name


def cli_directory(data_dir: Path, kind_dir: Path | None = None) -> Path:
    """Where `llm-mcp-hub setup` installs Claude Code: once, for all providers of the kind.

    Args:
        data_dir: The provider's directory, which counts if it has a Claude Code of its own.
        kind_dir: That of the provider named `claude`; None if there is only the one.
    """
    own = data_dir / "cli"
    return own if kind_dir is None or own.exists() else kind_dir / "cli"


def find_executable(
    settings: ClaudeSettings,
    data_dir: Path,
    environment: Mapping[str, str],
    kind_dir: Path | None = None,
) -> str:
    """The program: the configured one, else the installed one, else the one on the PATH.

    Raises:
        ProviderUnavailable: There is none.
    """
    path = environment.get("PATH")
    if settings.executable:
        found = shutil.which(str(Path(settings.executable).expanduser()), path=path)
        if found is None:
            raise ProviderUnavailable(
                "The configured `executable` of Claude Code does not exist or can't be run. "
                "Correct it, or remove the setting and run `llm-mcp-hub setup claude`.",
                detail=settings.executable,
            )
        return found
    installed = cli_directory(data_dir, kind_dir) / "node_modules" / ".bin" / "claude"
    found = shutil.which(str(installed)) or shutil.which("claude", path=path)
    if found is None:
        raise ProviderUnavailable(
            "Claude Code is not installed. Run `llm-mcp-hub setup claude`.",
            detail=f"looked for {installed} and on the PATH",
        )
    return found


def worker_spec(
    executable: str,
    login: Login,
    data_dir: Path,
    settings: Mapping[str, str],
    deadlines: Deadlines,
    limits: WorkerLimits = WorkerLimits(),  # noqa: B008  # immutable
) -> WorkerSpec:
    """The spec of a worker.

    Args:
        executable: The program.
        login: Where the login is.
        data_dir: The provider's own directory.
        settings: The checked `environment` of the settings.
        deadlines: The hub's own, which are to pass before the tool's.
        limits: What it may take.
    """
    timeout = max(API_TIMEOUT_SECONDS, deadlines.first_chunk + 1.0)
    environment = {**ENVIRONMENT, **settings, "API_TIMEOUT_MS": str(int(timeout * 1000))}
    files: tuple[tuple[str, str], ...] = ()
    if login.is_token:
        # One directory for all workers: Claude Code keeps nothing of a conversation there, but
        # the number by which the vendor knows this device, which should not change every time.
        environment["CLAUDE_CONFIG_DIR"] = str((data_dir / STATE_DIRECTORY).absolute())
        files = ((TOKEN_DESCRIPTOR, str(login.path.absolute())),)
    else:
        # The directory itself and not a copy: Claude Code renews the login in place, and a login
        # that was renewed in a copy would leave a revoked one behind here.
        environment["CLAUDE_CONFIG_DIR"] = str(login.path.absolute())
    return WorkerSpec(
        argv=(executable, *ARGUMENTS),
        environment=tuple(sorted(environment.items())),
        files=files,
        limits=limits,
    )
