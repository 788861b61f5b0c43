"""Finding out how a provider is set up: from its name to what its plugin says."""

import os

from llm_mcp_hub.config import HubConfig, convert_settings
from llm_mcp_hub.errors import UnknownProvider
from llm_mcp_hub.plugins import Plugins
from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.providers.setup import ProviderSetup


def find_setup(config: HubConfig, plugins: Plugins, name: str) -> ProviderSetup | None:
    """The steps for a provider, configured or not; None if it needs none.

    Raises:
        UnknownProvider: No installed plugin makes such a provider.
        ConfigError: Its settings are wrong.
    """
    table = dict(config.providers.get(name, {}))
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
    directory = config.data_path.absolute() / "providers" / name
    return factory.setup(ProviderContext(name, settings, directory, os.environ))
