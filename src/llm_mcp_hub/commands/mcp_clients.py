"""How MCP clients are told of a server: where their configuration is, and what stands in it; pure.

Sources, as of November 2026: modelcontextprotocol.io (Claude Desktop), cursor.com/docs/mcp,
code.claude.com/docs/en/mcp, code.visualstudio.com/docs/agents/reference/mcp-configuration,
learn.chatgpt.com/docs/extend/mcp (Codex).
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from msgspec import Struct

TOOL_SECONDS = 600
"""How long Codex is told to wait for a tool; by itself it gives up after a minute."""
STDIO_KEYS = frozenset({"command", "args", "env", "cwd", "envFile", "env_vars"})
HTTP_KEYS = frozenset(
    {"url", "headers", "http_headers", "env_http_headers", "bearer_token_env_var", "oauth"}
)
"""Keys of an entry that make no sense once it is of the other kind."""


class Format(StrEnum):
    """How a configuration file is written."""

    JSON = "json"
    TOML = "toml"


class Client(Struct, frozen=True):
    """One MCP client.

    Attributes:
        name: As in the command line.
        title: As people call it.
        folder: Where its configuration is, below `~` or, with `applications`, below the folder in
            which the platform's desktop applications keep their settings.
        file: The file in that folder.
        variable: Names the folder, where the client looks at such a variable.
        servers: The key that all servers stand under.
        typed: Whether an entry says of which kind it is.
        http: Whether it speaks to servers over HTTP.
        desktop: Whether it is started from a desktop, and so without the shell's `PATH`.
        headers: The key of the HTTP headers.
        then: What is left for the person to do.
        more: What else its entries say.
    """

    name: str
    title: str
    folder: str
    file: str
    then: str
    applications: bool = False
    variable: str = ""
    servers: str = "mcpServers"
    format: Format = Format.JSON
    typed: bool = False
    http: bool = True
    desktop: bool = True
    headers: str = "headers"
    more: Mapping[str, Any] = {}


CLIENTS = {
    client.name: client
    for client in (
        Client(
            "claude-desktop",
            "Claude Desktop",
            "Claude",
            "claude_desktop_config.json",
            "Quit Claude Desktop and start it again.",
            applications=True,
            http=False,
        ),
        Client(
            "cursor",
            "Cursor",
            ".cursor",
            "mcp.json",
            "In Cursor's settings, look at the MCP servers and switch it on.",
        ),
        Client(
            "claude-code",
            "Claude Code",
            "",
            ".claude.json",
            "Start Claude Code anew; `/mcp` shows its servers.",
            variable="CLAUDE_CONFIG_DIR",
            typed=True,
            desktop=False,
        ),
        Client(
            "vscode",
            "VS Code",
            "Code/User",
            "mcp.json",
            "In VS Code, run `MCP: List Servers` and start it.",
            applications=True,
            servers="servers",
            typed=True,
        ),
        Client(
            "codex",
            "Codex",
            ".codex",
            "config.toml",
            "Start Codex anew; `/mcp` shows its servers.",
            variable="CODEX_HOME",
            servers="mcp_servers",
            format=Format.TOML,
            desktop=False,
            headers="http_headers",
            more={"tool_timeout_sec": TOOL_SECONDS},
        ),
    )
}


def config_file(client: Client, platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """The user's own configuration file of a client.

    Args:
        client: The client.
        platform: As `sys.platform`.
        environment: Usually `os.environ`.
        home: The user's home directory.
    """
    named = environment.get(client.variable) if client.variable else None
    if named:
        return Path(named) / client.file
    root = _applications(platform, environment, home) if client.applications else home
    return root / client.folder / client.file


def _applications(platform: str, environment: Mapping[str, str], home: Path) -> Path:
    """Where desktop applications keep their settings."""
    if platform == "darwin":
        return home / "Library" / "Application Support"
    if platform == "win32":
        return Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config")


def stdio_entry(
    client: Client, argv: tuple[str, ...], environment: Mapping[str, str]
) -> dict[str, Any]:
    """An entry that has the client start a program and speak to it over stdio."""
    entry: dict[str, Any] = {"type": "stdio"} if client.typed else {}
    entry |= {"command": argv[0], "args": list(argv[1:])}
    if environment:
        entry["env"] = dict(environment)
    return entry | dict(client.more)


def http_entry(client: Client, url: str, token: str | None) -> dict[str, Any]:
    """An entry that has the client speak to a server at a URL."""
    entry: dict[str, Any] = {"type": "http"} if client.typed else {}
    entry["url"] = url
    if token is not None:
        entry[client.headers] = {"Authorization": f"Bearer {token}"}
    return entry | dict(client.more)


def merged_entry(existing: object, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as it should stand: ours, and whatever somebody has added to the one that is there.

    Variables of the environment that are there already keep their values.
    """
    if not isinstance(existing, dict):
        return dict(entry)
    other = HTTP_KEYS if "command" in entry else STDIO_KEYS
    kept = {key: value for key, value in existing.items() if key not in other}
    result = kept | dict(entry)
    for key in ("env", "headers", "http_headers"):
        if isinstance(kept.get(key), dict) and isinstance(entry.get(key), dict):
            ours, theirs = entry[key], kept[key]
            result[key] = {**ours, **theirs} if key == "env" else {**theirs, **ours}
    return result


def presented_token(existing: object) -> str | None:
    """The access token that an entry presents, if it does."""
    for key in ("headers", "http_headers"):
        headers = existing.get(key) if isinstance(existing, dict) else None
        text = headers.get("Authorization") if isinstance(headers, dict) else None
        if isinstance(text, str) and text.startswith("Bearer "):
            return text.removeprefix("Bearer ").strip()
    return None
