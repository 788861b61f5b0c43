"""`GET /v1/sessions`, `GET` and `DELETE /v1/sessions/{id}`."""

from typing import Annotated, Literal

from litestar import Request, delete, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.api.hub.schemas import SessionDetail, SessionList, session_detail, session_object
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.ids import SESSION_ID_PATTERN
from llm_mcp_hub.domain.session import Listing, SessionSort, search_words
from llm_mcp_hub.hub import Hub

AnyRequest = Request[None, None, State]
SessionId = Annotated[str, PathParameter(pattern=SESSION_ID_PATTERN)]
Owner = Annotated[
    str | None,
    QueryParameter(
        name="owner", description="Another principal's sessions; needs the scope `admin`."
    ),
]


def session_handlers(hub: Hub, gate: Gate) -> list[HTTPRouteHandler]:
    """The routes for one hub."""
    guards = [guard(gate, Scope.SESSIONS)]

    @get(
        "/v1/sessions",
        guards=guards,
        security=SECURITY,
        tags=["sessions"],
        responses=error_responses(),
        summary="List and find sessions",
    )
    async def list_sessions(
        request: AnyRequest,
        owner: Owner = None,
        limit: Annotated[int, QueryParameter(name="limit", ge=1, le=200)] = 50,
        cursor: Annotated[str | None, QueryParameter(name="cursor")] = None,
        all: Annotated[  # noqa: A002  # errors name a parameter by its name here
            bool | None,
            QueryParameter(
                name="all",
                description="Everybody's, which needs the scope `admin` and is what that gets "
                "unless it names an owner or says `false`.",
            ),
        ] = None,
        q: Annotated[
            str,
            QueryParameter(
                name="q",
                max_length=200,
                description="Words that are all in the id, the owner, the model or the title.",
            ),
        ] = "",
        sort: Annotated[SessionSort, QueryParameter(name="sort")] = SessionSort.LAST_USED,
        order: Annotated[Literal["asc", "desc"], QueryParameter(name="order")] = "desc",
    ) -> SessionList:
        principal = caller(request.scope)
        everybody = owner is None and principal.may(Scope.ADMIN) if all is None else all
        listing = Listing(sort, order == "asc", search_words(q))
        page = await hub.sessions.list(
            principal, owner, limit, cursor, everybody=everybody, listing=listing
        )
        turns = await hub.sessions.turns_on([(one.principal, one.id) for one in page.sessions])
        return SessionList([*map(session_object, page.sessions, turns)], page.next_cursor)

    @get(
        "/v1/sessions/{session_id:str}",
        guards=guards,
        security=SECURITY,
        tags=["sessions"],
        responses=error_responses(404),
        summary="Read a session",
    )
    async def get_session(
        request: AnyRequest, session_id: SessionId, owner: Owner = None
    ) -> SessionDetail:
        principal = caller(request.scope)
        session = await hub.sessions.get(principal, owner, session_id)
        (turn,) = await hub.sessions.turns_on([(owner or principal.name, session_id)])
        return session_detail(session, turn)

    @delete(
        "/v1/sessions/{session_id:str}",
        guards=guards,
        security=SECURITY,
        tags=["sessions"],
        responses=error_responses(404),
        summary="Forget a session, and interrupt what runs on it",
    )
    async def delete_session(
        request: AnyRequest, session_id: SessionId, owner: Owner = None
    ) -> None:
        await hub.sessions.delete(caller(request.scope), owner, session_id)

    return [list_sessions, get_session, delete_session]
