"""The configured providers, made from the plugins' factories and the settings.

Guarantee: a provider that can't be made is listed with its error and stops nothing else.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
from msgspec import Struct

from llm_mcp_hub.config import convert_settings
from llm_mcp_hub.errors import ConfigError, HubError, UnknownProvider
from llm_mcp_hub.providers.base import Provider, ProviderContext, ProviderFactory

CLOSE_SECONDS = 15.0
"""How long all providers together may take to end."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""It becomes the first half of model ids, and a directory."""


class _Own(Struct, frozen=True):
    """What the hub itself reads of a provider's settings."""

    enabled: bool = True
    kind: str = ""


class Registry:
    """Providers by name; owns them."""

    def __init__(self) -> None:
        self._providers: dict[str, Provider] = {}
        self.failures: dict[str, HubError] = {}

    def __iter__(self) -> Iterator[Provider]:
        return iter(self._providers.values())

    def get(self, name: str) -> Provider:
        """The provider of that name.

        Raises:
            UnknownProvider: There is none.
        """
        provider = self._providers.get(name)
        if provider is None:
            raise UnknownProvider(
                f"There is no provider {name!r}. "
                f"Configured: {', '.join(self._providers) or 'none'}."
            )
        return provider

    def find(self, name: str) -> Provider | None:
        """The provider of that name, or None."""
        return self._providers.get(name)

    def add(self, name: str, provider: Provider) -> None:
        """Take a provider over."""
        self._providers[name] = provider

    async def start(self) -> None:
        """Let every provider begin to get ready."""
        for provider in self:
            try:
                await provider.start()
            except Exception:  # whatever a foreign provider does, the others start
                log.exception("provider.start_failed", provider=provider.name)

    async def aclose(self) -> None:
        """Close every provider; bounded."""
        closing = [asyncio.create_task(provider.aclose()) for provider in self]
        if not closing:
            return
        done, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
        for task in late:
            task.cancel()
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("provider.close_failed", error=repr(error))


def build_registry(
    settings: Mapping[str, Mapping[str, Any]],
    factories: list[ProviderFactory],
    data_dir: Path,
    environment: Mapping[str, str],
) -> Registry:
    """Make every provider that is configured or comes by itself.

    Raises:
        ConfigError: The settings name a kind that no installed plugin makes.
    """
    registry = Registry()
    kinds = {factory.kind: factory for factory in factories}
    wanted: dict[str, dict[str, Any]] = {
        factory.kind: {} for factory in factories if factory.automatic
    }
    wanted |= {name: dict(table) for name, table in settings.items()}
    for name, table in wanted.items():
        where = f"providers.{name}"
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: a provider's name is of a-z 0-9 . _ -", param=where)
        own = {key: table.pop(key) for key in _Own.__struct_fields__ if key in table}
        chosen: _Own = convert_settings(own, _Own, where)
        if not chosen.enabled:
            continue
        kind = chosen.kind or name
        factory = kinds.get(kind)
        if factory is None:
            raise ConfigError(
                f"{where}: no installed plugin makes providers of the kind {kind!r}; "
                f"known: {', '.join(sorted(kinds))}",
                param=where,
            )
        values = convert_settings(table, factory.settings, where)
        context = ProviderContext(name, values, data_dir / "providers" / name, environment)
        try:
            registry.add(name, factory.create(context))
        except ConfigError:
            raise
        except Exception as error:
            log.exception("provider.not_made", provider=name)
            registry.failures[name] = ConfigError(f"{type(error).__name__}: {error}")
    return registry
