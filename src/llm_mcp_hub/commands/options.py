"""What every command takes: `--config`, `--data-dir`, `--state` and `--debug`."""

import functools
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from msgspec import Struct

from llm_mcp_hub.cli import DEBUG
from llm_mcp_hub.config import HubConfig, LogConfig, default_config_file, read_config
from llm_mcp_hub.config_sources import Sources, sources
from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.log import configure_logging


class Place(Struct, frozen=True):
    """Which hub a command means: what its shared options say, None where they say nothing."""

    config_file: Path | None = None
    data_dir: str | None = None
    state: str | None = None

    @property
    def file(self) -> Path | None:
        """The configuration file in use."""
        return self.config_file or default_config_file(os.environ)

    def read(self, overrides: Mapping[str, Any] | None = None) -> HubConfig:
        """The configuration; `overrides` come from the command's own options.

        Raises:
            ConfigError: It is wrong.
        """
        return read_config(self.file, os.environ, self._over(overrides))

    def sources(self, overrides: Mapping[str, Any] | None = None) -> Sources:
        """Where that configuration comes from.

        Raises:
            ConfigError: It is wrong.
        """
        return sources(self.file, os.environ, self._over(overrides))

    def _over(self, overrides: Mapping[str, Any] | None) -> dict[str, Any]:
        return {"data_dir": self.data_dir, "state": self.state, **(overrides or {})}

    def command(self, rest: str) -> str:
        """A command line of the hub that means the same place, to be pasted by a person."""
        parts = ["llm-mcp-hub", rest]
        for flag, value in (
            ("--config", self.config_file),
            ("--data-dir", self.data_dir),
            ("--state", self.state),
        ):
            if value is not None:
                parts.append(f"{flag} {shlex.quote(str(value))}")
        return " ".join(parts)


def hub_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the shared options; it gets them as its argument `place`."""

    @click.option("--state", metavar="URL", help="State store, such as sqlite:///hub.db.")
    @click.option("--data-dir", metavar="DIR", help="Where the hub keeps its files.")
    @click.option(
        "--config",
        "config_file",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Configuration file (TOML).",
    )
    @click.option("--debug", is_flag=True, help="Show tracebacks and debugging messages.")
    @click.pass_context
    @functools.wraps(function)
    def wrapper(
        context: click.Context,
        /,
        *args: Any,
        debug: bool,
        config_file: Path | None,
        data_dir: str | None,
        state: str | None,
        **options: Any,
    ) -> Any:
        context.meta[DEBUG] = debug
        configure_logging(LogConfig("console", "debug" if debug else "error"))
        return function(*args, place=Place(config_file, data_dir, state), **options)

    return wrapper


def make_data_directory(config: HubConfig) -> Path:
    """The data directory, made if need be, for its owner alone.

    Raises:
        ConfigError: It can't be made.
    """
    path = config.data_path
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"data_dir: {path} can't be made: {error.strerror}; choose another with --data-dir",
            param="data_dir",
        ) from None
    return path
