"""What is well-formed in a configuration, but not safe or not possible: refused with its path."""

from urllib.parse import urlsplit

from llm_mcp_hub.domain.alias import Aliases, problem
from llm_mcp_hub.errors import ConfigError

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
