"""Finding plugins and loading them one by one.

Guarantee: a plugin that can't be imported, that implements a hook which does not exist, or whose
hook raises, is left out and listed with its error; all others work.
"""

from collections.abc import Callable, Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy
import structlog
from msgspec import Struct

from llm_mcp_hub import hookspecs
from llm_mcp_hub.domain.turn import TurnRecord
from llm_mcp_hub.mounts import Mount
from llm_mcp_hub.providers.base import ProviderFactory
from llm_mcp_hub.state.factory import StoreFactory

GROUP = "llm_mcp_hub"

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class PluginInfo(Struct, frozen=True):
    """One plugin that was found.

    Attributes:
        name: Name of its entry point.
        distribution: Name and version of the package it came with.
        error: Why it is left out; None if it works.
    """

    name: str
    distribution: str
    error: str | None = None


class Plugins:
    """The plugins in use, and what became of the others."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._infos: dict[str, PluginInfo] = {}

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """Every plugin found, working or not, by name."""
        return tuple(self._infos[name] for name in sorted(self._infos))

    def add(self, name: str, distribution: str, load: Callable[[], object]) -> None:
        """Load one plugin, or note why it can't be."""
        if name in self._infos:
            listed = f"{name} of {distribution}"
            reason = f"ValueError: another plugin is named {name!r} already"
            self._infos[listed] = PluginInfo(name, distribution, reason)
            log.warning("plugin.left_out", plugin=listed, reason=reason)
            return
        self._infos[name] = PluginInfo(name, distribution)
        try:
            plugin = load()
            self._manager.register(plugin, name)
            self._manager.check_pending()
        except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it does, the hub starts
            self.leave_out(name, error)

    def provider_factories(self) -> list[ProviderFactory]:
        """All kinds of provider. Of two of one kind the first, by plugin name, is kept."""
        found = self._collect("hub_register_providers", ProviderFactory, lambda item: item.kind)
        return [factory for _, factory in found]

    def store_factories(self) -> list[StoreFactory]:
        """All kinds of state store."""
        found = self._collect("hub_register_stores", StoreFactory, lambda item: item.schemes)
        return [factory for _, factory in found]

    def mounts(self) -> dict[str, Mount]:
        """The applications to be mounted, by the name of their plugin, which can have one."""
        return dict(self._collect("hub_register_mounts", Mount, lambda item: item.path))

    def turn_finished(self, turn: TurnRecord) -> None:
        """Call `hub_turn_finished` of every plugin."""
        for implementation in self._manager.hook.hub_turn_finished.get_hookimpls():
            try:
                implementation.function(*[turn for _ in implementation.argnames])
            except Exception:
                log.exception("plugin.hook_failed", plugin=implementation.plugin_name)

    def leave_out(self, name: str, error: BaseException) -> None:
        """Use a plugin no more, and note why."""
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)
        reason = f"{type(error).__name__}: {error}"
        self._infos[name] = PluginInfo(name, self._infos[name].distribution, reason)
        log.warning("plugin.left_out", plugin=name, reason=reason)

    def _collect(
        self, hook: str, kind: type[Any], key: Callable[[Any], object]
    ) -> list[tuple[str, Any]]:
        found: dict[object, tuple[str, Any]] = {}
        implementations = getattr(self._manager.hook, hook).get_hookimpls()
        for implementation in sorted(implementations, key=lambda item: item.plugin_name):
            name = implementation.plugin_name
            try:
                items = list(implementation.function())
                for item in items:
                    if not isinstance(item, kind):
                        raise TypeError(
                            f"{hook} returned {type(item).__name__}, not {kind.__name__}"
                        )
                    if key(item) in found:
                        raise ValueError(f"{hook}: {key(item)!r} is registered already")
            except Exception as error:  # noqa: BLE001  # the same here
                self.leave_out(name, error)
                continue
            found |= {key(item): (name, item) for item in items}
        return list(found.values())


def load_plugins(found: Iterable[EntryPoint] | None = None) -> Plugins:
    """Load the installed plugins, or those given."""
    plugins = Plugins()
    for entry in sorted(entry_points(group=GROUP) if found is None else found, key=_by_name):
        distribution = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown"
        plugins.add(entry.name, distribution, entry.load)
    return plugins


def _by_name(entry: EntryPoint) -> str:
    return entry.name
