"""The connections to Redis: kept open between calls, each leased to one call at a time.

Guarantees: nothing is sent twice; a connection that failed, or whose call was given up, is dropped
with whatever replies were still to come; one that the server has hung up on meanwhile, or sent
something on that nobody asked for, is never used again. A dropped one is replaced by the next call.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from redis import exceptions
from redis.asyncio import (
    Connection,
    ConnectionPool,
    Redis,
    SSLConnection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff

from llm_mcp_hub.state.redis_url import RedisAddress

CONNECT_SECONDS = 2.0
"""A server in the same network accepts in milliseconds; half of a cross-continent connect."""


class _Leased(Protocol):
    """What is used of a connection of the library's."""

    def is_silent(self) -> bool: ...

    async def send_packed_command(
        self, command: Sequence[bytes], check_health: bool = True
    ) -> None: ...

    async def read_response(self) -> Any: ...

    async def disconnect(self, nowait: bool = False) -> None: ...


class _Watched:
    """Tells without waiting whether the connection is as its last call left it.

    The library's own check, `can_read_destructive`, waits for a turn of the loop.
    """

    _reader: Any
    _socket_is_empty: Callable[[], bool]

    def is_silent(self) -> bool:
        """Whether the server has neither hung up nor said anything since."""
        reader = self._reader
        return reader is not None and not reader.at_eof() and self._socket_is_empty()


class _Tcp(_Watched, Connection):
    pass


class _Tls(_Watched, SSLConnection):
    pass


class _Unix(_Watched, UnixDomainSocketConnection):
    pass


class _ToPrimary(_Watched, SentinelManagedConnection):
    """To whichever server the Sentinels named last."""

    def is_silent(self) -> bool:
        """As above; one to what was the primary before is used no more."""
        return super().is_silent() and (
            self.connection_pool.master_address == (self.host, self.port)
        )


class RedisConnections:
    """See the module."""

    def __init__(self, address: RedisAddress) -> None:
        # Any, since its own types do not have what connections are made of.
        self._pool: Any
        """Makes connections and owns them; those in `_idle` are in use in its eyes."""
        self._pool, self._sentinels = _pool(address)
        self._closed = False
        self._idle: list[_Leased] = []

    async def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """Send packed commands in one go; a reply, or what Redis said against it, for each.

        Raises:
            RedisError: Redis can't be reached, or refuses to serve.
            OSError: As before.
        """
        connection = await self._lease()
        replies: list[Any] = []
        try:
            await connection.send_packed_command(commands, check_health=False)
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except exceptions.ResponseError as error:
                    replies.append(error)
        except BaseException:
            await self._drop(connection)
            raise
        if self._closed:
            await self._drop(connection)
        else:
            self._idle.append(connection)
        return replies

    async def drop_idle(self) -> None:
        """Have new connections made, which may lead elsewhere."""
        while self._idle:
            await self._drop(self._idle.pop())

    async def aclose(self) -> None:
        """Close all connections. Sends nothing; it only waits for the sockets."""
        self._closed = True
        self._idle.clear()
        for one in (self._pool, *(each.connection_pool for each in self._sentinels)):
            try:
                await one.disconnect()
            except (exceptions.RedisError, OSError):
                continue

    async def _lease(self) -> _Leased:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_silent():
                return connection
            await self._drop(connection)
        if self._closed:
            raise exceptions.ConnectionError("closed")
        made: _Leased = await self._pool.get_connection()
        return made

    async def _drop(self, connection: _Leased) -> None:
        await connection.disconnect(nowait=True)
        await self._pool.release(connection)


def _pool(address: RedisAddress) -> tuple[ConnectionPool, Sequence[Redis]]:
    timing: dict[str, Any] = {
        # The deadline of the whole call stands over reading and writing, which costs less.
        "socket_timeout": None,
        "socket_connect_timeout": CONNECT_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "driver_info": None,
    }
    login: dict[str, Any] = {
        "db": address.db,
        "username": address.username,
        "password": address.password,
    }
    if address.kind == "sentinel":
        find: Callable[..., Sentinel] = Sentinel
        make: Callable[..., ConnectionPool] = SentinelConnectionPool
        sentinel = find(address.hosts, sentinel_kwargs=timing)
        options = {"connection_class": _ToPrimary, **timing, **login}
        return make(address.master, sentinel, **options), sentinel.sentinels
    if address.kind == "unix":
        return ConnectionPool(_Unix, path=address.path, **timing, **login), ()
    host, port = address.hosts[0]
    kind = _Tls if address.kind == "tls" else _Tcp
    return ConnectionPool(kind, host=host, port=port, **timing, **login), ()
