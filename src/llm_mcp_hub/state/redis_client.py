"""The client of Redis: bounded in time, silent about where and who, back by itself.

No call takes longer than its deadline or is sent twice: a script that may have run is not run
again. A script that the server does not know (it restarted, or somebody flushed them) is sent
whole. Connections that broke are replaced by the next call (see `redis_connections`).
"""

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis import exceptions

from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.redis_connections import RedisConnections
from llm_mcp_hub.state.redis_together import Together
from llm_mcp_hub.state.redis_url import RedisAddress
from llm_mcp_hub.within import within

OPERATION_SECONDS = 3.0
"""For a call as a whole, connecting and waiting for a connection included."""
CLOSE_SECONDS = 2.0
"""Closing sends nothing; it only waits for the sockets."""
MAX_SHARED = 2
"""What has more commands shares its round trip with no other call: it would have that wait."""

Value = str | bytes | int | float
Command = tuple[Value, ...]

# In C; the library's own packing costs more than everything else of a call.
_pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub has a tuple of one


class Script:
    """A Lua script and the digest by which the server knows it."""

    def __init__(self, text: str) -> None:
        self.text = text
        # Redis names scripts so; nothing is protected by it.
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def known(self, keys: Sequence[str], args: Sequence[Value]) -> Command:
        """The command that runs it where it has been run before."""
        return ("EVALSHA", self.sha, len(keys), *keys, *args)

    def whole(self, keys: Sequence[str], args: Sequence[Value]) -> Command:
        """The command that runs it anywhere."""
        return ("EVAL", self.text, len(keys), *keys, *args)


class ScriptCall:
    """A script with its keys and arguments."""

    def __init__(self, script: Script, keys: Sequence[str], args: Sequence[Value]) -> None:
        self.known = script.known(keys, args)
        self._rest = (script, keys, args)

    def whole(self) -> Command:
        """For a server that does not know the script."""
        script, keys, args = self._rest
        return script.whole(keys, args)


class RedisClient:
    """Runs commands and scripts on one Redis.

    Args:
        deadline: Seconds a call may take.
    """

    def __init__(self, address: RedisAddress, *, deadline: float = OPERATION_SECONDS) -> None:
        self._connections = RedisConnections(address)
        self._deadline = deadline
        self._together = Together(self._run)
        self._closed = False

    async def call(self, script: Script, keys: Sequence[str], *args: Value) -> Any:
        """Run one script, in one round trip."""
        (result,) = await self._together.call((ScriptCall(script, keys, args),))
        if isinstance(result, Exception):
            raise unavailable(result)
        return result

    async def pipeline(self, *commands: Command | ScriptCall) -> list[Any]:
        """Run commands and scripts in order, in one round trip; each is a step of its own.

        A short one may share its round trip with others.

        Raises:
            StateUnavailable: Redis can't be reached, refuses, or does not answer in time.
        """
        send = self._run if len(commands) > MAX_SHARED else self._together.call
        results = await send(commands)
        # Only now, so that one command that fails keeps no other from being run.
        for result in results:
            if isinstance(result, Exception):
                raise unavailable(result)
        return results

    async def aclose(self) -> None:
        """Close all connections."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._connections.aclose()
        await self._together.aclose()

    async def _run(self, commands: Sequence[Command | ScriptCall]) -> list[Any]:
        """A result, or an exception, for each, within the deadline."""
        if self._closed:
            raise StateUnavailable("The state store is closed; the hub is stopping")
        try:
            with within(self._deadline):
                results = await self._connections.exchange(
                    [
                        _pack(each.known if isinstance(each, ScriptCall) else each)
                        for each in commands
                    ]
                )
                for index, result in enumerate(results):
                    if isinstance(result, exceptions.ResponseError):
                        results[index] = await self._again(commands[index], result)
        except (exceptions.RedisError, OSError) as error:
            raise unavailable(error) from None
        return results

    async def _again(self, command: Command | ScriptCall, error: exceptions.ResponseError) -> Any:
        """What Redis says in the end to a command against which it has said something."""
        if isinstance(error, exceptions.NoScriptError) and isinstance(command, ScriptCall):
            (result,) = await self._connections.exchange([_pack(command.whole())])
            return result
        if isinstance(error, exceptions.ReadOnlyError):
            # What was the primary is a replica now; only a new connection finds the new one.
            await self._connections.drop_idle()
        return error


def pairs_of(reply: Sequence[Any]) -> list[tuple[bytes, Any]]:
    """What a reply of names with values has."""
    return list(zip(reply[::2], reply[1::2], strict=True))


_CERTIFICATE = (
    "shows a certificate that is not trusted here, or is another host's; name the file of its "
    "authority in the environment variable SSL_CERT_FILE, or the host as the certificate does"
)
_LOGIN = "refuses the hub's login; check user, password and rights behind the `state` URL"

# From the particular to the general: the library derives most of these from each other.
_MEANINGS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((exceptions.BusyLoadingError,), "is loading its data; try again in a moment"),
    ((exceptions.AuthenticationError, exceptions.NoPermissionError), _LOGIN),
    (
        (exceptions.AskError,),
        "is one node of a cluster and keeps these keys on another; point `state` at its proxy",
    ),
    ((exceptions.ReadOnlyError,), "is a read-only replica; point `state` at the primary"),
    ((exceptions.OutOfMemoryError,), "is out of memory; raise its `maxmemory`"),
    (
        (exceptions.TimeoutError, TimeoutError),
        "did not answer in time; check its load and the network",
    ),
    (
        (exceptions.ConnectionError, OSError),
        "can't be reached; check that it runs and that `state` names it",
    ),
    ((Exception,), "refused a command; the log has its words, and 6.2 is the oldest that will do"),
)


def unavailable(error: Exception) -> StateUnavailable:
    """What a failure of Redis means for whoever runs the hub. Names no host and no user."""
    meaning = next(text for kinds, text in _MEANINGS if isinstance(error, kinds))
    if isinstance(error.__context__, ssl.SSLCertVerificationError):
        meaning = _CERTIFICATE
    if "unauthenticated" in str(error):
        # Redis says so, and nothing else, to a stranger whose command is long.
        meaning = _LOGIN
    return StateUnavailable(
        f"The Redis that keeps the state {meaning}", detail=f"{type(error).__name__}: {error}"
    )
