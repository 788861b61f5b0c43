"""The configuration in effect: without secrets, and with where each value comes from.

Guarantee: passwords in URLs, the path of a webhook, whatever looks or is named like a secret, and,
in `effective`, every value that is given to child processes, are not shown.
"""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from llm_mcp_hub.config import HubConfig
from llm_mcp_hub.config_sources import Sources
from llm_mcp_hub.log import REDACTED, redact

DEFAULT = "default"
PROGRAM = "program"
"""Origin of what neither the file nor the environment nor the command line says."""

_IN_QUERY = re.compile(r"(?<=[?&])((?:password|secret|token)[^=&#]*=)[^&#]+", re.IGNORECASE)


class Setting(Struct, frozen=True):
    """One setting.

    Attributes:
        path: As in `server.port`.
        value: Its value, or what is shown in place of a secret.
        origin: `default`, `file`, `environment`, `command line`, or `program` if the application
            that embeds the hub has set it.
    """

    path: str
    value: Any
    origin: str


def effective(config: HubConfig, sources: Sources) -> list[Setting]:
    """Every setting that is in effect."""
    defaults = dict(flat(msgspec.to_builtins(HubConfig())))
    real = dict(flat(msgspec.to_builtins(config)))
    shown = flat(hidden(msgspec.to_builtins(config)))
    return [
        Setting(
            path,
            REDACTED if ".environment." in path else value,
            sources.origins.get(path) or (DEFAULT if defaults.get(path) == real[path] else PROGRAM),
        )
        for path, value in shown
    ]


def hidden(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without secrets."""
    return {
        key: hidden(value) if isinstance(value, dict) else _hide(key, value)
        for key, value in settings.items()
    }


def flat(settings: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by path."""
    for key, value in settings.items():
        path = f"{prefix}{key}"
        if isinstance(value, dict) and value:
            yield from flat(value, f"{path}.")
        else:
            yield path, value


def _hide(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_hide(key, item) for item in value]
    if isinstance(value, dict):
        return hidden(value)
    if key == "webhook_url" and value:
        # Whoever knows all of such an address may use it.
        parts = urlsplit(str(value))
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{REDACTED}"
    text = redact(None, "", {key: str(value)})[key] if value else ""
    return _IN_QUERY.sub(rf"\1{REDACTED}", str(text))
