"""`GET /v1/sessions`, `GET` and `DELETE /v1/sessions/{id}`."""

from typing import Annotated

from litestar import Request, delete, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import PathParameter, QueryParameter

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.api.hub.schemas import SessionDetail, SessionList, session_detail, session_object
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.ids import SESSION_ID_PATTERN
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
        summary="List sessions, newest first",
    )
    async def list_sessions(
        request: AnyRequest,
        owner: Owner = None,
        limit: Annotated[int, QueryParameter(name="limit", ge=1, le=200)] = 50,
        cursor: Annotated[str | None, QueryParameter(name="cursor")] = None,
        everybody: Annotated[
            bool, QueryParameter(name="all", description="Everybody's; needs the scope `admin`.")
        ] = False,
    ) -> SessionList:
        page = await hub.sessions.list(
            caller(request.scope), owner, limit, cursor, everybody=everybody
        )
        return SessionList([session_object(one) for one in page.sessions], page.next_cursor)

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
        return session_detail(await hub.sessions.get(caller(request.scope), owner, session_id))

    @delete(
        "/v1/sessions/{session_id:str}",
        guards=guards,
        security=SECURITY,
        tags=["sessions"],
        responses=error_responses(404),
        summary="Forget a session",
    )
    async def delete_session(
        request: AnyRequest, session_id: SessionId, owner: Owner = None
    ) -> None:
        await hub.sessions.delete(caller(request.scope), owner, session_id)

    return [list_sessions, get_session, delete_session]
