"""Finding out how a provider is set up: from its name to what its plugin says."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from llm_mcp_hub.commands.embedded import open_store
from llm_mcp_hub.commands.options import Place
from llm_mcp_hub.config import HubConfig, convert_settings
from llm_mcp_hub.errors import UnknownProvider
from llm_mcp_hub.plugins import Plugins, load_plugins
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.maker import ProviderMaker, configured_providers
from llm_mcp_hub.providers.setup import ProviderSetup
from llm_mcp_hub.services.provider_records import ProviderRecords
from llm_mcp_hub.state.records import RecordStore


def find_setup(
    config: HubConfig,
    plugins: Plugins,
    name: str,
    added: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> ProviderSetup | None:
    """The steps for a provider, configured or not; None if it needs none.

    Args:
        config: The configuration.
        plugins: The plugins.
        name: The provider.
        added: Settings and `kind` of those that were added at run time.

    Raises:
        UnknownProvider: No installed plugin makes such a provider.
        ConfigError: Its settings are wrong.
    """
    table = dict(config.providers.get(name) or added.get(name, {}))
    table.pop("enabled", None)
    kind = table.pop("kind", name)
    factories = {factory.kind: factory for factory in plugins.provider_factories()}
    factory = factories.get(kind)
    if factory is None:
        known = ", ".join(sorted(key for key, one in factories.items() if one.setup is not None))
        raise UnknownProvider(
            f"There is no provider {name!r} to set up. Known: {known or 'none'}; a further one "
            "comes with its plugin's package."
        )
    if factory.setup is None:
        return None
    settings = convert_settings(table, factory.settings, f"providers.{name}")
    directory = config.data_path.absolute() / "providers"
    context = ProviderContext(name, settings, directory / name, os.environ, directory / kind)
    return factory.setup(context)


def open_records(config: HubConfig, store: RecordStore) -> ProviderRecords:
    """What the state knows of providers, for a command without a hub."""
    maker = ProviderMaker(load_plugins().provider_factories(), config.data_path, os.environ)
    configured = configured_providers(config.providers, maker.kinds.values())
    return ProviderRecords(store, maker, configured)


async def added_providers(place: Place) -> dict[str, dict[str, Any]]:
    """Settings and `kind` of the providers that were added, from the state.

    Raises:
        StateUnavailable: It can't be reached.
        ConfigError: It is inside of a running hub.
    """
    async with open_store(place) as store:
        _, records = await open_records(place.read(), store).all()
    return {
        name: {"kind": record.kind, **record.settings}
        for name, record in records.items()
        if record.kind
    }
