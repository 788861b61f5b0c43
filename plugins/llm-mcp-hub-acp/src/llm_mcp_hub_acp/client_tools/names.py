"""The names of the client's tools on the way to a model and back; pure.

Guarantee: every name that reaches an agent is one that agents and vendors take unchanged, so none
of them makes another one of it; the same name always becomes the same alias, in a history as well.

An agent puts its own prefix before the name of an MCP tool: `mcp_client_` with the Gemini CLI,
which cuts what is then longer than 63 characters and replaces what Google does not take (0.61.0).
"""

import re
from hashlib import blake2b

SERVER = "client"
"""What the agent is told the server is called. A prefix may be made of it."""

LENGTH = 52
TAKEN = frozenset({"ask_user"})
"""The Gemini CLI leaves out a tool of that name, wherever it comes from (0.61.0)."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_ELSE = re.compile(r"[^A-Za-z0-9_-]+")


def alias(name: str) -> str:
    """The name itself if it will do; otherwise what is left of it, and a digest of the whole."""
    if len(name) <= LENGTH and _PLAIN.fullmatch(name) and name not in TAKEN:
        return name
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    return f"{_ELSE.sub('_', name)[: LENGTH - len(digest) - 1]}_{digest}"
