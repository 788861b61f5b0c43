"""`/v1/responses/{id}` and what is below it: answers that are kept, looked at, followed, ended."""

from contextlib import suppress
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, delete, get, post
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter, QueryParameter
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from llm_mcp_hub.api.errors import error_responses
from llm_mcp_hub.api.gate import SECURITY, Gate, caller, guard
from llm_mcp_hub.api.responses import kept
from llm_mcp_hub.api.responses.maker import error_body
from llm_mcp_hub.api.responses.objects import DeletedResponse, ResponseItemList, ResponseObject
from llm_mcp_hub.api.responses.wire import ResponseForm
from llm_mcp_hub.api.turn_route import FollowedAnswer
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.journal import Journal
from llm_mcp_hub.errors import Conflict, InvalidRequest, UnknownResponse
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.within import within

ONE_PATH = "/v1/responses/{response_id:str}"
DOCUMENTED_PATH = ONE_PATH.replace(":str", "")
MAX_ITEMS = 100
CANCEL_SECONDS = 10.0
"""How long a turn that is cancelled may take to end."""

AnyRequest = Request[None, None, State]
ResponseId = Annotated[str, PathParameter(description="`id` of the response")]


def response_handlers(hub: Hub, gate: Gate) -> list[BaseRouteHandler]:
    """The routes for one hub."""

    async def found(request: AnyRequest, response_id: str) -> Journal:
        return await kept.find(hub.kept_turns, caller(request.scope).name, response_id)

    @get(
        ONE_PATH,
        guards=[guard(gate, Scope.CHAT)],
        include_in_schema=False,
        summary="A response",
    )
    async def get_response(
        request: AnyRequest,
        response_id: ResponseId,
        stream: Annotated[bool, QueryParameter()] = False,
        starting_after: Annotated[int | None, QueryParameter(ge=0)] = None,
    ) -> ASGIApp:
        journal = await found(request, response_id)
        if not stream:
            return _json(kept.shown(journal))
        turn = await hub.kept_turns.follow(journal)
        form = ResponseForm(kept.note_of(journal).echo, starting_after)
        return FollowedAnswer(turn, form, error_body)

    @delete(
        ONE_PATH,
        guards=[guard(gate, Scope.CHAT)],
        security=SECURITY,
        tags=["responses"],
        status_code=200,
        responses=error_responses(404, 409),
        summary="Keep a response no longer; its session stays",
    )
    async def delete_response(request: AnyRequest, response_id: ResponseId) -> DeletedResponse:
        journal = await found(request, response_id)
        if kept.shown(journal).status == "in_progress":
            raise Conflict(
                f"The response {response_id!r} is still being made. Wait for its end, or cancel it "
                "if it is made in the background."
            )
        await hub.kept_turns.forget(journal)
        return DeletedResponse(response_id)

    @post(
        f"{ONE_PATH}/cancel",
        guards=[guard(gate, Scope.CHAT)],
        security=SECURITY,
        tags=["responses"],
        status_code=200,
        responses=error_responses(404, 409),
        summary="End a response that is made in the background",
    )
    async def cancel_response(request: AnyRequest, response_id: ResponseId) -> ResponseObject:
        journal = await found(request, response_id)
        if not kept.note_of(journal).echo.background:
            raise InvalidRequest(
                "Only a response that was made with `background: true` can be cancelled; to end "
                "another, close the connection it comes on."
            )
        if kept.shown(journal).status == "in_progress":
            await _cancel(hub, journal)
        return kept.shown(await found(request, response_id))

    @get(
        f"{ONE_PATH}/input_items",
        guards=[guard(gate, Scope.CHAT)],
        security=SECURITY,
        tags=["responses"],
        responses=error_responses(404),
        summary="What the request of a response added to its conversation",
    )
    async def list_input_items(
        request: AnyRequest,
        response_id: ResponseId,
        after: Annotated[str | None, QueryParameter()] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_ITEMS)] = 20,
        order: Annotated[Literal["asc", "desc"], QueryParameter()] = "desc",
    ) -> ResponseItemList:
        journal = await found(request, response_id)
        said = await hub.kept_turns.said(journal)
        if said is None:
            raise UnknownResponse(
                f"The response {response_id!r} has no answer yet, or its session is gone; what was "
                "asked is only kept there."
            )
        items = kept.input_items(journal, said)
        return _page(items if order == "asc" else items[::-1], after, limit)

    return [get_response, delete_response, cancel_response, list_input_items]


async def _cancel(hub: Hub, journal: Journal) -> None:
    live = hub.journals.live(journal.head.principal, journal.head.turn_id)
    if live is None:
        await hub.kept_turns.cancel(journal)
        return
    turn = hub.background.find(journal.head.turn_id)
    if turn is not None:  # else it is ending
        turn.cancel()
    # One that takes longer is shown as it is then.
    with suppress(TimeoutError), within(CANCEL_SECONDS):
        await live.ended()


def _page(items: list[dict[str, Any]], after: str | None, limit: int) -> ResponseItemList:
    start = 0
    if after is not None:
        ids = [item["id"] for item in items]
        if after not in ids:
            raise InvalidRequest(f"There is no item {after!r} to go on after.", param="after")
        start = ids.index(after) + 1
    page = items[start : start + limit]
    return ResponseItemList(
        data=page,
        first_id=page[0]["id"] if page else None,
        last_id=page[-1]["id"] if page else None,
        has_more=start + limit < len(items),
    )


def _json(shown: ResponseObject) -> ASGIApp:
    return ASGIResponse(body=msgspec.json.encode(shown), media_type="application/json")
