"""What other clients call a session: headers of theirs whose value names a conversation; pure.

Open WebUI sends `X-OpenWebUI-Chat-Id` if it is told to forward such headers, and LibreChat any
header with `{{LIBRECHAT_BODY_CONVERSATIONID}}` in it. A person can't change such a value, so what
can't be a session id becomes one, and what names nothing is no hint.
"""

from collections.abc import Iterable
from hashlib import blake2b

from litestar.types import Scope

from llm_mcp_hub.config import SessionsConfig
from llm_mcp_hub.domain.ids import is_session_id

_NOTHING = frozenset({"", "none", "new", "null", "undefined"})
"""What clients send of a conversation that has no id yet."""


class SessionHints:
    """Reads the headers that a hub is configured to know."""

    def __init__(self, config: SessionsConfig) -> None:
        self._ids = _names(config.id_headers)
        self._tasks = _names(config.task_headers)
        self._all = frozenset({*self._ids, *self._tasks})

    def read(self, scope: Scope) -> tuple[str | None, bool]:
        """The session that a request hints at, and whether it is a task beside its conversation."""
        found = {name: value for name, value in scope["headers"] if name in self._all}
        if not found:
            return None, False
        ids = (hinted_id(found[name]) for name in self._ids if name in found)
        session_id = next((one for one in ids if one is not None), None)
        return session_id, any(_says_something(found.get(name, b"")) for name in self._tasks)


def hinted_id(raw: bytes) -> str | None:
    """The session id in a header's value; None if it names nothing."""
    if not _says_something(raw):
        return None
    value = raw.decode("latin-1").strip()
    if is_session_id(value):
        return value
    return f"hint-{blake2b(value.encode(), digest_size=16).hexdigest()}"


def _says_something(raw: bytes) -> bool:
    value = raw.decode("latin-1").strip()
    # A placeholder that was left in says nothing.
    return value.lower() not in _NOTHING and not ("{{" in value and "}}" in value)


def _names(headers: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(name.lower().encode("latin-1") for name in headers)
