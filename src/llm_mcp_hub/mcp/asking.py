"""The tools that ask models: `chat`, `ask_all` and `get_turn`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

from mcp_types import CallToolResult

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.chat import Message, TextPart, TurnOptions
from llm_mcp_hub.domain.ids import NO_SESSION
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.mcp.answer import Answer
from llm_mcp_hub.mcp.call import Call
from llm_mcp_hub.mcp.results import failure, result
from llm_mcp_hub.mcp.schemas import (
    AskAllArguments,
    AskAllResult,
    ChatArguments,
    ChatResult,
    GetTurnArguments,
    Image,
)
from llm_mcp_hub.services.access import require
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.follow import follow
from llm_mcp_hub.services.images import inline_image


async def chat(call: Call, arguments: ChatArguments) -> CallToolResult:
    """Ask one model."""
    require(call.principal, Scope.CHAT)
    until = _patience(call, arguments.wait_seconds)
    session_id = None if arguments.session_id == NO_SESSION else arguments.session_id
    model = await call.hub.choice.choose(
        call.principal, arguments.model, arguments.provider, session_id
    )
    command = ChatCommand(
        model=model,
        messages=(_message(arguments.message, arguments.images),),
        system=arguments.system_prompt,
        options=TurnOptions(max_tokens=arguments.max_tokens),
        session_id=session_id,
        remember=arguments.session_id != NO_SESSION,
        priority=call.principal.priority,
        resumable=True,
    )
    async with _signs_of_life(call):
        turn = await call.hub.chat.open_turn(call.principal, command)
    answer = Answer(call, turn, tells=call.wants_progress)
    return _answered(answer, await answer.wait(until))


async def get_turn(call: Call, arguments: GetTurnArguments) -> CallToolResult:
    """Fetch the answer of a turn that was left running, or whose call broke off."""
    require(call.principal, Scope.CHAT)
    until = _patience(call, arguments.wait_seconds)
    turn = await follow(call.hub.journals, call.principal.name, arguments.turn_id, 0)
    answer = Answer(call, turn, tells=call.wants_progress)
    try:
        found = await answer.wait(until)
    finally:
        answer.cancel()  # ends the following, not the turn
    return _answered(answer, found)


async def ask_all(call: Call, arguments: AskAllArguments) -> CallToolResult:
    """Ask several models at once. One that fails does not fail the others."""
    require(call.principal, Scope.CHAT)
    models = arguments.models or await call.hub.choice.one_of_each()
    if not models:
        await call.hub.choice.choose(call.principal)  # says why there is none
    asked = list(dict.fromkeys(models))
    until = _patience(call, arguments.wait_seconds)
    done = 0

    async def ask(model: str) -> ChatResult:
        nonlocal done
        found = await _one(call, arguments, model, until)
        done += 1
        if call.wants_progress:
            await call.progress(f"{model}: {found.status} ({done} of {len(asked)})")
        return found

    async with _signs_of_life(call), asyncio.TaskGroup() as group:
        questions = [group.create_task(ask(model)) for model in asked]
    answers = [question.result() for question in questions]
    return result(AskAllResult(answers), "\n\n".join(_section(one) for one in answers))


async def _one(call: Call, arguments: AskAllArguments, model: str, until: float) -> ChatResult:
    command = ChatCommand(
        model=model,
        messages=(_message(arguments.message, []),),
        system=arguments.system_prompt,
        options=TurnOptions(max_tokens=arguments.max_tokens),
        priority=call.principal.priority,
        resumable=True,
    )
    try:
        turn = await call.hub.chat.open_turn(call.principal, command)
    except HubError as error:
        return ChatResult("failed", "", model, None, None, error=failure(error))
    return await Answer(call, turn, tells=False).wait(until)


@asynccontextmanager
async def _signs_of_life(call: Call) -> AsyncIterator[None]:
    """Tell a client that wants to know, now and then, that its call is alive."""
    asking = asyncio.current_task()
    if not call.wants_progress or asking is None:
        yield
        return

    async def tell() -> None:
        while True:
            await asyncio.sleep(call.hub.config.mcp.keep_alive_seconds)
            if asking.cancelling():
                return  # a cancelled call may take a while to end, but is told of no more
            await call.progress()

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()


def _message(text: str, images: list[Image]) -> Message:
    parts = [
        inline_image(image.data, f"images[{number}].data") for number, image in enumerate(images)
    ]
    return Message("user", (*parts, TextPart(text)))


def _patience(call: Call, wanted: float | None) -> float:
    """Until when a call that begins now waits for its answer, in the event loop's time.

    A client that asked for progress hears that the answer is being made; the others give up after
    a time they do not tell.
    """
    if not call.hub.journals.enabled:
        return inf  # there would be nothing to fetch
    if wanted is None:
        wanted = 0.0 if call.wants_progress else call.hub.config.mcp.wait_seconds
    return asyncio.get_running_loop().time() + wanted if wanted else inf


def _answered(answer: Answer, found: ChatResult) -> CallToolResult:
    if answer.error is not None and found.status == "failed":
        raise answer.error
    if found.status == "running":
        return result(found, f"{found.text}\n\n{_still_running(found)}".lstrip())
    return result(found, found.text)


def _still_running(found: ChatResult) -> str:
    return (
        f"[The answer is not complete yet. Call get_turn with turn_id {found.turn_id!r} to fetch "
        "it; it goes on meanwhile.]"
    )


def _section(one: ChatResult) -> str:
    if one.error is not None:
        text = f"[Failed: {one.error.message}]"
    elif one.status == "running":
        text = f"{one.text}\n\n{_still_running(one)}".lstrip()
    else:
        text = one.text
    return f"## {one.model}\n\n{text}"
