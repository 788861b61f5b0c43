"""From a name, a kind and settings to a provider, through what plugins have registered."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from llm_mcp_hub.config import convert_settings
from llm_mcp_hub.domain.status import Origin
from llm_mcp_hub.errors import ConfigError, InvalidRequest
from llm_mcp_hub.providers.base import Provider, ProviderContext, ProviderFactory
from llm_mcp_hub.providers.runtime_settings import read_runtime_settings

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""It becomes the first half of model ids, and a directory."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Configured(Struct, frozen=True):
    """A provider as the configuration has it, or as its plugin brings it along.

    Attributes:
        table: Its settings.
        enabled: Whether it is to be there.
    """

    kind: str
    table: dict[str, Any]
    origin: Origin
    enabled: bool = True


class _Own(Struct, frozen=True):
    """What the hub itself reads of a provider's settings."""

    enabled: bool = True
    kind: str = ""


def configured_providers(
    settings: Mapping[str, Mapping[str, Any]], factories: Iterable[ProviderFactory]
) -> dict[str, Configured]:
    """Every provider that is configured, turned off or not, or comes by itself.

    Raises:
        ConfigError: A name, or what the hub itself reads, is wrong.
    """
    found = {
        factory.kind: Configured(factory.kind, {}, Origin.AUTOMATIC)
        for factory in factories
        if factory.automatic
    }
    for name, whole in settings.items():
        where = f"providers.{name}"
        if not NAME.fullmatch(name):
            raise ConfigError(f"{where}: a provider's name is of a-z 0-9 . _ -", param=where)
        table = dict(whole)
        own = {key: table.pop(key) for key in _Own.__struct_fields__ if key in table}
        chosen: _Own = convert_settings(own, _Own, where)
        kind = chosen.kind or name
        found[name] = Configured(kind, table, Origin.CONFIGURED, chosen.enabled)
    return found


class ProviderMaker:
    """Makes providers.

    Args:
        factories: Of all installed plugins.
        data_dir: The hub's data directory.
        environment: The hub's own environment.

    Attributes:
        kinds: The factories by kind.
    """

    def __init__(
        self,
        factories: Iterable[ProviderFactory],
        data_dir: Path,
        environment: Mapping[str, str],
    ) -> None:
        self.kinds = {factory.kind: factory for factory in factories}
        self._directory = data_dir / "providers"
        self._environment = environment

    def make(self, name: str, kind: str, table: Mapping[str, Any]) -> Provider:
        """A provider with settings from the configuration; no I/O.

        Raises:
            ConfigError: No installed plugin makes such, or the settings are wrong.
            Exception: What the plugin raises.
        """
        where = f"providers.{name}"
        factory = self.kinds.get(kind)
        if factory is None:
            raise ConfigError(
                f"{where}: no installed plugin makes providers of the kind {kind!r}; "
                f"known: {', '.join(sorted(self.kinds))}",
                param=where,
            )
        values = convert_settings(table, factory.settings, where)
        context = ProviderContext(
            name, values, self._directory / name, self._environment, self._directory / kind
        )
        return factory.create(context)

    def check_added(self, kind: str, table: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that somebody wants for a provider at run time, as plain values.

        They are those that were given, paths included. Looks at files.

        Raises:
            InvalidRequest: There is no such kind, none of it can be added, or something may not be
                set, or not so.
        """
        factory = self.kinds.get(kind)
        if factory is None:
            raise InvalidRequest(
                f"No installed plugin makes providers of the kind {kind!r}. "
                f"There are: {', '.join(sorted(self.kinds))}.",
                param="kind",
            )
        if not factory.addable:
            raise InvalidRequest(
                f"A provider of the kind {kind!r} can't be added at run time: it needs settings "
                "that the configuration file alone may give. Add it there, as a table "
                f'`[providers.NAME]` with `kind = "{kind}"`, and restart the hub.',
                param="kind",
            )
        return read_runtime_settings(
            table, factory.runtime_settings, factory.settings, self._directory
        )

    def make_added(self, name: str, kind: str, table: Mapping[str, Any]) -> Provider:
        """A provider with settings from a request, checked again; looks at files.

        Raises:
            InvalidRequest: As `check_added`; what it allowed may have changed.
            ConfigError: As `make`.
            Exception: What the plugin raises.
        """
        return self.make(name, kind, self.check_added(kind, table))


def not_made(name: str, error: Exception) -> ConfigError:
    """What a plugin's own exception becomes, once it is logged."""
    log.error("provider.not_made", provider=name, exc_info=error)
    return ConfigError(f"{type(error).__name__}: {error}")
