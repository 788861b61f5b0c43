"""Who is calling: access tokens and the principals behind them.

Guarantees: a token's secret half is shown once, when it is made, and only its hash is stored;
secrets are compared in constant time; a token that is revoked, or changed, is so at once in this
process and within `CACHE_SECONDS` in every other one on the same state.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterable

from llm_mcp_hub.domain.access import AccessToken, Principal, Scope
from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.domain.limits import LIMIT_NAMES, UNLIMITED, TokenLimits
from llm_mcp_hub.errors import (
    InvalidRequest,
    LastAdminToken,
    NameTaken,
    NotAuthenticated,
    NotPermitted,
    UnknownAccessToken,
)
from llm_mcp_hub.services.token_uses import TokenUses
from llm_mcp_hub.state.base import AccessTokenStore

CACHE_SECONDS = 5.0
CACHE_SIZE = 1024
MAX_LIMIT = 10**12
MAX_EXPIRES_AT = 253_402_300_800  # the year 10,000, which most calendars do not reach
MAX_PER_MINUTE = 10_000
"""The time of every request of the last minute is kept."""
FIRST_TOKEN_NAME = "admin"  # noqa: S105  # a name, not a secret
LOCAL = Principal("local", frozenset(Scope))
"""The caller when access control is off, and of the command line."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
_TOKEN = re.compile(r"hub-([0-9a-f]{12})-([A-Za-z0-9_-]{43})\Z")
_VENDOR_KEYS = ("sk-", "AIza")


class AccessService:
    """Issues, checks and revokes access tokens.

    Args:
        enabled: If not, everyone is `LOCAL`.
    """

    def __init__(
        self, store: AccessTokenStore, *, enabled: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._enabled = enabled
        self._clock = clock
        self._cache: dict[str, tuple[AccessToken, float]] = {}
        self._revocations = 0
        self._uses = TokenUses(store)

    async def authenticate(self, presented: str | None) -> Principal:
        """The principal that a token stands for.

        Raises:
            NotAuthenticated: There is no token, or not one that works.
            StateUnavailable: It can't be looked up.
        """
        if not self._enabled:
            return LOCAL
        if not presented:
            raise NotAuthenticated(
                "Send an access token of this hub: `Authorization: Bearer hub-…`. "
                "Make one with `llm-mcp-hub tokens create NAME`."
            )
        if is_vendor_key(presented):
            raise NotAuthenticated(
                "This looks like a key of an LLM vendor's. The hub takes its own access tokens "
                "only (`hub-…`), never vendors' keys, and has sent it nowhere. Make a token with "
                "`llm-mcp-hub tokens create NAME` and give your client that."
            )
        match = _TOKEN.match(presented)
        token = await self._find(match.group(1)) if match else None
        digest = _hash(match.group(2) if match else presented)
        if token is None or not hmac.compare_digest(token.secret_hash, digest):
            raise NotAuthenticated(
                "This access token is not known here, or was revoked. "
                "Make a new one with `llm-mcp-hub tokens create NAME`."
            )
        now = self._clock()
        if token.expires_at is not None and token.expires_at <= now:
            raise NotAuthenticated(
                f"The access token {token.name!r} has expired. "
                "Make a new one with `llm-mcp-hub tokens create NAME`."
            )
        self._uses.note(token.id, now)
        limits = None if token.limits == UNLIMITED else token.limits
        return Principal(token.name, token.scopes, token.priority, limits, token.id)

    async def create(
        self,
        name: str,
        scopes: Iterable[Scope],
        expires_at: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        limits: TokenLimits = UNLIMITED,
    ) -> tuple[AccessToken, str]:
        """A new access token and, this once, its text.

        Raises:
            InvalidRequest: The name, the scopes, the limits or the end won't do.
            NameTaken: A token of that name exists.
        """
        if not _NAME.match(name):
            raise InvalidRequest(
                "An access token's name is 1 to 64 of A-Z a-z 0-9 . _ - and begins with a letter "
                "or digit.",
                param="name",
            )
        if name == LOCAL.name:
            raise NameTaken(f"{name!r} is the hub's own name for callers without a token.")
        token_id, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
        token = AccessToken(
            id=token_id,
            name=name,
            scopes=frozenset(scopes),
            secret_hash=_hash(secret),
            created_at=self._clock(),
            expires_at=expires_at,
            priority=priority,
            limits=limits,
        )
        _check(token)
        await self._store.add_token(token)
        return token, f"hub-{token_id}-{secret}"

    async def create_first(self) -> str | None:
        """The text of a first admin token, if there is no access token at all yet."""
        if not self._enabled or await self._store.list_tokens():
            return None
        try:
            _, text = await self.create(FIRST_TOKEN_NAME, [Scope.ADMIN])
        except NameTaken:
            return None  # another hub on the same state was first
        return text

    async def list(self) -> tuple[AccessToken, ...]:
        """All access tokens, by name."""
        return await self._store.list_tokens()

    async def uses(self) -> dict[str, float]:
        """When access tokens were used last, by id, in Unix seconds."""
        return await self._store.token_uses()

    async def get(self, token_id: str) -> AccessToken:
        """The access token of that id.

        Raises:
            UnknownAccessToken: There is none.
        """
        token = await self._store.get_token(token_id)
        if token is None:
            raise UnknownAccessToken(f"There is no access token with the id {token_id!r}.")
        return token

    async def named(self, name: str) -> AccessToken:
        """The access token of that name.

        Raises:
            UnknownAccessToken: There is none.
        """
        for token in await self._store.list_tokens():
            if token.name == name:
                return token
        raise UnknownAccessToken(f"There is no access token {name!r}.")

    async def update(self, changed: AccessToken, *, keep_admin: bool = False) -> None:
        """Put an access token in the place of what it was.

        Args:
            changed: The same id and name, and other scopes, limits, priority or end.
            keep_admin: Refuse if no usable token with the scope `admin` would be left.

        Raises:
            InvalidRequest: The scopes, the limits or the end won't do.
            LastAdminToken: See `keep_admin`.
            UnknownAccessToken: It is not there any more.
        """
        _check(changed)
        if keep_admin and not self._may_administer(changed):
            await self._other_admin(changed.id)
        try:
            updated = await self._store.update_token(changed)
        finally:
            self._forget_cached()
        if not updated:
            raise UnknownAccessToken(f"There is no access token {changed.name!r} any more.")

    async def revoke(self, name: str, *, keep_admin: bool = False) -> None:
        """Make an access token worthless.

        Args:
            name: Its name.
            keep_admin: Refuse if no usable token with the scope `admin` would be left.

        Raises:
            UnknownAccessToken: There is none of that name.
            LastAdminToken: See `keep_admin`.
        """
        if keep_admin:
            for token in await self._store.list_tokens():
                if token.name == name and self._may_administer(token):
                    await self._other_admin(token.id)
        try:
            deleted = await self._store.delete_token(name)
        finally:
            self._forget_cached()
        if not deleted:
            raise UnknownAccessToken(f"There is no access token {name!r}.")

    async def aclose(self) -> None:
        """Record what is not recorded yet; bounded."""
        await self._uses.aclose()

    def _may_administer(self, token: AccessToken) -> bool:
        alive = token.expires_at is None or token.expires_at > self._clock()
        return alive and Scope.ADMIN in token.scopes

    async def _other_admin(self, token_id: str) -> None:
        """Refuse unless another token can do what the one of this id could."""
        tokens = await self._store.list_tokens()
        if not any(self._may_administer(token) for token in tokens if token.id != token_id):
            raise LastAdminToken(
                "This is the last access token with the scope `admin`. Make another one first, "
                "or use `llm-mcp-hub tokens`, which needs none."
            )

    def _forget_cached(self) -> None:
        # Also keeps a look-up that runs at this moment from bringing the old token back.
        self._revocations += 1
        self._cache.clear()

    async def _find(self, token_id: str) -> AccessToken | None:
        now = self._clock()
        cached = self._cache.get(token_id)
        # A clock that was set back keeps no revoked token alive.
        if cached is not None and 0 <= now - cached[1] < CACHE_SECONDS:
            return cached[0]
        revocations = self._revocations
        token = await self._store.get_token(token_id)
        if token is not None and revocations != self._revocations:
            return await self._store.get_token(token_id)
        if token is None:
            self._cache.pop(token_id, None)
            return None
        if len(self._cache) >= CACHE_SIZE:
            self._cache.clear()
        self._cache[token_id] = (token, now)
        return token


def is_vendor_key(presented: str) -> bool:
    """Whether a text looks like a key of an LLM vendor's, which nobody means for a hub."""
    return presented.startswith(_VENDOR_KEYS)


def require(principal: Principal, scope: Scope) -> None:
    """Refuse a principal without the scope.

    Raises:
        NotPermitted: It has not.
    """
    if not principal.may(scope):
        raise NotPermitted(
            f"The access token {principal.name!r} lacks the scope `{scope.value}`. "
            f"Make one that has it: `llm-mcp-hub tokens create NAME --scope {scope.value}`."
        )


def _check(token: AccessToken) -> None:
    """Refuse what no access token should be."""
    if not token.scopes:
        raise InvalidRequest("An access token needs at least one scope.", param="scopes")
    if token.expires_at is not None and not token.created_at < token.expires_at < MAX_EXPIRES_AT:
        raise InvalidRequest(
            "An access token's end is a time, in Unix seconds, after it was made and before the "
            "year 10,000.",
            param="expires_at",
        )
    for name in LIMIT_NAMES:
        limit = getattr(token.limits, name)
        most = MAX_PER_MINUTE if name == "requests_per_minute" else MAX_LIMIT
        if limit is not None and not 1 <= limit <= most:
            raise InvalidRequest(f"`{name}` is 1 to {most}, or nothing.", param=f"limits.{name}")


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
