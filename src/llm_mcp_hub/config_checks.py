"""What is well-formed in a configuration, but not safe or not possible: refused with its path."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from llm_mcp_hub.domain.alias import Aliases, problem
from llm_mcp_hub.errors import ConfigError

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HUB_S_OWN = frozenset({"authorization", "cookie", "x-session-id", "idempotency-key", "x-priority"})

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def check_aliases(aliases: Aliases) -> None:
    """Refuse aliases that lead nowhere or in a circle.

    Raises:
        ConfigError: There is one.
    """
    found = problem(aliases)
    if found is not None:
        alias, reason = found
        raise ConfigError(f"aliases.{alias}: {reason}", param=f"aliases.{alias}")


def check_header_names(names: Iterable[str], where: str) -> None:
    """Refuse what is no name of a header, or of one with another meaning.

    Raises:
        ConfigError: There is one.
    """
    for name in names:
        if _HEADER_NAME.fullmatch(name) is None:
            raise ConfigError(f"{where}: {name!r} is not the name of a header", param=where)
        if name.lower() in _HUB_S_OWN:
            raise ConfigError(f"{where}: {name} has a meaning of its own", param=where)


def check_webhook(url: str) -> None:
    """Refuse an address that alerts can't be sent to safely.

    Raises:
        ConfigError: It is so. The message does not repeat it, for it may hold a secret.
    """
    where = "alerts.webhook_url"
    if not url:
        return
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError(f"{where}: is not a URL", param=where) from None
    if not parts.hostname or port == 0 or any(character.isspace() for character in url):
        raise ConfigError(f"{where}: is not a URL with a host", param=where)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise ConfigError(
            f"{where}: must begin with https://; http:// is for 127.0.0.1, ::1 and localhost only",
            param=where,
        )
    if parts.username is not None or parts.password is not None:
        raise ConfigError(f"{where}: has no place for a user and password", param=where)
