"""Sockets for the address that the hub is to serve on."""

import errno
import socket

from llm_mcp_hub.config import ServerConfig
from llm_mcp_hub.errors import ConfigError

ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""A name such as `localhost` may have addresses that this machine does not."""


def bind(server: ServerConfig) -> list[socket.socket]:
    """Sockets bound to the host and port, one for each address of the host; not listening yet.

    Raises:
        ConfigError: The port is taken, or the host is not of this machine.
    """
    port = server.port
    sockets: list[socket.socket] = []
    for family, kind, protocol, _, address in _addresses(server.host, port):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address[0], port, *address[2:]))
        except OSError as error:
            sock.close()
            if error.errno in ABSENT:
                continue
            for bound in sockets:
                bound.close()
            raise _refusal(server, error.strerror) from None
        sockets.append(sock)
        port = sock.getsockname()[1]
    if not sockets:
        raise _refusal(server, "this machine has no such address")
    return sockets


def _refusal(server: ServerConfig, reason: str | None) -> ConfigError:
    return ConfigError(
        f"The hub can't listen on {server.host} port {server.port}: {reason}. Choose another "
        "port with --port, 0 for any free one, or another --host.",
        param="server.port",
    )


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise ConfigError(
            f"server.host: {host!r} is not an address of this machine: {error.strerror}",
            param="server.host",
        ) from None
    return [(family, kind, protocol, name, tuple(at)) for family, kind, protocol, name, at in found]
