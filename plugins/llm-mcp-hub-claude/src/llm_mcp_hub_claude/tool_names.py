"""What the client's tools and calls are called upstream; pure.

Guarantee: what the client named within the vendor's rules keeps its name, behind the prefix that
Claude Code gives to every tool of a server; anything else gets an alias that is always the same,
so a conversation that is replayed names everything as before.
"""

import re
from hashlib import blake2b

from llm_mcp_hub.domain.tool import Tool

SERVER = "client"
"""The hub's name as a server of tools inside Claude Code."""

PREFIX = f"mcp__{SERVER}__"
NAME_LENGTH = 64
"""Longest name upstream, the prefix included: the least that the Messages API has ever taken."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_PARAMETER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_DIGEST_LENGTH = 10


def name_in_server(name: str) -> str:
    """The name under which a tool is listed: the client's own, or an alias of it."""
    longest = NAME_LENGTH - len(PREFIX)
    if _PLAIN.fullmatch(name) and len(name) <= longest:
        return name
    stem = re.sub(r"[^A-Za-z0-9_-]", "_", name)[: longest - _DIGEST_LENGTH - 1]
    return f"{stem}_{_digest(name)}"


def upstream_name(name: str) -> str:
    """The name under which the model sees a tool of the client's."""
    return PREFIX + name_in_server(name)


def upstream_call_id(call_id: str) -> str:
    """The id of a call in a history, which may be another vendor's and against Claude's rules."""
    return call_id if _PLAIN.fullmatch(call_id) else f"toolu_{_digest(call_id)}"


def unnameable(tool: Tool) -> list[str]:
    """Parameters whose names the Messages API does not take; Claude Code leaves such tools out."""
    properties = tool.parameters.get("properties")
    names = properties if isinstance(properties, dict) else {}
    return [name for name in names if not _PARAMETER.fullmatch(name)]


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=_DIGEST_LENGTH // 2).hexdigest()
