"""Who may call the hub."""

from enum import StrEnum

from msgspec import Struct

from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.domain.limits import UNLIMITED, TokenLimits


class Scope(StrEnum):
    """What an access token allows. `admin` includes the others."""

    CHAT = "chat"
    SESSIONS = "sessions"
    ADMIN = "admin"


class Principal(Struct, frozen=True):
    """The caller: everything the hub remembers belongs to one.

    Attributes:
        priority: The best that its requests can have.
        limits: What it may take; None if there is no limit at all.
        token_id: Of the access token it came with; None if it needs none.
    """

    name: str
    scopes: frozenset[Scope]
    priority: Priority = Priority.INTERACTIVE
    limits: TokenLimits | None = None
    token_id: str | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the principal has the scope, itself or through `admin`."""
        return scope in self.scopes or Scope.ADMIN in self.scopes


class AccessToken(Struct, frozen=True):
    """The hub's own credential for a caller, as it is stored: without the secret.

    Attributes:
        id: Public half of the token, by which it is found.
        name: Unique; also the name of the principal.
        secret_hash: SHA-256 of the secret half, hexadecimal.
        created_at: Unix seconds.
        expires_at: Unix seconds, or None for never.
        priority: The best that requests with it can have.
        limits: What it may be used for.
    """

    id: str
    name: str
    scopes: frozenset[Scope]
    secret_hash: str
    created_at: float
    expires_at: float | None = None
    priority: Priority = Priority.INTERACTIVE
    limits: TokenLimits = UNLIMITED
