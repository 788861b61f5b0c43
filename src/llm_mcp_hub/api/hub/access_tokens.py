"""`/v1/access-tokens`: making, changing and revoking the hub's own access tokens; who am I."""

from typing import Annotated, Literal

import msgspec
from litestar import Request, delete, get, patch, post
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody, PathParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.domain.access import AccessToken, Scope
from llm_mcp_hub.domain.chat import Priority
from llm_mcp_hub.domain.limits import TokenLimits
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.access import MAX_LIMIT, MAX_PER_MINUTE

AnyRequest = Request[None, None, State]
TokenId = Annotated[str, PathParameter(pattern="^[0-9a-f]{12}$")]
Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT)]
Time = Annotated[float, Meta(ge=0)]
DEFAULT_SCOPES = frozenset({Scope.CHAT, Scope.SESSIONS})


class LimitsObject(Struct, frozen=True, forbid_unknown_fields=True):
    """What an access token may be used for; null is no limit."""

    requests_per_minute: Annotated[int, Meta(ge=1, le=MAX_PER_MINUTE)] | None = None
    requests_per_day: Limit | None = None
    tokens_per_day: Limit | None = None
    concurrent_turns: Limit | None = None


class AccessTokenObject(Struct, frozen=True, kw_only=True):
    """An access token without its secret. Times are Unix seconds."""

    id: str
    name: str
    scopes: list[Scope]
    priority: Priority
    limits: LimitsObject
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    object: Literal["access_token"] = "access_token"


class NewAccessToken(AccessTokenObject, frozen=True, kw_only=True):
    """A new access token with, this once, its text: `token`."""

    token: str


class AccessTokenList(Struct, frozen=True):
    """All access tokens, by name."""

    data: list[AccessTokenObject]
    object: Literal["list"] = "list"


class CallerObject(Struct, frozen=True, kw_only=True):
    """Who calls, and what they may do. `id` is null if access control is off."""

    id: str | None
    name: str
    scopes: list[Scope]
    priority: Priority
    limits: LimitsObject
    expires_at: float | None
    object: Literal["caller"] = "caller"


class CreateAccessToken(Struct, frozen=True, forbid_unknown_fields=True):
    """The access token to make. The name becomes the principal."""

    name: Annotated[str, Meta(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    scopes: Annotated[frozenset[Scope], Meta(min_length=1)] = DEFAULT_SCOPES
    priority: Priority = Priority.INTERACTIVE
    limits: LimitsObject = LimitsObject()
    expires_at: Time | None = None


class UpdateAccessToken(Struct, frozen=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. `limits` are all replaced at once."""

    scopes: Annotated[frozenset[Scope], Meta(min_length=1)] | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    limits: LimitsObject | UnsetType = UNSET
    expires_at: Time | UnsetType | None = UNSET


def access_token_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub."""
    admin = [guard(gate, Scope.ADMIN)]

    @get(
        "/v1/access-tokens",
        guards=admin,
        security=SECURITY,
        tags=["access tokens"],
        responses=error_responses(),
        summary="List the access tokens, without their secrets",
    )
    async def list_access_tokens() -> AccessTokenList:
        uses = await hub.access.uses()
        return AccessTokenList([_object(one, uses.get(one.id)) for one in await hub.access.list()])

    @post(
        "/v1/access-tokens",
        guards=admin,
        security=SECURITY,
        tags=["access tokens"],
        responses=error_responses(409, 413, 415),
        summary="Make an access token; the answer has its text, this once",
    )
    async def create_access_token(data: JSONBody[CreateAccessToken]) -> NewAccessToken:
        token, text = await hub.access.create(
            data.name, data.scopes, data.expires_at, data.priority, _limits(data.limits)
        )
        return NewAccessToken(token=text, **msgspec.structs.asdict(_object(token, None)))

    @get(
        "/v1/access-tokens/current",
        guards=[guard(gate)],
        security=SECURITY,
        tags=["access tokens"],
        responses=error_responses(404),
        summary="Who calls, and what they may do",
    )
    async def get_current_access_token(request: AnyRequest) -> CallerObject:
        principal = caller(request.scope)
        token_id = principal.token_id
        token = None if token_id is None else await hub.access.get(token_id)
        return CallerObject(
            id=token_id,
            name=principal.name,
            scopes=_scopes(principal.scopes),
            priority=principal.priority,
            limits=_limits_object(principal.limits or TokenLimits()),
            expires_at=None if token is None else token.expires_at,
        )

    @patch(
        "/v1/access-tokens/{token_id:str}",
        guards=admin,
        security=SECURITY,
        tags=["access tokens"],
        responses=error_responses(404, 409, 413, 415),
        summary="Change what an access token allows",
    )
    async def update_access_token(
        token_id: TokenId, data: JSONBody[UpdateAccessToken]
    ) -> AccessTokenObject:
        token = await hub.access.get(token_id)
        changes = {
            name: value
            for name, value in msgspec.structs.asdict(data).items()
            if value is not UNSET
        }
        if isinstance(data.limits, LimitsObject):
            changes["limits"] = _limits(data.limits)
        changed = msgspec.structs.replace(token, **changes)
        await hub.access.update(changed, keep_admin=True)
        return _object(changed, (await hub.access.uses()).get(token_id))

    @delete(
        "/v1/access-tokens/{token_id:str}",
        guards=admin,
        security=SECURITY,
        tags=["access tokens"],
        responses=error_responses(404, 409),
        summary="Revoke an access token",
    )
    async def revoke_access_token(token_id: TokenId) -> None:
        token = await hub.access.get(token_id)
        await hub.access.revoke(token.name, keep_admin=True)

    return [
        list_access_tokens,
        create_access_token,
        get_current_access_token,
        update_access_token,
        revoke_access_token,
    ]


def _object(token: AccessToken, used_at: float | None) -> AccessTokenObject:
    return AccessTokenObject(
        id=token.id,
        name=token.name,
        scopes=_scopes(token.scopes),
        priority=token.priority,
        limits=_limits_object(token.limits),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=used_at,
    )


def _scopes(scopes: frozenset[Scope]) -> list[Scope]:
    return [scope for scope in Scope if scope in scopes]


def _limits_object(limits: TokenLimits) -> LimitsObject:
    return LimitsObject(**msgspec.structs.asdict(limits))


def _limits(limits: LimitsObject) -> TokenLimits:
    return TokenLimits(**msgspec.structs.asdict(limits))
