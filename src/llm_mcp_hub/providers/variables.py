"""Which environment variables a configuration may give to a vendor's tool.

Guarantee: none that could hold a key or change who is paid passes, and none that sends a login to
another host than the vendor's; what is refused is named with its path in the configuration.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct

from llm_mcp_hub.errors import ConfigError
from llm_mcp_hub.workers.environment import refuse_forbidden


class VariableRules(Struct, frozen=True):
    """What is particular about one tool. Names are in capitals.

    Attributes:
        login: What the tool is to be paid with, such as `a Claude subscription`.
        own: Variables that the hub decides about.
        elsewhere: Beginnings of names that lead to another back end or login.
        elsewhere_marks: The same for parts of names.
        addresses: Parts of names that hold an address: only a loopback one is allowed.
    """

    login: str
    own: frozenset[str] = frozenset()
    elsewhere: tuple[str, ...] = ()
    elsewhere_marks: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ("BASE_URL", "ENDPOINT")


OWN = frozenset({"HOME", "PATH", "TMPDIR"})
"""The hub decides about these for every tool."""


def check_variables(environment: Mapping[str, str], where: str, rules: VariableRules) -> None:
    """Refuse variables that could change who pays, or that the hub sets itself.

    Raises:
        ConfigError: With the path of the variable at fault.
    """
    refuse_forbidden(environment, where)
    for name, value in environment.items():
        upper = name.upper()
        path = f"{where}.{name}"
        if upper in OWN or upper in rules.own:
            raise ConfigError(f"{path}: the hub sets this variable itself", param=path)
        marked = any(mark in upper for mark in rules.elsewhere_marks)
        if marked or (rules.elsewhere and upper.startswith(rules.elsewhere)):
            raise ConfigError(
                f"{path}: the hub works with {rules.login} only; this variable leads to "
                "another back end or login. Remove it",
                param=path,
            )
        if any(mark in upper for mark in rules.addresses) and not is_loopback(value):
            raise ConfigError(
                f"{path}: only a loopback address is allowed here; the login must go to the "
                "vendor and nowhere else",
                param=path,
            )


def is_loopback(url: str) -> bool:
    """Whether a URL's host is `localhost` or a literal loopback address."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
