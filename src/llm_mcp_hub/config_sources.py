"""Where settings come from: a TOML file, the environment and the command line, one over another.

Guarantee: what decides which program runs is taken from the file alone.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from llm_mcp_hub.errors import ConfigError

ENVIRONMENT_PREFIX = "LLM_MCP_HUB_"
"""`LLM_MCP_HUB_SERVER__PORT=9000` sets `server.port`: `__` goes one level down."""

CONFIG_VARIABLE = "LLM_MCP_HUB_CONFIG"
"""Names the configuration file; not a setting itself."""

FILE_ONLY = frozenset({"environment", "executable"})
"""Provider settings that decide what runs: never taken from the environment."""

FILE = "file"
ENVIRONMENT = "environment"
COMMAND_LINE = "command line"


class Sources(Struct, frozen=True):
    """Where a configuration has come from.

    Attributes:
        file: The configuration file, None if there is none.
        origins: Which source each setting has its value from, by path; what is not in it has its
            default, or a value that a program has given it.
    """

    file: str | None = None
    origins: dict[str, str] = {}


def layers(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None
) -> dict[str, Mapping[str, Any]]:
    """What each source says, in rising precedence.

    Raises:
        ConfigError: The file can't be read, or something in the environment is wrong.
    """
    return {
        FILE: _read_toml(file) if file is not None else {},
        ENVIRONMENT: _from_environment(environment),
        COMMAND_LINE: overrides or {},
    }


def sources(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Sources:
    """Where the configuration comes from that is read from these.

    Raises:
        ConfigError: As for `layers`.
    """
    found: dict[str, str] = {}
    for source, settings in layers(file, environment, overrides).items():
        found |= dict.fromkeys(_paths(settings, ""), source)
    return Sources(None if file is None else str(file), found)


def _paths(settings: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}"


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for name, text in sorted(environment.items()):
        if not name.startswith(ENVIRONMENT_PREFIX) or name == CONFIG_VARIABLE:
            continue
        path = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        value = _value(name, text)
        if path[0] == "providers" and FILE_ONLY & {*path[2:], *_keys(value)}:
            where = ".".join(path)
            raise ConfigError(
                f"{where}: {' and '.join(sorted(FILE_ONLY))} are taken from the configuration "
                f"file only, not from {name}",
                param=where,
            )
        level = settings
        for part in path[:-1]:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise ConfigError(f"{name}: {part} has a value and parts of its own")
        merge(level, {path[-1]: value})
    return settings


def _keys(value: Any) -> Iterator[str]:
    """Every key in a value, however deep."""
    if isinstance(value, dict):
        yield from value
        value = value.values()
    elif not isinstance(value, list):
        return
    for inner in value:
        yield from _keys(inner)


def _value(name: str, text: str) -> Any:
    """Lists and tables are written as JSON; everything else is text that fits its setting."""
    if not text.startswith(("[", "{")):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{name}: is not valid JSON: {error}") from None


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> None:
    """Lay settings over others. A None says nothing."""
    for key, value in over.items():
        if isinstance(value, Mapping):
            inner = base.setdefault(key, {})
            if isinstance(inner, dict):
                merge(inner, value)
            else:
                base[key] = dict(value)
        elif value is not None:
            base[key] = value
