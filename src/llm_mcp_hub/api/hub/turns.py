"""`GET /v1/turns`, `/v1/turns/{id}` and `/v1/turns/{id}/events`: turns and their answers.

For whoever has lost the connection to an answer; and for an administrator to look on at others'.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from litestar import Request, get
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter, QueryParameter
from litestar.types import ASGIApp
from litestar.types import Scope as AsgiScope
from msgspec import Struct

from llm_mcp_hub.api.errors import (
    ErrorObject,
    error_body,
    error_object,
    error_responses,
)
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.api.openai.schemas import ChatCompletion
from llm_mcp_hub.api.openai.wire import ChatForm, whole
from llm_mcp_hub.api.turn_route import FollowedAnswer
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.completion import fold
from llm_mcp_hub.domain.ids import TURN_ID_PATTERN, is_turn_id
from llm_mcp_hub.domain.journal import Journal
from llm_mcp_hub.errors import InvalidRequest, UnknownTurn
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.access import require
from llm_mcp_hub.services.follow import follow, look, lost, revived, unknown_turn

EVENTS_PATH = "/v1/turns/{turn_id:str}/events"
DOCUMENTED_EVENTS_PATH = EVENTS_PATH.replace(":str", "")
LAST_EVENT_HEADER = b"last-event-id"

AnyRequest = Request[None, None, State]
TurnId = Annotated[str, PathParameter(schema_extra={"pattern": TURN_ID_PATTERN})]
"""Whatever has another form is no turn, rather than a wrong request."""

Owner = Annotated[
    str | None,
    QueryParameter(name="owner", description="Of another principal; needs the scope `admin`."),
]


class TurnObject(Struct, frozen=True):
    """A turn: how far it is, and its answer or its error once it has ended."""

    id: str
    status: Literal["running", "done", "failed"]
    model: str
    session_id: str | None
    created_at: float
    completion: ChatCompletion | None = None
    error: ErrorObject | None = None
    object: Literal["turn"] = "turn"


class RunningTurn(Struct, frozen=True):
    """A turn that runs at this hub. `followable`: its events can be had, for it is recorded."""

    id: str
    owner: str
    session_id: str | None
    model: str
    created_at: float
    followable: bool
    object: Literal["running_turn"] = "running_turn"


class RunningTurnList(Struct, frozen=True):
    """The turns that run at this hub, the longest running one first."""

    data: list[RunningTurn]
    object: Literal["list"] = "list"


def turn_handlers(hub: Hub, gate: Gate) -> list[BaseRouteHandler]:
    """The routes for one hub."""

    @get(
        "/v1/turns",
        guards=[guard(gate, Scope.ADMIN)],
        security=SECURITY,
        tags=["turns"],
        responses=error_responses(),
        summary="The turns that run at this hub",
    )
    async def list_turns() -> RunningTurnList:
        return RunningTurnList(
            [
                RunningTurn(
                    id=turn.turn_id,
                    owner=turn.request.principal,
                    session_id=turn.session_id,
                    model=turn.model_id,
                    created_at=turn.created_at,
                    followable=turn.followable,
                )
                for turn in hub.turns()
            ]
        )

    @get(
        "/v1/turns/{turn_id:str}",
        guards=[guard(gate, Scope.CHAT)],
        security=SECURITY,
        tags=["turns"],
        responses=error_responses(404),
        summary="How a turn is doing, and its answer",
    )
    async def get_turn(request: AnyRequest, turn_id: TurnId, owner: Owner = None) -> TurnObject:
        if not is_turn_id(turn_id):
            raise unknown_turn(turn_id)
        principal = _owner(request.scope, owner)
        with _told_why(hub, principal, turn_id):
            return turn_object(await look(hub.journals, principal, turn_id))

    # Not a bare ASGI handler: those of Litestar 2.25 can't have a parameter in their path.
    @get(
        EVENTS_PATH,
        guards=[guard(gate, Scope.CHAT)],
        include_in_schema=False,
        summary="The rest of a streamed answer",
    )
    async def turn_events(
        request: AnyRequest, turn_id: Annotated[str, PathParameter()], owner: Owner = None
    ) -> ASGIApp:
        if not is_turn_id(turn_id):
            raise unknown_turn(turn_id)
        seen = _last_event(request.scope)
        principal = _owner(request.scope, owner)
        watches = principal != caller(request.scope).name
        with _told_why(hub, principal, turn_id):
            turn = await follow(
                hub.journals, principal, turn_id, max(0, seen or 0), watches=watches
            )
        form = ChatForm(include_usage=turn.head.include_usage, seen=seen)
        return FollowedAnswer(turn, form, error_body)

    return [list_turns, get_turn, turn_events]


def turn_object(journal: Journal) -> TurnObject:
    """A turn for the wire."""
    head, end = journal.head, journal.end
    error = None
    if end is not None and end.error is not None:
        error = error_object(revived(end.error))
    elif end is None and journal.alive_until <= time.time():
        error = error_object(lost())
    answer = fold(journal.chunks) if end is not None and error is None else None
    completion = None
    if answer is not None:
        completion = whole(answer, head.turn_id, head.created_at, head.model_id)
    return TurnObject(
        id=head.turn_id,
        status="failed" if error is not None else "running" if end is None else "done",
        model=head.model_id,
        session_id=head.session_id,
        created_at=head.created_at,
        completion=completion,
        error=error,
    )


def _owner(scope: AsgiScope, owner: str | None) -> str:
    principal = caller(scope)
    if owner is not None and owner != principal.name:
        require(principal, Scope.ADMIN)
    return owner or principal.name


@contextmanager
def _told_why(hub: Hub, owner: str, turn_id: str) -> Iterator[None]:
    """Say of a turn that runs here why it can't be followed, rather than that it is unknown."""
    try:
        yield
    except UnknownTurn:
        if any(turn.turn_id == turn_id and turn.request.principal == owner for turn in hub.turns()):
            raise UnknownTurn(
                f"The turn {turn_id!r} runs, but its answer is not recorded: it is not streamed, "
                "or `turns.resume_seconds` is 0. It is in its session once it is complete."
            ) from None
        raise


def _last_event(scope: AsgiScope) -> int | None:
    """The number in `Last-Event-ID`, None without one."""
    for name, value in scope["headers"]:
        if name == LAST_EVENT_HEADER and value.strip():
            if not value.strip().isdigit() or len(value) > 12:
                raise InvalidRequest(
                    "Last-Event-ID is the id of the last event you have: a whole number.",
                    param="Last-Event-ID",
                )
            return int(value)
    return None
