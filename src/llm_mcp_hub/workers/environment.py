"""The environment of a child process: built from an allow-list, never inherited.

Guarantee: a variable reaches a child only if it is named here or set by the worker spec; a variable
that could make a vendor's tool bill an API key is refused by name; what a child asks of this
machine goes through no proxy.
"""

import re
from collections.abc import Iterable, Mapping

from llm_mcp_hub.errors import ConfigError

INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
)
"""Taken over from the hub's own environment: how to find programs, speak, and reach the net."""

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")
NO_PROXIES = ("NO_PROXY", "no_proxy")
LOOPBACK = "127.0.0.1"

FORBIDDEN_MARKS = (
    "API_KEY",
    "APIKEY",
    "AUTH_TOKEN",
    "BEARER_TOKEN",
    "ACCESS_KEY",
    "SECRET",
    "CREDENTIALS",
    "PASSWORD",
    "USE_BEDROCK",
    "USE_VERTEX",
    "USE_FOUNDRY",
)
"""A name that contains one of these belongs to billing by key or by cloud, or holds a secret."""


def is_forbidden(name: str) -> bool:
    """Whether a child may never be given the variable `name`."""
    upper = name.upper()
    return any(mark in upper for mark in FORBIDDEN_MARKS)


def refuse_forbidden(names: Iterable[str], where: str) -> None:
    """Check the names that a configuration wants to set.

    Args:
        names: The variables.
        where: Path of the setting, for the message.

    Raises:
        ConfigError: One of them is forbidden.
    """
    for name in names:
        if is_forbidden(name):
            raise ConfigError(
                f"{where}.{name}: the hub works with subscriptions only and never passes an API "
                "key or a secret to a tool; remove this variable and log the tool in instead",
                param=f"{where}.{name}",
            )


def child_environment(parent: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of a child: the allowed part of `parent`, then `extra`."""
    allowed = {name: parent[name] for name in INHERITED if name in parent}
    allowed.setdefault("LANG", "C.UTF-8")
    return _past_proxies({**allowed, **extra})


def _past_proxies(environment: dict[str, str]) -> dict[str, str]:
    """With the hub's own loopback servers, and their secrets, kept from any proxy."""
    if not any(environment.get(name) for name in PROXIES):
        return environment
    told = next((environment[name] for name in NO_PROXIES if environment.get(name)), "")
    hosts = [host for host in re.split(r"[,\s]+", told) if host]
    if "*" not in hosts and LOOPBACK not in hosts:
        hosts.append(LOOPBACK)
    return {**environment, **dict.fromkeys(NO_PROXIES, ",".join(hosts))}
