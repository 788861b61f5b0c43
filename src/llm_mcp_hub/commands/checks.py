"""What `doctor` looks at, apart from the providers. Each check returns what it found."""

import platform
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from llm_mcp_hub import __version__
from llm_mcp_hub.commands.machine import available_megabytes, serves_a_hub
from llm_mcp_hub.commands.options import Place, make_data_directory
from llm_mcp_hub.commands.sockets import bind
from llm_mcp_hub.config import HubConfig, ServerConfig
from llm_mcp_hub.errors import ConfigError, HubError
from llm_mcp_hub.log import redact_text
from llm_mcp_hub.plugins import PluginInfo
from llm_mcp_hub.providers.setup import Finding
from llm_mcp_hub.services.status import Health, HealthReport

MINIMUM_PYTHON = (3, 11)


def check_python() -> Finding:
    """The Python that runs the hub."""
    title = f"{platform.python_implementation()} {platform.python_version()}"
    remedy = "Install the hub with Python 3.11 or newer."
    ok = sys.version_info >= MINIMUM_PYTHON
    return Finding(ok, title, sys.executable, "" if ok else remedy)


def check_hub() -> Finding:
    """The hub's own version."""
    return Finding(True, f"LLM MCP Hub {__version__}")


def check_plugins(infos: Iterable[PluginInfo]) -> list[Finding]:
    """The plugins that work in one line, each of the others in one of its own."""
    infos = list(infos)
    working = [info.name for info in infos if info.error is None]
    return [Finding(True, f"{len(working)} plugins work", ", ".join(working))] + [
        Finding(
            False,
            f"The plugin {info.name!r} is left out",
            f"{info.distribution}: {info.error}",
            "Update or uninstall its package.",
        )
        for info in infos
        if info.error is not None
    ]


def check_config(place: Place, error: HubError | None) -> Finding:
    """The configuration; `error` is what was wrong with it."""
    file = place.file
    detail = str(file) if file is not None else "no file, defaults and environment only"
    if error is not None:
        return Finding(False, error.message, detail, "Correct the configuration.")
    return Finding(True, "The configuration is right", detail)


def check_data_directory(config: HubConfig) -> Finding:
    """Whether the data directory can be written, and by its owner alone."""
    path = config.data_path.absolute()
    remedy = f"Make it writable for this user, or choose another with --data-dir: {path}"
    try:
        make_data_directory(config)
        probe = path / ".doctor"
        probe.touch()
        probe.unlink()
    except ConfigError as error:
        return Finding(False, error.message, str(path), remedy)
    except OSError as error:
        return Finding(
            False, f"The data directory can't be written: {error.strerror}", str(path), remedy
        )
    if _others_can_write(path):
        return Finding(
            False, "Others can write into the data directory", str(path), f"chmod 700 {path}"
        )
    return Finding(True, "The data directory can be written", str(path))


def check_state(config: HubConfig, health: HealthReport) -> Finding:
    """Whether the state store answers."""
    detail = redact_text(config.state_url)
    if health.state.status is Health.HEALTHY:
        return Finding(True, f"The state store ({health.state.kind}) answers", detail)
    return Finding(
        False,
        f"The state store ({health.state.kind}) does not answer: {health.state.message}",
        detail,
        "Start it, or name another with --state.",
    )


def check_memory(needed_megabytes: int) -> Finding:
    """Whether all workers together would fit."""
    available = available_megabytes()
    if available is None:
        return Finding(True, "How much memory is available is not known")
    title = f"{available} MB of memory available, {needed_megabytes} MB for all workers"
    ok = needed_megabytes <= available
    remedy = "Lower `pool.max_workers` of the providers, or add memory."
    return Finding(ok, title, "", "" if ok else remedy)


def check_port(server: ServerConfig) -> Finding:
    """Whether the hub could serve on its port, or does already."""
    where = f"{server.host} port {server.port}"
    try:
        for sock in bind(server):
            sock.close()
    except ConfigError as error:
        if serves_a_hub(server.host, server.port):
            return Finding(True, "A hub is running", where)
        return Finding(False, error.message, where, "Free the port, or choose another.")
    return Finding(True, "The port is free" if server.port else "Any free port will do", where)


def _others_can_write(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH))
