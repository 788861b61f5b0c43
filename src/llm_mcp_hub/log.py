"""Structured logs, for people on a terminal and as JSON for machines.

Guarantee: no access token, vendor token, or other value under a secret's name is written, even
inside a longer text. Logs go to standard error; standard output belongs to the caller.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any, Literal, TextIO

import msgspec
import structlog

from llm_mcp_hub.config import LogConfig

REDACTED = "[redacted]"
_SECRET_KEYS = re.compile(
    r"token(?!s)|secret|password|authorization|cookie|api[_-]?key", re.IGNORECASE
)
_SECRET_TEXT = re.compile(
    r"hub-[0-9a-f]{12}-[A-Za-z0-9_-]+|sk-ant-[A-Za-z0-9_-]+|AIza[A-Za-z0-9_-]+|ya29\.[A-Za-z0-9_-]+"
    r"|(?<=[Bb]earer )\S+|(?<=://)[^/@\s]+@"
)
_MARKS = ("hub-", "sk-ant-", "AIza", "ya29.", "earer ", "@")
"""Every match of `_SECRET_TEXT` has one of these; looking for them first is far faster."""
_FLAT = frozenset({type(None), bool, int, float, str})


def redact_text(text: str) -> str:
    """The text without anything that looks like a token or a URL's password."""
    if not _is_marked(text):
        return text
    return _SECRET_TEXT.sub(REDACTED, text)


def redact(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor: hide secrets by their name and by their look."""
    if _is_plainly_clean(event):
        return event
    for key, value in event.items():
        # A leading underscore marks what structlog keeps for itself until the line is written.
        if not key.startswith("_"):
            event[key] = _redacted(key, value)
    return event


def _is_plainly_clean(event: Mapping[str, Any]) -> bool:
    """Whether one look is enough: the event is flat, and nothing in it can be a secret."""
    values = event.values()
    if not _FLAT.issuperset(map(type, values)):
        return False
    texts = [value for value in values if type(value) is str]
    return not _is_marked("\n".join(texts)) and not _has_secret(tuple(event))


def _is_marked(text: str) -> bool:
    # Half of what a regular expression takes, and less than `any` with a generator.
    for mark in _MARKS:  # noqa: SIM110
        if mark in text:
            return True
    return False


@lru_cache(maxsize=512)
def _has_secret(keys: tuple[str, ...]) -> bool:
    return any(map(_is_secret, keys))


@lru_cache(maxsize=512)
def _is_secret(key: str) -> bool:
    return _SECRET_KEYS.search(key) is not None


def _redacted(key: str, value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if _is_secret(key):
        return REDACTED
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(inner): _redacted(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted("", item) for item in value]
    return redact_text(repr(value))


def configure_logging(config: LogConfig, stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging, for a process that is the hub.

    An application that embeds the hub sets up its own logging and does not call this.
    """
    out = stream or sys.stderr
    level = logging.getLevelNamesMapping()[config.level.upper()]
    format_ = _format(config.format, out)
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer: structlog.typing.Processor
    if format_ == "json":
        renderer = structlog.processors.JSONRenderer(serializer=_to_json)
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)


def _format(wanted: Literal["auto", "console", "json"], out: TextIO) -> Literal["console", "json"]:
    if wanted == "auto":
        return "console" if out.isatty() else "json"
    return wanted


def _to_json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
