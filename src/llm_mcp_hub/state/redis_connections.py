"""The connections to Redis: kept open between calls, each leased to one call at a time.

Guarantees: nothing is sent twice; a connection that failed, or whose call was given up, is dropped
with whatever replies were still to come; one that the server has hung up on meanwhile, or sent
something on that nobody asked for, is never used again. A dropped one is replaced by the next call.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

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
MAX_CONNECTIONS = 32
"""Further calls wait for one of these to be free, within their deadline."""


class _Lean:
    """What a connection of the library's does for a call, in fewer steps, and one question."""

    _reader: Any
    _writer: Any
    _parser: Any
    _socket_is_empty: Callable[[], bool]

    def is_silent(self) -> bool:
        """Whether the server has neither hung up nor said anything since the last call.

        The library's own check, `can_read_destructive`, waits for a turn of the loop.
        """
        reader = self._reader
        return reader is not None and not reader.at_eof() and self._socket_is_empty()

    async def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """Send packed commands in one go; a reply, or what Redis said against it, for each."""
        writer, read = self._writer, self._parser.read_response
        writer.writelines(commands)
        if writer.transport.get_write_buffer_size():
            await writer.drain()
        return [await read() for _ in commands]


class _Tcp(_Lean, Connection):
    pass


class _Tls(_Lean, SSLConnection):
    pass


class _Unix(_Lean, UnixDomainSocketConnection):
    pass


class _ToPrimary(_Lean, SentinelManagedConnection):
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
        """Makes connections and owns them; all that it has made are in use in its eyes."""
        self._pool, self._sentinels = _pool(address)
        self._closed = False
        self._free: asyncio.LifoQueue[_Lean | None] = asyncio.LifoQueue()
        """Idle connections, above places for further ones."""
        for _ in range(MAX_CONNECTIONS):
            self._free.put_nowait(None)

    async def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """Send packed commands in one go; a reply, or what Redis said against it, for each.

        Raises:
            RedisError: Redis can't be reached, or refuses to serve.
            OSError: As before.
        """
        free = self._free
        connection = await free.get() if free.empty() else free.get_nowait()
        try:
            if connection is not None and not connection.is_silent():
                await self._drop(connection)
                connection = None
            if connection is None:
                connection = await self._make()
            replies = await connection.exchange(commands)
        except BaseException:
            if connection is not None:
                await self._drop(connection)
                connection = None
            raise
        finally:
            free.put_nowait(connection)
        return replies

    async def drop_idle(self) -> None:
        """Have new connections made, which may lead elsewhere."""
        free = self._free
        for connection in [free.get_nowait() for _ in range(free.qsize())]:
            if connection is not None:
                await self._drop(connection)
            free.put_nowait(None)

    async def aclose(self) -> None:
        """Close all connections. Sends nothing; it only waits for the sockets."""
        self._closed = True
        for one in (self._pool, *(each.connection_pool for each in self._sentinels)):
            try:
                await one.disconnect()
            except (exceptions.RedisError, OSError):
                continue

    async def _make(self) -> _Lean:
        if self._closed:
            raise exceptions.ConnectionError("closed")
        made: _Lean = await self._pool.get_connection()
        return made

    async def _drop(self, connection: Any) -> None:
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
