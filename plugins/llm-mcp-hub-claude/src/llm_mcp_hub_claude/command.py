"""How Claude Code is started: program, arguments, environment.

Guarantees: its own tools, settings files, memory, project instructions and updates are off; its
HOME, temporary files and working directory are private; a login token is given as an open file
that the hub does not read. Every flag and variable was checked with Claude Code 2.1.329.
"""

from collections.abc import Mapping
from pathlib import Path

from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.npm import NpmTool
from llm_mcp_hub.workers.spec import TMP, WorkerSpec
from llm_mcp_hub.workers.worker_limits import WorkerLimits
from llm_mcp_hub_claude.credentials import Login
from llm_mcp_hub_claude.tool_names import PREFIX

TOOL = NpmTool(
    "Claude Code",
    "claude",
    package="@anthropic-ai/claude-code",
    version="2.1.329",
    # Older ones may not know `shouldQuery` or `client_composed`, and an unknown field is ignored:
    # every line of a history would be sent and paid for, files named in a text would be read.
    minimum=(2, 1, 329),
    program="claude",
)

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
    # The client's tools, which the hub offers; Claude Code would refuse to ask for their results.
    f"--allowedTools={PREFIX.removesuffix('__')}",
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
    # Longer descriptions of tools would be cut; the default is 4096 characters.
    "CLAUDE_CODE_MAX_MCP_DESCRIPTION_LENGTH": "10000000",
    # Of more calls in one message than this, the last ones would wait for the first; default 10.
    "CLAUDE_CODE_MAX_TOOL_USE_CONCURRENCY": "1000",
    # A call that takes long would be answered by the tool itself.
    "CLAUDE_CODE_MCP_AUTO_BACKGROUND_MS": "0",
    "CLAUDE_CODE_TMPDIR": TMP,
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_AUTO_COMPACT": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    # Otherwise a tool of the tool's own finds the client's tools, which are not shown at first.
    "ENABLE_TOOL_SEARCH": "false",
    # Tokens of a tool's result; above the default of 25000 the model gets the name of a file.
    "MAX_MCP_OUTPUT_TOKENS": "100000000",
    # Milliseconds; the most it takes, 24 days. The hub ends a worker that waits for results
    # before that; the tool, when its time is up, would go on without them.
    "MCP_TOOL_TIMEOUT": "2147483647",
}

API_TIMEOUT_SECONDS = 300.0
STATE_DIRECTORY = "state"
"""Below the provider's directory: what Claude Code itself keeps when the login is a token."""
TOKEN_DESCRIPTOR = "CLAUDE_CODE_OAUTH_TOKEN_FILE_DESCRIPTOR"  # noqa: S105  # a variable's name


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
        # At the end of its input it would tell the model that a call it waits for was given up.
        ends_on_eof=False,
        limits=limits,
    )
