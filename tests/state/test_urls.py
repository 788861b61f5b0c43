"""From a URL to a store, and what is said when there is none."""

import pytest

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.state.factory import create_store
from llm_mcp_hub.state.memory import hub_register_stores as memory_stores
from llm_mcp_hub.state.redis import hub_register_stores as redis_stores
from llm_mcp_hub.state.redis_url import RedisAddress, read_url
from llm_mcp_hub.state.sqlite import hub_register_stores as sqlite_stores

FACTORIES = [*memory_stores(), *sqlite_stores(), *redis_stores()]


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("memory://", "memory"),
        ("sqlite:///:memory:", "sqlite"),
        ("redis://127.0.0.1/0", "redis"),
        ("rediss://127.0.0.1", "redis"),
        ("redis+unix:///run/redis.sock", "redis"),
        ("redis+sentinel://a,b/main", "redis"),
    ],
)
def test_each_scheme_has_its_store(url: str, name: str) -> None:
    assert create_store(url, FACTORIES).name == name


@pytest.mark.parametrize("url", ["mysql://x", "hub.db", "", "memory://x", "memory://?a=b"])
def test_a_url_that_no_store_serves_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(ConfigError, match="memory://"):
        create_store(url, FACTORIES)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", RedisAddress("tcp", (("h", 6379),))),
        ("redis://h:1/2?prefix=a.b", RedisAddress("tcp", (("h", 1),), db=2, prefix="a.b")),
        ("redis://[::1]:7/", RedisAddress("tcp", (("::1", 7),))),
        ("redis://:p%40ss@h", RedisAddress("tcp", (("h", 6379),), password="p@ss")),
        ("rediss://u:p@h", RedisAddress("tls", (("h", 6379),), username="u", password="p")),
        (
            "redis+sentinel://u:p@a,b:5/main/3",
            RedisAddress(
                "sentinel", (("a", 26379), ("b", 5)), "", "main", 3, username="u", password="p"
            ),
        ),
        ("redis+unix:///run/r%20s?db=4", RedisAddress("unix", path="/run/r s", db=4)),
        ("redis+unix://:p@/run/r", RedisAddress("unix", path="/run/r", password="p")),
    ],
)
def test_every_form_of_a_redis_url_is_read(url: str, address: RedisAddress) -> None:
    assert read_url(url) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://", "a host"),
        ("redis://:hunter2@", "a host"),
        ("redis://:hunter2@h:port", "a host"),
        ("redis://:hunter2@h:70000", "a host"),
        ("redis://u:hun/ter2@h", "a host"),
        ("redis://u:hunter2@h/x", "database is a number"),
        ("redis://u:hunter2@h/0/1", "number of the database"),
        ("redis://u:hunter2@h/0?db=1", "`prefix=`"),
        ("redis://u:hunter2@h?prefix={x}", "`prefix`"),
        ("redis://u:hunter2@h?prefix=", "`prefix`"),
        ("redis://u:hunter#2@h", "%23"),
        ("redis://hunter2@h", "without a password"),
        ("redis://[u:hunter2@h", "malformed"),
        ("redis+unix://u:hunter2@h/run/r", "three slashes"),
        ("redis+unix://u:hunter2@/", "three slashes"),
        ("redis+unix://u:hunter2@/r?db=x", "number"),
        ("redis+sentinel://u:hunter2@a,b", "name of the master"),
        ("redis+sentinel://u:hunter2@a,b/m/0/1", "name of the master"),
        ("redis+sentinel://u:hunter2@a,,b/m", "a host"),
    ],
)
def test_a_redis_url_that_can_not_be_read_says_why_but_no_password(url: str, why: str) -> None:
    with pytest.raises(ConfigError, match="state: ") as caught:
        create_store(url, FACTORIES)
    assert why in caught.value.message
    assert "hun" not in f"{caught.value.message} {caught.value.detail} {caught.value.__cause__}"
    assert caught.value.param == "state"
