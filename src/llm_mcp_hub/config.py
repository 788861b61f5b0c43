"""The hub's configuration: one struct, read from a TOML file and overlaid by the environment.

Guarantee: a key that does not exist, or a value of the wrong type, is refused with its path; the
hub never starts on a configuration it has only partly understood. No setting takes an API key.
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from llm_mcp_hub.config_checks import (
    LOOPBACK,
    check_aliases,
    check_header_names,
    check_webhook,
)
from llm_mcp_hub.config_sources import CONFIG_VARIABLE, layers, merge
from llm_mcp_hub.errors import ConfigError

_UNKNOWN_FIELD = re.compile(r"unknown field `(.*)`")


class ServerConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[server]`.

    Attributes:
        allowed_hosts: Names this hub is reached by, beside loopback names, literal addresses and
            `host`; `*` allows any.
        allowed_origins: Origins of web pages that may call the hub from a browser.
        max_body_bytes: Largest request body.
        drain_seconds: How long running turns may go on when the hub is told to stop.
    """

    host: str = "127.0.0.1"
    port: int = 8642
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    max_body_bytes: int = 32 * 1024 * 1024
    drain_seconds: int = 25


class AccessConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[access]`. Turning it off is allowed on loopback only.

    Attributes:
        open_metrics: Whether `/metrics` needs no access token from this machine itself.
    """

    enabled: bool = True
    open_metrics: bool = False


class SessionsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[sessions]`.

    Attributes:
        ttl_seconds: A session is forgotten so long after its latest turn.
        id_headers: Headers of other clients that name their conversation, for requests without
            `X-Session-ID`; the first that says something counts.
        task_headers: Headers of other clients that say that a request is none of the
            conversation, such as one for a title; nothing of it is stored.
    """

    ttl_seconds: float = 3600.0
    id_headers: tuple[str, ...] = ("X-OpenWebUI-Chat-Id",)
    task_headers: tuple[str, ...] = ("X-OpenWebUI-Task",)


class TurnsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[turns]`.

    Attributes:
        resume_seconds: How long a streamed turn whose caller lost the connection goes on, waiting
            for the caller to come back. 0: it ends with the connection, and nothing is journaled.
        journal_seconds: How long the answer can be fetched again after the turn, and how long an
            `Idempotency-Key` is remembered.
    """

    resume_seconds: float = 5.0
    journal_seconds: float = 600.0


class ImagesConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[images]`: those that requests name by URL.

    Attributes:
        fetch: Whether they are fetched; otherwise such requests are refused.
        max_bytes: The largest one.
        max_count: So many of one request.
        seconds: How long all of a request's may take together.
        allowed_hosts: The only hosts they are fetched from, `*.example.com` for those below one;
            empty for any on the public internet. Others are never asked.
    """

    fetch: bool = False
    max_bytes: int = 5 * 1024 * 1024
    max_count: int = 10
    seconds: float = 15.0
    allowed_hosts: tuple[str, ...] = ()


class AlertsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[alerts]`.

    Attributes:
        webhook_url: Where alerts are sent to as JSON; empty for nowhere.
        days: So many days before its end a login is told of, and when it has ended.
        provider_seconds: So long a provider must be unavailable before that is told, and as long
            available again.
    """

    webhook_url: str = ""
    days: tuple[int, ...] = (7, 3, 1)
    provider_seconds: float = 60.0


class UsageConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[usage]`.

    Attributes:
        retention_days: How long it is remembered what was used, in hours that have counts.
    """

    retention_days: int = 400


class McpConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[mcp]`.

    Attributes:
        enabled: Whether the hub serves `/mcp`, `/sse` and `/messages`.
        stateless: Keep nothing between requests at `/mcp`: any replica can take each of them.
        wait_seconds: How long a tool call whose client asked for no progress waits for the answer
            before it ends with the id of a turn to fetch. 0: to the end of the answer.
        keep_alive_seconds: How long an answer may be silent towards a client that asked for it.
    """

    enabled: bool = True
    stateless: bool = False
    wait_seconds: float = 50.0
    keep_alive_seconds: float = 10.0


class LogConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`[log]`. `auto` is console lines on a terminal, JSON elsewhere."""

    format: Literal["auto", "console", "json"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class HubConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration.

    Attributes:
        data_dir: Where the hub keeps its own files; empty for the user's data directory.
        state: URL of the state store; empty for an SQLite file in the data directory.
        demo: Whether the echo provider is on.
        aliases: Further names of models: `{"gpt-4o": "claude/sonnet"}`. A list is a chain: the next
            is asked where the one before can't answer. `default` is for whoever names no model.
        providers: Settings by provider name. `kind` names the kind of provider and defaults to
            the name, `enabled = false` leaves the provider out; the rest belongs to the plugin.
    """

    data_dir: str = ""
    state: str = ""
    demo: bool = False
    server: ServerConfig = ServerConfig()
    access: AccessConfig = AccessConfig()
    sessions: SessionsConfig = SessionsConfig()
    turns: TurnsConfig = TurnsConfig()
    images: ImagesConfig = ImagesConfig()
    alerts: AlertsConfig = AlertsConfig()
    usage: UsageConfig = UsageConfig()
    mcp: McpConfig = McpConfig()
    log: LogConfig = LogConfig()
    aliases: dict[str, str | tuple[str, ...]] = {}
    providers: dict[str, dict[str, Any]] = {}

    @property
    def data_path(self) -> Path:
        """The data directory."""
        if self.data_dir:
            return Path(self.data_dir).expanduser()
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return Path(base).expanduser() / "llm-mcp-hub"

    @property
    def state_url(self) -> str:
        """URL of the state store."""
        return self.state or f"sqlite:///{self.data_path.absolute() / 'hub.db'}"

    def check(self) -> None:
        """Refuse what is well-formed but not safe or not possible.

        Raises:
            ConfigError: It is so.
        """
        if not self.access.enabled and self.server.host not in LOOPBACK:
            raise ConfigError(
                "access.enabled: the hub serves without access tokens on loopback only; set "
                "server.host to 127.0.0.1 or turn access control on again",
                param="access.enabled",
            )
        for path, value in (
            ("server.max_body_bytes", self.server.max_body_bytes),
            ("server.drain_seconds", self.server.drain_seconds),
            ("sessions.ttl_seconds", self.sessions.ttl_seconds),
            ("turns.journal_seconds", self.turns.journal_seconds),
            ("images.max_bytes", self.images.max_bytes),
            ("images.max_count", self.images.max_count),
            ("images.seconds", self.images.seconds),
            ("usage.retention_days", self.usage.retention_days),
            ("mcp.keep_alive_seconds", self.mcp.keep_alive_seconds),
        ):
            if not 0 < value < math.inf:
                raise ConfigError(f"{path}: must be a number greater than zero", param=path)
        for path, value in (
            ("turns.resume_seconds", self.turns.resume_seconds),
            ("alerts.provider_seconds", self.alerts.provider_seconds),
            ("mcp.wait_seconds", self.mcp.wait_seconds),
        ):
            if not 0 <= value < math.inf:
                raise ConfigError(f"{path}: must be zero or a number of seconds", param=path)
        if any(not 1 <= each <= 365 for each in self.alerts.days):
            raise ConfigError("alerts.days: each is 1 to 365", param="alerts.days")
        check_webhook(self.alerts.webhook_url)
        check_aliases(self.aliases)
        check_header_names(self.sessions.id_headers, "sessions.id_headers")
        check_header_names(self.sessions.task_headers, "sessions.task_headers")
        if not 0 <= self.server.port <= 65_535:
            raise ConfigError(
                "server.port: must be 1 to 65535, or 0 for a free one", param="server.port"
            )


def read_config(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> HubConfig:
    """The configuration from a file, the environment and the command line, in rising precedence.

    Args:
        file: A TOML file, or None for defaults.
        environment: Usually `os.environ`.
        overrides: Nested like the file; None values are left out.

    Raises:
        ConfigError: The file can't be read, or something in it is wrong.
    """
    settings: dict[str, Any] = {}
    for layer in layers(file, environment, overrides).values():
        merge(settings, layer)
    config: HubConfig = convert_settings(settings, HubConfig, "")
    config.check()
    return config


def default_config_file(environment: Mapping[str, str]) -> Path | None:
    """The file named by `CONFIG_VARIABLE`, or else the user's own if there is one."""
    named = environment.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    base = environment.get("XDG_CONFIG_HOME") or "~/.config"
    file = Path(base).expanduser() / "llm-mcp-hub" / "config.toml"
    return file if file.is_file() else None


def convert_settings(settings: Mapping[str, Any], kind: type[Any], where: str) -> Any:
    """Settings as a struct of type `kind`.

    Args:
        settings: The settings as they were read.
        kind: A struct that forbids unknown fields.
        where: Path of the settings in the configuration, for the message.

    Raises:
        ConfigError: They do not fit.
    """
    try:
        return msgspec.convert(settings, kind, strict=False)
    except msgspec.ValidationError as error:
        problem, _, at = str(error).partition(" - at `$")
        inner = at.rstrip("`").lstrip(".")
        unknown = _UNKNOWN_FIELD.search(problem)
        field = unknown.group(1) if unknown is not None else ""
        path = ".".join(part for part in (where, inner, field) if part) or "the top level"
        hint = ""
        if unknown is not None:
            problem = "there is no such setting"
        if "key" in field.lower():
            hint = "; the hub works with subscriptions and takes no API key anywhere"
        raise ConfigError(f"{path}: {problem}{hint}", param=path) from None
