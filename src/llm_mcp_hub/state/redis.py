"""State in Redis: `redis://`, `rediss://`, `redis+sentinel://` and `redis+unix://`.

Who does not use Redis does not load its library: this module only reads the URL.
"""

from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.factory import StoreFactory
from llm_mcp_hub.state.redis_url import SCHEMES, read_url


def create_redis_store(url: str) -> Store:
    """The store for a Redis URL; see `redis_url`."""
    address = read_url(url)
    from llm_mcp_hub.state.redis_store import RedisStore  # noqa: PLC0415  # loads the library

    return RedisStore(address)


@hookimpl
def hub_register_stores() -> list[StoreFactory]:
    """Everything that Redis answers to."""
    return [StoreFactory(SCHEMES, create_redis_store)]
