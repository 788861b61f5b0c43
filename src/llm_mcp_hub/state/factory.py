"""From a state URL to a store, through what plugins have registered."""

from collections.abc import Callable, Iterable

from msgspec import Struct

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.state.base import Store


class StoreFactory(Struct, frozen=True):
    """A kind of store.

    Attributes:
        schemes: URL schemes it serves.
        create: Makes an unopened store from a URL; no I/O. Raises `ConfigError` for a URL it
            can't read.
    """

    schemes: tuple[str, ...]
    create: Callable[[str], Store]


def create_store(url: str, factories: Iterable[StoreFactory]) -> Store:
    """The unopened store for a URL such as `sqlite:///hub.db` or `redis://127.0.0.1/0`.

    Raises:
        ConfigError: No store serves the scheme, or the URL can't be read.
    """
    scheme, separator, _ = url.partition("://")
    known: list[str] = []
    for factory in factories:
        if scheme in factory.schemes:
            return factory.create(url)
        known.extend(factory.schemes)
    raise ConfigError(
        # What has no scheme may be anything, a password included.
        f"state: no store serves {f'{scheme}://' if separator else 'such'} URLs; use one of "
        + ", ".join(f"{name}://" for name in sorted(known)),
        param="state",
    )
