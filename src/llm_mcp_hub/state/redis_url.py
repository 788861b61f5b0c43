"""Reading the URLs of Redis: what each form means, and what to say when one can't be read.

No message repeats any part of a URL that could be a password.
"""

import re
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from llm_mcp_hub.errors import ConfigError

DEFAULT_PREFIX = "llm-mcp-hub"
DEFAULT_PORT = 6379
DEFAULT_SENTINEL_PORT = 26379

SCHEMES = ("redis", "rediss", "redis+sentinel", "redis+unix")

# Braces would decide which part of a key Redis Cluster hashes.
_PREFIX = re.compile(r"[A-Za-z0-9._:-]{1,64}\Z")

_EXAMPLES = {
    "redis": "redis://127.0.0.1:6379/0",
    "rediss": "rediss://user:password@redis.example:6379/0",
    "redis+sentinel": "redis+sentinel://host1:26379,host2:26379/master-name/0",
    "redis+unix": "redis+unix:///run/redis/redis.sock?db=0",
}


class RedisAddress(Struct, frozen=True):
    """Where a Redis is and how its keys begin.

    Attributes:
        hosts: The server, or all Sentinels.
        path: Of the Unix socket.
        master: Name under which the Sentinels know the server.
    """

    kind: Literal["tcp", "tls", "unix", "sentinel"]
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    master: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = None
    prefix: str = DEFAULT_PREFIX

    def __repr__(self) -> str:
        return f"RedisAddress({self.kind!r}, prefix={self.prefix!r})"


def read_url(url: str) -> RedisAddress:
    """What a `redis://`, `rediss://`, `redis+sentinel://` or `redis+unix://` URL says.

    Raises:
        ConfigError: It can't be read.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _unreadable("redis", "the host is malformed") from None
    scheme = parts.scheme
    if scheme not in SCHEMES:
        raise _unreadable("redis", "the scheme is unknown")
    if parts.fragment:
        raise _unreadable(scheme, "a `#` in a password is written `%23`")
    options = _options(scheme, parts.query)
    prefix = options.get("prefix", DEFAULT_PREFIX)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, separator, password = credentials.partition(":")
    username = unquote(user) or None
    secret = unquote(password) or None if separator else None
    if username is not None and secret is None:
        raise _unreadable(scheme, "a user without a password; a password alone is `:password@`")
    if scheme == "redis+unix":
        if hosts or parts.path in ("", "/"):
            raise _unreadable(scheme, "the path of the socket follows three slashes")
        db = _database(scheme, options.get("db", ""))
        return RedisAddress("unix", (), unquote(parts.path), "", db, username, secret, prefix)
    path = parts.path.strip("/").split("/")
    if scheme == "redis+sentinel":
        if not path[0] or len(path) > 2:
            raise _unreadable(scheme, "the name of the master follows the hosts")
        found = tuple(_host(scheme, host, DEFAULT_SENTINEL_PORT) for host in hosts.split(","))
        db = _database(scheme, path[1] if len(path) == 2 else "")
        master = unquote(path[0])
        return RedisAddress("sentinel", found, "", master, db, username, secret, prefix)
    if len(path) > 1:
        raise _unreadable(scheme, "only the number of the database follows the host")
    server = (_host(scheme, hosts, DEFAULT_PORT),)
    kind: Literal["tcp", "tls"] = "tls" if scheme == "rediss" else "tcp"
    return RedisAddress(kind, server, "", "", _database(scheme, path[0]), username, secret, prefix)


def _options(scheme: str, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    allowed = {"prefix", "db"} if scheme == "redis+unix" else {"prefix"}
    if options.keys() - allowed:
        names = " and ".join(f"`{name}=`" for name in sorted(allowed))
        raise _unreadable(scheme, f"only {names} may follow the `?`")
    if not _PREFIX.match(options.get("prefix", DEFAULT_PREFIX)):
        raise _unreadable(scheme, "`prefix` is 1 to 64 of `A-Z a-z 0-9 . _ : -`")
    return options


def _host(scheme: str, text: str, default_port: int) -> tuple[str, int]:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]+)(?::([0-9]{1,5}))?", text)
    port = int(match[2]) if match is not None and match[2] else default_port
    if match is None or not 0 < port < 65536:
        raise _unreadable(
            scheme,
            "a host and a port are expected; `@`, `:` and `/` in a password are "
            "written `%40`, `%3A` and `%2F`",
        )
    return match[1].strip("[]"), port


def _database(scheme: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{0,6}", text):
        raise _unreadable(scheme, "the database is a number")
    return int(text or 0)


def _unreadable(scheme: str, why: str) -> ConfigError:
    return ConfigError(
        f"state: the {scheme} URL can't be read: {why}; an example is `{_EXAMPLES[scheme]}`",
        param="state",
    )
